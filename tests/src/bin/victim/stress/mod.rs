//! A storm: pools at work whose workers are killed, stopped and let go on at random moments.
//!
//! What holds, and is checked for every pool, whatever chaos does:
//!
//! 1. Every task resolves once: with its right value, or with the death of a worker that was
//!    killed by us, or, after an abort, with that. Nothing else, and nobody waits for ever.
//! 2. No task runs twice. One whose value came has run exactly once, from its begin to its end.
//!    One that was lost has run at most once: its worker may have died before, in or after it.
//! 3. A death costs at most one message: so there are no more lost messages than kills.
//! 4. A search has one winner, whose find is whole, or none; an error only with a death.
//! 5. After the storm every seat has its worker again, locks and claims are free (searches of
//!    both protocols find), and blocks come back.
//! 6. After the pool no block is in use, and no process, descriptor, thread or segment is left.
//!
//! `chaos` kills, `load` works, `audit` and `journal` keep the books, `watch` sees to it that
//! nobody stands still. The seed is printed and can be given again: it makes the same decisions,
//! though not at the same instants, because those are the machine's.

mod audit;
mod chaos;
mod herd;
mod journal;
mod load;
mod watch;

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::time::{Duration, Instant};

use fastrand::Rng;
use forkyard::{Arena, ChunkSize, ExitCause, Handle, Pool, Protocol, Report};
use tests::patience::{LIVENESS, until, within};

use crate::Scenario;
use crate::setup::{Setup, holdings, works};
use audit::{Audit, Lost};
use chaos::Chaos;
use herd::Herd;
use load::{KINDS, Load, mixed, tiny};
use watch::{EndsTheProcess, Watch};

pub(crate) const SCENARIOS: &[Scenario] = &[("stress/storm", storm)];

/// What came of all the pools of a storm.
#[derive(Debug, Default)]
struct Tally {
    pools: usize,
    tasks: usize,
    kills: usize,
    stops: usize,
    /// The killed by how they stood a moment before: `R` awake, `S` asleep, `T` stopped.
    stood: BTreeMap<char, usize>,
    /// Killed before they were ready.
    starting: usize,
    /// Killed with a message in hand.
    lost: Lost,
    /// Killed when ready and with nothing in hand.
    idle: usize,
    /// Killed after they had their pill.
    ending: usize,
}

/// Exit code of a worker that could not attach to its pool.
const NOT_ATTACHED: i32 = 114;

/// Until every seat has its worker again.
const RECOVERY: Duration = Duration::from_secs(20);

/// How a pool ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ending {
    Close,
    Abort,
    Drop,
}

/// Pool after pool until there were so many kills. Arguments: kills, and a seed (0: a new one).
fn storm(setup: &Setup) {
    let kills = usize::try_from(setup.number()).expect("a count");
    let seed: u64 = setup.arguments[1].parse().expect("a seed");
    let mut rng = if seed == 0 {
        Rng::new()
    } else {
        Rng::with_seed(seed)
    };
    let seed = rng.get_seed();
    eprintln!("seed {seed}");
    let begun = Instant::now();
    let mut tally = Tally::default();
    while tally.kills < kills {
        let most = (kills - tally.kills).min(150);
        let goal = rng.usize(1 + most / 3..=most);
        one_pool(setup, &mut rng, goal, &mut tally);
    }
    println!("seed {seed}, {:?}: {tally:?}", begun.elapsed());
}

fn one_pool(setup: &Setup, rng: &mut Rng, goal: usize, tally: &mut Tally) {
    let before = holdings();
    let chunk = rng.usize(1..20);
    let items = ChunkSize::Items(NonZeroUsize::new(chunk).expect("not zero"));
    let workers = rng.usize(1..=4);
    // With one worker that is left alone the pool gets on, so its budget must hold. Else nobody
    // may come to anything for a while, which by rights is a crash loop.
    let spares_one = workers > 1 && rng.bool();
    let budget = if spares_one { 5 } else { 1000 };
    let pool = setup.builder().workers(workers).chunk_size(items);
    let pool = pool.most_failed_starts(budget).build().expect("a pool");
    let arena = pool.arena().clone();
    let longest = Duration::from_nanos(1 << rng.u32(22..=28));
    let ending = [Ending::Close, Ending::Close, Ending::Abort, Ending::Drop][rng.usize(0..4)];
    let chaos = Chaos::new(goal, spares_one);
    let audit = Audit::new(&chaos);
    let watch = Watch::default();
    let pulse = watch.pulse("the main thread");
    let pulses: Vec<_> = KINDS.iter().map(|(name, _)| watch.pulse(name)).collect();
    let chaos_pulse = watch.pulse("chaos");
    let report = std::thread::scope(|scope| {
        let _guard = EndsTheProcess(None);
        let herd = Herd::of(setup.method);
        let seed = rng.fork();
        let (chaos, audit, watch) = (&chaos, &audit, &watch);
        scope.spawn(|| watch.run());
        scope.spawn(move || {
            let _guard = EndsTheProcess(None);
            chaos.run(seed, herd, longest, &chaos_pulse);
        });
        std::thread::scope(|scope| {
            for ((_, work), pulse) in KINDS.iter().zip(pulses) {
                let mut load = Load {
                    pool: &pool,
                    audit,
                    chaos,
                    chunk,
                    rng: rng.fork(),
                    pulse,
                };
                scope.spawn(move || load.go_on(*work));
            }
            pulse.end();
        });
        chaos.rest();
        has_recovered(&pool, workers, &arena);
        chaos.rage();
        let report = end(pool, ending, audit);
        chaos.end();
        watch.end();
        report
    });
    settle_the_books(report.as_ref(), ending, &chaos, &audit, tally);
    assert_eq!(arena.stats().live_blocks, 0, "{:?}", arena.stats());
    drop(arena);
    until("threads that have ended are gone", LIVENESS, || {
        (holdings().threads <= before.threads).then_some(())
    });
    assert_eq!(holdings(), before, "after a pool with {workers} workers");
}

/// Left alone, the pool is as good as new.
fn has_recovered(pool: &Pool, workers: usize, arena: &Arena) {
    let full = within(RECOVERY, || {
        let rows = pool.timings();
        let live = rows.iter().filter(|row| row.exit.is_none());
        (live.count() == workers).then_some(())
    });
    assert!(full.is_some(), "seats stay empty: {pool:#?}");
    works(pool);
    for protocol in [Protocol::Claim, Protocol::Lock] {
        let first = pool.first_with(protocol, |_, n: u64| Some(n), 0..10);
        let first = first.expect("a search");
        assert!(first.found.is_some_and(|found| found.value < 10));
        assert_eq!(first.winners, 1);
    }
    works(pool);
    // A worker keeps the blocks of its last results until its next task.
    let live = arena.stats().live_blocks;
    assert!(live <= 64 * workers as u64, "{live} blocks are in use");
}

/// Ends the pool with tasks in it, while its workers go on being killed.
fn end(pool: Pool, ending: Ending, audit: &Audit<'_>) -> Option<Report> {
    let ids = audit.ids(500);
    let handles: Vec<(u64, Handle<u64>)> = ids.map(|id| (id, pool.submit(tiny, id))).collect();
    let report = match ending {
        Ending::Close => Some(pool.close()),
        Ending::Abort => Some(pool.abort(Duration::from_millis(50))),
        Ending::Drop => {
            drop(pool);
            None
        }
    };
    for (id, handle) in handles {
        let is_right = |value: &u64| *value == mixed(id);
        let result = handle.join();
        audit.resolved(id, id..id + 1, result, is_right, ending != Ending::Close);
    }
    report
}

/// Holds what the pool reports against what was done to it.
fn settle_the_books(
    report: Option<&Report>,
    ending: Ending,
    chaos: &Chaos,
    audit: &Audit<'_>,
    tally: &mut Tally,
) {
    let (lost, tasks) = audit.close();
    let all_lost = lost.sum();
    assert!(all_lost <= chaos.kills(), "{lost:?} of {}", chaos.kills());
    tally.pools += 1;
    tally.tasks += tasks;
    tally.kills += chaos.kills();
    tally.stops += chaos.stops();
    for (state, count) in chaos.stood() {
        *tally.stood.entry(state).or_default() += count;
    }
    tally.lost.before += lost.before;
    tally.lost.within += lost.within;
    tally.lost.after += lost.after;
    tally.lost.somewhere += lost.somewhere;
    let Some(report) = report else { return };
    report.deaths.iter().for_each(|death| audit.is_ours(death));
    for row in &report.processes {
        let killed = match row.exit {
            Some(ExitCause::Code(0)) => false,
            Some(ExitCause::Signal { signal: 9, .. }) => true,
            // An abort has sent it, or has closed the pipe that it was about to connect.
            Some(ExitCause::Signal { signal: 15, .. }) | Some(ExitCause::Code(NOT_ATTACHED))
                if ending == Ending::Abort =>
            {
                false
            }
            other => panic!("worker {} has ended with {other:?}", row.worker),
        };
        let was_up = report
            .deaths
            .iter()
            .any(|death| (death.worker, death.generation) == (row.worker, row.generation));
        if killed && !was_up {
            assert!(ending == Ending::Abort || chaos.has_killed(row.pid));
            let starting = row.stages.sum() == row.stages.startup;
            tally.starting += usize::from(starting);
            tally.ending += usize::from(!starting);
        }
    }
    let died = usize::try_from(report.died()).unwrap_or(usize::MAX);
    tally.idle += died.saturating_sub(all_lost);
}
