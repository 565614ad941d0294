//! First found wins, over a pool.
//!
//! A round is armed, the result slot opened, and every item sent as a search of that round.
//! A task that finds claims the slot, writes, publishes and raises the flag, all in its
//! worker; the others see the flag and return. What the supervisor does is count.

use forkyard_os::clock::now_ns;
use forkyard_shm::first::{Offer, RESULT_BYTES, offer};
use forkyard_shm::{OwnerIndex, Protocol, ResultSlot, Round, StopFlag};
use forkyard_wire::codec;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{MutexGuard, PoisonError};
use std::time::Duration;

use crate::driver::Terms;
use crate::error::TaskError;
use crate::job::{Env, ItemError, Job, execute};
use crate::map::Dispatch;
use crate::packing::{has_attachments, restart_attachments};
use crate::start::OsPark;
use crate::trampoline::Function;
use crate::{ChunkSize, Pool, Search, trampoline};

/// What a search over a pool has found.
#[derive(Debug, Clone)]
pub struct First<Out> {
    /// The winner's find, if there was one.
    pub found: Option<Found<Out>>,
    /// How many tasks believed to have won: 1, or 0 when nothing was found. More only with
    /// [`Protocol::Unchecked`](crate::Protocol::Unchecked), which is there to show it.
    pub winners: u32,
    /// For each task that was still searching: from the raising of the flag until it had
    /// left its search. In the order in which they came back.
    pub stop_latencies: Vec<Duration>,
    /// How many items were searched, or begun.
    pub tasks: usize,
}

/// A find, and whose.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found<Out> {
    /// The find.
    pub value: Out,
    /// Index of the worker that found it.
    pub worker: usize,
}

/// How a search task ended: when it left (0 if it never began), whether it believed to have
/// won, and a find that is not in the slot.
type Ended<Out> = (u64, bool, Option<Out>);

/// Searches with `f`, under the name of `Named`: what the user has called it with.
pub(crate) fn run<Named, F, In, Out, I>(
    pool: &Pool,
    terms: Terms,
    protocol: Protocol,
    f: F,
    items: I,
) -> Result<First<Out>, TaskError>
where
    F: Fn(&Search<'_>, In) -> Option<Out> + Copy + 'static,
    In: Serialize + DeserializeOwned,
    Out: Serialize + DeserializeOwned,
    I: IntoIterator<Item = In>,
{
    let _ = f; // it holds nothing; its type is what crosses
    let (round, _one_at_a_time) = next_round(pool);
    let core = pool.core();
    let flag = &core.control.header().stop.0;
    let slot = core.control.result();
    slot.open(round);
    // Whatever happens, an iterator's panic included, the round is over when this returns.
    let _over = RaiseWhenOver { flag, round };

    let mut ended: Vec<(usize, Ended<Out>)> = Vec::new();
    let mut failed: Option<TaskError> = None;
    let mut tasks = 0;
    // Refused once, refused for ever: the rest of the items need not be looked at.
    let refused = AtomicBool::new(false);
    let stop = || flag.is_raised(round) || refused.load(Ordering::Relaxed);
    Dispatch::new(
        core,
        Function::of::<Named>(search::<F, In, Out>),
        ChunkSize::Items(NonZeroUsize::MIN),
        terms,
    )
    .searching(round.number(), protocol as u16)
    .until(&stop)
    .run(items.into_iter(), &mut |reply| {
        tasks += 1;
        let worker = reply.worker();
        reply.decode::<Ended<Out>>(|_, result| match result {
            Ok(end) => ended.push((worker, end)),
            Err(error) => {
                let for_ever = matches!(
                    error,
                    TaskError::Aborted | TaskError::Closed | TaskError::NoWorkers(_)
                );
                refused.fetch_or(for_ever, Ordering::Relaxed);
                failed.get_or_insert(error);
            }
        });
    });
    let raised_ns = slot.raised_ns();
    let winners = slot.believers();
    let (in_slot, mut found_by) = published(slot, round, pool.workers())?;
    let stop_latencies = latencies(&ended, raised_ns);
    let value = match in_slot {
        Some(bytes) => Some(
            codec::decode(&bytes)
                .map_err(|error| TaskError::DecodeResult(error.to_string().into()))?,
        ),
        // The winner's find was too long for the slot, or its claim died with it: the find
        // came back with a task's own result.
        None => left_over(&mut ended, &mut found_by),
    };
    match (value, found_by, failed) {
        (Some(value), Some(worker), _) => Ok(First {
            found: Some(Found { value, worker }),
            winners: winners.max(1),
            stop_latencies,
            tasks,
        }),
        (_, _, Some(error)) => Err(error),
        // Whoever saw the abort in time has ended like one who found nothing.
        _ if flag.is_raised_for_ever() => Err(TaskError::Aborted),
        _ => Ok(First {
            found: None,
            winners: 0,
            stop_latencies: Vec::new(),
            tasks,
        }),
    }
}

/// The next round, and the lock that keeps other searches from having one meanwhile. It is counted
/// under the lock and not in the flag, which every worker can write.
fn next_round(pool: &Pool) -> (Round, MutexGuard<'_, u32>) {
    let mut last = pool
        .searching
        .lock()
        .unwrap_or_else(PoisonError::into_inner);
    let Some(number) = last.checked_add(1) else {
        panic!("a pool has 2^32 - 1 searches; build a new one");
    };
    *last = number;
    (Round::from_number(number), last)
}

/// What the slot has of `round`: the find, if it is not in a reply, and the worker that won.
fn published(
    slot: &ResultSlot,
    round: Round,
    workers: usize,
) -> Result<(Option<Vec<u8>>, Option<usize>), TaskError> {
    let fault = |why: String| TaskError::Fault(why.into());
    let read = slot.read(round).map_err(|error| fault(error.to_string()))?;
    let Some((owner, bytes, in_reply)) = read else {
        return Ok((None, None));
    };
    match owner.worker().filter(|worker| *worker < workers) {
        Some(worker) => Ok(((!in_reply).then_some(bytes), Some(worker))),
        None => Err(fault(format!(
            "the result slot names owner {}, which is no worker of this pool",
            owner.get()
        ))),
    }
}

/// Ends a round.
struct RaiseWhenOver<'a> {
    flag: &'a StopFlag,
    round: Round,
}

impl Drop for RaiseWhenOver<'_> {
    fn drop(&mut self) {
        self.flag.raise(self.round);
    }
}

/// From the raise to the leaving of each task that did not win.
fn latencies<Out>(ended: &[(usize, Ended<Out>)], raised_ns: Option<u64>) -> Vec<Duration> {
    let Some(raised_ns) = raised_ns else {
        return Vec::new();
    };
    ended
        .iter()
        .filter(|(_, (left_ns, believed, _))| !believed && *left_ns >= raised_ns)
        .map(|(_, (left_ns, _, _))| Duration::from_nanos(left_ns - raised_ns))
        .collect()
}

/// A find that came back with a task: that of the slot's owner first, else anybody's.
fn left_over<Out>(ended: &mut [(usize, Ended<Out>)], found_by: &mut Option<usize>) -> Option<Out> {
    let owners = ended
        .iter()
        .position(|(worker, end)| end.2.is_some() && Some(*worker) == *found_by);
    let any = || ended.iter().position(|(_, end)| end.2.is_some());
    let at = owners.or_else(any)?;
    let (worker, end) = &mut ended[at];
    *found_by = Some(*worker);
    end.2.take()
}

/// The trampoline of a search task.
fn search<F, In, Out>(job: &mut Job<'_>)
where
    F: Fn(&Search<'_>, In) -> Option<Out> + Copy + 'static,
    In: DeserializeOwned,
    Out: Serialize,
{
    let f = trampoline::conjure::<F>();
    execute::<In, Ended<Out>>(job, |env, argument| {
        let Some(seat) = &env.context.seat else {
            unreachable!("trampolines run in workers")
        };
        let flag = &seat.control.header().stop.0;
        let round = Round::from_number(env.round);
        if flag.is_raised(round) {
            return Ok((0, false, None));
        }
        let search = Search::new(flag, round, env.context.check_every);
        let found = f(&search, argument);
        drop(search);
        match found {
            // A pool that is aborted has no winner, and this may be no find but the end of a loop.
            Some(_) if flag.is_raised_for_ever() => Ok((now_ns(), false, None)),
            None => Ok((now_ns(), false, None)),
            Some(value) => claim(env, round, seat.owner, &seat.control, value),
        }
    });
}

fn claim<Out: Serialize>(
    env: &mut Env<'_>,
    round: Round,
    owner: OwnerIndex,
    control: &forkyard_shm::control::Control,
    value: Out,
) -> Result<Ended<Out>, ItemError> {
    let mut bytes = Vec::new();
    let encoded = codec::encode_to_vec(&value, &mut bytes);
    // A find that speaks of blocks needs a message that keeps them until it is taken. This
    // encoding is none.
    let in_reply = bytes.len() > RESULT_BYTES || has_attachments();
    restart_attachments();
    encoded.map_err(|error| ItemError::Encode(error.to_string()))?;
    if in_reply {
        bytes.clear();
    }
    let protocol = match env.mode {
        1 => Protocol::Lock,
        2 => Protocol::Unchecked,
        _ => Protocol::Claim,
    };
    env.laps.compute();
    let offered = offer(
        protocol,
        control.result(),
        &control.header().lock.0,
        &control.header().stop.0,
        round,
        owner,
        (&bytes, in_reply),
        now_ns,
        &OsPark,
    );
    env.laps.lock();
    let left = now_ns();
    Ok(match offered {
        Offer::Won if in_reply => (left, true, Some(value)),
        Offer::Won => (left, true, None),
        // Should the winner die before it publishes, this find is as good.
        Offer::Lost => (left, false, Some(value)),
    })
}
