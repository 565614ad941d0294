//! What a task can ask about the worker it runs in.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use forkyard_shm::control::Control;
use forkyard_shm::{CheckEvery, OwnerIndex, Round, StopFlag};

use crate::setup::Received;
use crate::{Arena, Search};

/// The worker that runs the calling task, or, outside a worker, nothing in particular.
#[derive(Debug)]
pub struct Context {
    pub(crate) seat: Option<WorkerSeat>,
    pub(crate) arena: Option<Arena>,
    pub(crate) check_every: CheckEvery,
    pub(crate) received: Received,
    idle_flag: StopFlag,
}

/// Where a worker sits.
#[derive(Debug)]
pub(crate) struct WorkerSeat {
    pub(crate) index: usize,
    pub(crate) owner: OwnerIndex,
    pub(crate) generation: u32,
    pub(crate) control: Control,
}

static CONTEXT: OnceLock<Context> = OnceLock::new();

/// The message that this process runs, one at a time: its number, and its search round if it is
/// of a search. Not the thread's own, so that threads that a task starts see it as well. Before
/// the first message nothing but an abort stops anything.
static MESSAGE: AtomicU64 = AtomicU64::new(u64::MAX);
static SEARCH: AtomicU32 = AtomicU32::new(0);

/// What there is outside a worker. Apart from [`CONTEXT`], so that a worker that is forked
/// from a process that has asked for it can still have its own.
static INERT: OnceLock<Context> = OnceLock::new();

/// The context of the calling task; an inert one outside a worker.
///
/// ```
/// // Not in a worker: no index, and a search that nobody stops.
/// let context = forkyard::context();
/// assert_eq!(context.worker(), None);
/// assert!(!context.search().is_stopped());
/// ```
pub fn context() -> &'static Context {
    CONTEXT.get().unwrap_or_else(|| {
        INERT.get_or_init(|| Context {
            seat: None,
            arena: None,
            check_every: CheckEvery::Auto,
            received: Received::default(),
            idle_flag: StopFlag::new(),
        })
    })
}

impl Context {
    /// Becomes this process's context. Only a worker calls this, once, before any task.
    pub(crate) fn install(
        seat: WorkerSeat,
        arena: Arena,
        check_every: CheckEvery,
        received: Received,
    ) -> &'static Self {
        let mut new = Some(Self {
            seat: Some(seat),
            arena: Some(arena),
            check_every,
            received,
            idle_flag: StopFlag::new(),
        });
        let context = CONTEXT.get_or_init(|| match new.take() {
            Some(context) => context,
            None => unreachable!("the initialiser runs once"),
        });
        assert!(new.is_none(), "a process becomes a worker once");
        Self::enter_message(u64::MAX, 0);
        context
    }

    /// Notes the message whose tasks are about to run: its number, and its search round, or zero.
    #[inline]
    pub(crate) fn enter_message(number: u64, search: u32) {
        // Relaxed: threads that look at them were started by a task, later than this.
        MESSAGE.store(number, Ordering::Relaxed);
        SEARCH.store(search, Ordering::Relaxed);
    }

    /// The flag that stops the calling task, and the round in which it does.
    fn stop(&self) -> (&StopFlag, Round) {
        let Some(seat) = &self.seat else {
            return (&self.idle_flag, Round::of_message(u64::MAX));
        };
        match SEARCH.load(Ordering::Relaxed) {
            0 => {
                let number = MESSAGE.load(Ordering::Relaxed);
                let flag = &seat.control.page(seat.index).stops.flag;
                (flag, Round::of_message(number))
            }
            round => {
                let flag = &seat.control.header().stop.0;
                (flag, Round::from_number(round))
            }
        }
    }

    /// The index of this worker in its pool; `None` outside a worker.
    #[must_use]
    pub fn worker(&self) -> Option<usize> {
        self.seat.as_ref().map(|seat| seat.index)
    }

    /// Which incarnation of the worker this is: 0 for the first.
    #[must_use]
    pub fn generation(&self) -> u32 {
        self.seat.as_ref().map_or(0, |seat| seat.generation)
    }

    /// What tells the calling task to stop, for a loop that looks now and then
    /// ([`Search::checker`]).
    ///
    /// It does when the task has taken longer than it may, or was cancelled; when the search that
    /// it is of is over; and when its pool is aborted. Threads
    /// that the task starts see it as well. Outside a worker nothing is ever stopped.
    ///
    /// A task that returns soon then keeps its worker; see
    /// [`task_grace`](crate::PoolBuilder::task_grace).
    #[must_use]
    pub fn search(&self) -> Search<'_> {
        let (flag, round) = self.stop();
        Search::new(flag, round, self.check_every)
    }

    /// Whether the calling task is to stop: the flag of [`search`](Self::search), looked at once.
    ///
    /// ```
    /// // Not in a worker: nobody stops this.
    /// assert!(!forkyard::context().is_stopped());
    /// ```
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        let (flag, round) = self.stop();
        flag.is_raised(round)
    }

    /// How often searches look at the stop flag, as the pool was told.
    #[must_use]
    pub fn check_every(&self) -> CheckEvery {
        self.check_every
    }

    /// The name of the pool, if it was [given one](crate::PoolBuilder::name).
    #[must_use]
    pub fn pool_name(&self) -> Option<&str> {
        self.received.pool_name()
    }

    /// The value of that type that the pool [provides](crate::PoolBuilder::provide) to its
    /// workers; `None` when it provides none, and outside a worker.
    #[must_use]
    pub fn provided<T: 'static>(&self) -> Option<&'static T> {
        self.received.provided()
    }

    /// Says how far the calling task is: `done` of `total`, in whatever it counts; `total` is 0
    /// when it does not know. [`Pool::progress`](crate::Pool::progress) tells, until the task
    /// ends. Costs three stores; outside a worker it does nothing.
    ///
    /// Of the items of a chunk of a `map`, each has the word when it runs.
    #[inline]
    pub fn progress(&self, done: u64, total: u64) {
        let Some(seat) = &self.seat else { return };
        let page = seat.control.page(seat.index);
        let said = &page.progress;
        said.done.store(done, Ordering::Relaxed);
        said.total.store(total, Ordering::Relaxed);
        // Which message it is of: it counts for nothing once that is done.
        let message = page.counters.begun.load(Ordering::Relaxed);
        said.message.store(message, Ordering::Relaxed);
    }

    /// The pool's arena; `None` outside a worker.
    #[must_use]
    pub fn arena(&self) -> Option<&Arena> {
        self.arena.as_ref()
    }
}
