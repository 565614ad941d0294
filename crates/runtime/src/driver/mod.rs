//! How tasks move, and who moves them.
//!
//! There is no dispatcher thread. Whoever waits for a result *drives*: it sends what is
//! pending, takes what has come back (its own results and other people's), and, when there
//! is nothing to do, sleeps at the doorbell. One thread at a time sleeps there, the *leader*;
//! others that wait are *followers* on a condition variable, and one of them takes over when
//! the leader has what it came for. (Leader/followers: Schmidt et al., POSA 2.)
//!
//! ```text
//!   submit ──> seat with room ──lane/pipe──> worker ──lane/pipe──> poll ──> batch.replies
//!        `──> pending ──feed──^                                                  `─> join, map
//! ```
//!
//! User code (encoding, decoding, iterators) never runs under the driver's lock.
//!
//! Files: `terms`, `stop`, `cancel`, `careful`, `retry` (single tasks that end otherwise than by themselves), `unblock` (what
//! stands in a pipe behind a long one),
//! `seat` (a worker's place), `link` and `pipe` (the two paths), `dispatch` (sending), `share` (to whom),
//! `collect` (taking), `lifecycle` (around the machine of `life`), `starting`, `death` and `failure` (when a worker is
//! gone), `past` (what is kept of it), `abort`, `batch` (what belongs together), `wait` (leader and followers), `watch` and `locked` (telling those who do not wait), `feeder`,
//! `elsewhere` and `behind` (driving in the background).

mod abort;
mod batch;
mod behind;
mod cancel;
mod careful;
mod collect;
mod death;
mod dispatch;
mod elsewhere;
mod failure;
mod feeder;
mod lifecycle;
mod link;
mod locked;
mod past;
mod pipe;
mod retry;
mod seat;
mod share;
mod starting;
mod stop;
mod suspend;
mod terms;
mod unblock;
mod wait;
mod watch;

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, OnceLock, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use forkyard_os::clock::TickScale;
use forkyard_os::death::DeathWaker;
use forkyard_os::process::Birth;
use forkyard_shm::SpinBudget;
use forkyard_shm::control::Control;
use slab::Slab;
use std::sync::Arc;

pub(crate) use batch::{Batch, Reply};
pub(crate) use cancel::{Cancelled, Whereabouts};
pub(crate) use elsewhere::{DrivenElsewhere, enlist, own_pools};
pub(crate) use failure::{LastWords, StartFailure};
pub(crate) use lifecycle::TERM_TO_KILL;
pub(crate) use link::Link;
pub(crate) use locked::{Locked, Notices, is_reaper, never_tell_here, tell_in_turn};
use past::Past;
pub(crate) use pipe::Pipe;
pub(crate) use seat::Seat;
pub use suspend::suspend;
pub(crate) use terms::Terms;
pub(crate) use wait::Patience;
pub(crate) use watch::{Group, Watcher};

use crate::arena::RawArena;
use crate::builder::Options;
use crate::life::Life;
pub(crate) use crate::life::{PoolPhase, SeatPhase};
use crate::mapped::PoolMemory;
use crate::parcel::Ready;
use crate::report::CutShort;
use crate::setup::Kept;
use crate::start::Starter;
use crate::state::Registry;
use crate::stats::Named;
use crate::witness::Witness;
use behind::NextLook;
use suspend::Pause;

/// Everything of a pool that its handles, threads and the `Pool` itself share.
#[derive(Debug)]
pub(crate) struct Core {
    pub(crate) control: Control,
    pub(crate) arena: Arc<RawArena>,
    pub(crate) options: Options,
    pub(crate) starter: Starter,
    /// Tells a forked child's copy, which is nobody's, from the pool.
    birth: Birth,
    pub(crate) scale: &'static TickScale,
    pub(crate) created: Instant,
    /// The pool's life, to those who trace it.
    pub(crate) span: tracing::Span,
    /// Cores that this process may use.
    pub(crate) cores: u32,
    /// The pool's shared state.
    pub(crate) states: Registry,
    /// What its workers are told of themselves.
    setup: OnceLock<Kept>,
    /// What is known of deaths.
    pub(crate) witness: Witness,
    driver: Mutex<Driver>,
    /// Followers wait here.
    followers: Condvar,
    /// The feeder waits here for pending tasks.
    pub(crate) feeder: Condvar,
    /// Wakes the reaper.
    pub(crate) waker: DeathWaker,
    /// Keeps what `control` and `arena` lie in. Last, so that it is dropped last.
    pub(crate) memory: Arc<PoolMemory>,
}

/// What the lock guards.
#[derive(Debug)]
pub(crate) struct Driver {
    /// As the machine has it; written in `lifecycle` only.
    pub(crate) phase: PoolPhase,
    life: Life,
    pub(crate) seats: Vec<Seat>,
    /// In boxes, which are used again: a batch is opened where the last one was.
    pub(crate) batches: Slab<Box<Batch>>,
    /// Batches that were opened, in all.
    opened: u64,
    pub(crate) pending: VecDeque<Ready>,
    /// Processes that are gone.
    pub(crate) past: Past,
    /// Messages that workers have finished, in all.
    finished: u64,
    pub(crate) start_failure: Option<StartFailure>,
    /// The seat that a process is to be started for now.
    to_start: Option<usize>,
    /// Who was to start a process has not done so in time.
    pub(crate) starter_is_to_die: bool,
    /// When the reaper will look at the timers, unless it is woken.
    next_look: Option<Instant>,
    /// How long an abort waits for workers before SIGTERM.
    grace: Duration,
    /// What an abort has left undone.
    pub(crate) cut_short: Option<CutShort>,
    /// The pool's report is made, and nothing of it is left to be seen.
    pub(crate) has_ended: bool,
    /// All workers were ready once: from now on those with nothing to do may be let go.
    pub(crate) is_built: bool,
    spin: SpinBudget,
    leading: bool,
    /// What the leader sleeps for.
    leads_with: Patience,
    following: usize,
    /// Followers by their patience.
    waiting: [usize; 3],
    /// Messages were sent that a sleeping leader does not watch.
    unwatched: bool,
    /// The leader is asleep, or about to be.
    leader_sleeps: bool,
    /// Grows with results that are taken, and replies that are made here, so that a thread can tell
    /// that there were some.
    arrived: u64,
    pub(crate) feeder_thread: Option<JoinHandle<()>>,
    /// There is no thread to be had for the feeder: the reaper does its work, a step at a time.
    lacks_feeder: bool,
    /// Since when there is none to be had for what the reaper does not tell.
    lacks_teller: Option<Instant>,
    /// Threads that tell what the reaper does not.
    pub(crate) tellers: Vec<JoinHandle<()>>,
    /// Those of this process that wait in shared state, or watch a task, and so do not drive.
    waits_elsewhere: usize,
    /// To be told when the lock is let go.
    notices: Notices,
    next_seat: usize,
    /// Messages in flight to a worker at most.
    queue_depth: usize,
    /// Idle workers are let go, so that work goes to few of them.
    keeps_few: bool,
    /// Some that were let go are called up when there is work for them, or about to be there.
    others_may_come: bool,
    /// A worker was found to have had its share of tasks, while messages were shared out.
    has_closed: bool,
    /// The functions that onlookers are told the names of.
    named: Named,
    /// Batches that are gone, to be used again.
    #[expect(
        clippy::vec_box,
        reason = "they go to and fro between here and `batches`"
    )]
    spare: Vec<Box<Batch>>,
    /// Where replies go that nobody waits for.
    scrap: Reply,
    /// There was a batch with a limit or retries, or a task that was cancelled: from now on
    /// these are looked after.
    has_terms: bool,
    /// When the reaper looks for tasks that are over their limit; it sleeps until then.
    next_limit: Option<Instant>,
    /// When the reaper looks after what stands behind other tasks.
    behind: Option<NextLook>,
    /// When this process was last suspended, until when.
    pause: Option<Pause>,
}

impl Core {
    pub(crate) fn new(
        memory: Arc<PoolMemory>,
        arena: Arc<RawArena>,
        options: Options,
        starter: Starter,
        mut seats: Vec<Seat>,
        witness: Witness,
        waker: DeathWaker,
    ) -> Self {
        for seat in &mut seats {
            seat.allowance = options.lifecycle.allowance();
        }
        let cores = u32::try_from(forkyard_os::cpus::available().get()).unwrap_or(u32::MAX);
        Self {
            control: *memory.control(),
            arena,
            starter,
            birth: Birth::here(),
            scale: TickScale::of_this_process(),
            created: Instant::now(),
            span: crate::trace::pool(&memory),
            cores,
            states: Registry::default(),
            setup: OnceLock::new(),
            witness,
            driver: Mutex::new(Driver {
                phase: PoolPhase::Open,
                life: Life::new(seats.len(), options.rules()),
                seats,
                batches: Slab::new(),
                opened: 0,
                pending: VecDeque::new(),
                past: Past::default(),
                finished: 0,
                start_failure: None,
                to_start: None,
                starter_is_to_die: false,
                next_look: None,
                grace: Duration::ZERO,
                cut_short: None,
                has_ended: false,
                is_built: false,
                spin: SpinBudget::new(cores, crate::worker::MOST_SPIN_TURNS),
                leading: false,
                leads_with: Patience::Next,
                following: 0,
                waiting: [0; 3],
                unwatched: false,
                leader_sleeps: false,
                arrived: 0,
                feeder_thread: None,
                lacks_feeder: false,
                lacks_teller: None,
                tellers: Vec::new(),
                waits_elsewhere: 0,
                notices: Notices::default(),
                next_seat: 0,
                queue_depth: options.queue_depth,
                others_may_come: false,
                has_closed: false,
                keeps_few: options.lifecycle.idle_timeout.is_some(),
                named: Named::default(),
                spare: Vec::new(),
                scrap: Reply::default(),
                has_terms: false,
                next_limit: None,
                behind: None,
                pause: None,
            }),
            followers: Condvar::new(),
            feeder: Condvar::new(),
            options,
            waker,
            memory,
        }
    }

    /// Whether the pool is this process's, and not a copy of one that fork has made. A copy's
    /// lock may be held for ever by a thread that is not there.
    pub(crate) fn is_ours(&self) -> bool {
        self.birth.is_here()
    }

    /// The driver. A panic while it was held cannot have left it half-changed: nothing
    /// under the lock runs user code, and what can panic there (allocation) precedes change.
    ///
    /// # Panics
    /// In a forked child: it would take results from under its parent, and wait for a thread that is
    /// not there.
    #[inline]
    pub(crate) fn lock(&self) -> Locked<'_> {
        assert!(
            self.is_ours(),
            "this pool belongs to the process that this one was forked from; here it can only be \
             dropped, so build another"
        );
        let guard = self.driver.lock().unwrap_or_else(PoisonError::into_inner);
        Locked::new(self, guard)
    }

    /// Says what its workers are told, before the first is started.
    pub(crate) fn set_up(&self, kept: Kept) {
        let _ = self.setup.set(kept);
    }

    /// What its workers are told of themselves.
    pub(crate) fn setup(&self) -> &Kept {
        self.setup.get_or_init(Kept::default)
    }

    /// Wakes whoever sleeps at the doorbell, to look at what has changed.
    pub(crate) fn ring(&self) {
        self.control.header().doorbell.0.ring(&crate::start::OsPark);
    }
}

impl Driver {
    /// Whether no process is left and none will come.
    pub(crate) fn all_gone(&self) -> bool {
        self.seats.iter().all(|seat| seat.phase == SeatPhase::Gone)
    }
}
