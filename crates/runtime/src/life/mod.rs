//! The life of the workers, as a machine: events in, actions out. It knows no clock, no
//! process and no lock, so a test can walk through every order of events (`walk`); the driver
//! around it is `driver::lifecycle`.
//!
//! ```text
//!                     Wanted                    Ask                   Ready
//!        [Dormant] ------------> [Vacant] --------------> [Starting] --------> [Up]
//!            ^                    ^    ^                    |     |           |  |  |
//!            |               Due  |    |  NotStarted, or    |     |   Retire  |  |  | Exited
//!            |               [Resting] |  Exited too early  |     |   (busy)  v  |  |
//!            |                    ^    +--------------------+     |   [Retiring] |  |
//!            |                    |    |   within budget          |           |  |  |
//!            |                    +----|--------------------------|-----------|--|--+--> as for
//!            |  budget used up, others |                          | Abort     |  |       Starting
//!            |  get on                 |                   Emptied|           v  v Retire (idle),
//!            |                         |                          +-------> [Ending] Drained, Abort
//!            |                         |         Exited: it was recycled      |  |
//!            |                         +--------------------------------------+  |
//!            +-------------------------------------------------------------------+
//!                 Exited: it was not needed; or the pool closes and no work waits
//!
//!        [Gone]  from every state: budget used up and nobody gets on; drained after Close;
//!                Abort; nothing left that could start a process. From there nowhere.
//! ```
//!
//! A seat that is Ending has been asked (pill, or the end of its pipe); when it takes too long
//! it gets SIGTERM, then SIGKILL, then SIGKILL again. A seat that starts too slowly gets SIGKILL;
//! when its process has not even shown up, whoever was to start it (the zygote) gets it.
//!
//! Each seat has at most one timer. The machine says what it waits for ([`Wait`]), the driver how
//! long that is, and [`Event::Due`] that it is over.

mod budget;
mod machine;
mod seat;
#[cfg(test)]
mod walk;

pub(crate) use machine::Life;

/// Where a seat is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum SeatPhase {
    /// No process, and one is to be started.
    Vacant,
    /// No process until some time has passed: the last ones ended too soon.
    Resting,
    /// No process until there is work for it.
    Dormant,
    /// A process was asked for and has not said that it is ready.
    Starting,
    /// A worker takes tasks.
    Up,
    /// The worker finishes what it has, and is then told to end.
    Retiring,
    /// The worker was told to end.
    Ending,
    /// No process, and none will come.
    Gone,
}

impl SeatPhase {
    /// Whether a process is, or will be, here.
    pub(crate) fn is_occupied(self) -> bool {
        matches!(
            self,
            Self::Starting | Self::Up | Self::Retiring | Self::Ending
        )
    }

    /// Whether a worker is here that has said that it is ready, and can be at a task.
    pub(crate) fn is_at_work(self) -> bool {
        matches!(self, Self::Up | Self::Retiring)
    }
}

/// Whether a pool takes tasks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum PoolPhase {
    /// It does.
    Open,
    /// It runs what it has, then ends.
    Closing,
    /// It runs nothing any more.
    Aborted,
}

/// What a process had done by its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Yield {
    /// Nothing at all.
    Nothing,
    /// It died in the middle of its first message: that may be the message's fault.
    Begun,
    /// It had finished messages.
    Results,
}

/// What happens, to the pool or to one of its seats.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Event {
    /// A process can be started now: for whom?
    Ask,
    /// The seat's process exists, and signals reach it.
    Born(usize),
    /// It says that it is ready; perhaps too late.
    Ready(usize),
    /// There will be no process for the seat that asked for one.
    NotStarted {
        seat: usize,
        /// The pool has finished messages since this seat's budget was last used up.
        getting_on: bool,
    },
    /// The seat's process was reaped, whatever it died of, and what it had is in the queue again.
    Exited {
        seat: usize,
        had: Yield,
        /// There is work for another process.
        waiting: bool,
        /// As in [`NotStarted`](Self::NotStarted).
        getting_on: bool,
    },
    /// The seat's process is killed for what it wrote.
    Doom(usize),
    /// The seat's worker is to be replaced by a new one.
    Recycle {
        seat: usize,
        /// It has messages in flight.
        busy: bool,
    },
    /// The seat's worker has had nothing to do for long.
    Idle(usize),
    /// A worker that is retiring has finished what it had.
    Emptied(usize),
    /// There is work for so many workers.
    Wanted(usize),
    /// The pool takes no more tasks.
    Close,
    /// Nothing is left to be done.
    Drained,
    /// The pool ends now; once more: it ends sooner.
    Abort,
    /// What the seat's timer waited for is over.
    Due(usize),
    /// Whoever starts processes (the zygote) has died.
    StarterLost {
        /// There can be another.
        another: bool,
    },
}

/// What the driver is to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Action {
    /// Start a process for the seat.
    Start(usize),
    /// Have [`Event::Ask`] come soon: a seat is vacant that was not.
    WakeStarter,
    /// Tell the worker to end after what it has.
    Pill(usize),
    /// Tell the worker, or who is about to be one, to end whatever it has: its messages are gone.
    Dismiss(usize),
    /// Send the process SIGTERM.
    Term(usize),
    /// Send the process SIGKILL.
    Kill(usize),
    /// Kill whoever was to start a process and does not.
    KillStarter,
    /// Put what was sent ahead to the seat, which has no process, back into the queue.
    TakeBack(usize),
    /// Set the seat's timer. Setting it for the same again can only bring it forward.
    Timer(usize, Wait),
    /// Stop the seat's timer.
    NoTimer(usize),
}

/// What a seat's timer waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Wait {
    /// A process that is to be ready.
    Start,
    /// The end of a rest.
    Rest,
    /// A worker that was told to end in good order.
    Leave,
    /// A worker whose pool is aborted.
    Grace,
    /// A process that was sent SIGTERM or SIGKILL.
    Signalled,
}

/// What the machine is told once.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rules {
    /// The budget: so many failures in a row are too many. At least 1.
    pub(crate) most_failures: u32,
    /// So many workers stay, however idle.
    pub(crate) least_workers: usize,
}
