//! A worker's place in the pool, as the supervisor keeps it. The process that sits there may
//! change; the place stays.
//! Where it is in its life is the machine's to say: see [`life`](crate::life).

use std::collections::VecDeque;
use std::time::Instant;

use forkyard_os::process::{Pid, start_time};
use forkyard_shm::OwnerIndex;

use super::link::Link;
use super::stop::{Clock, Stopping};
use crate::life::{SeatPhase, Wait};
use crate::parcel::{Extra, Ticket};

/// A message that was sent to a worker and has not come back.
#[derive(Debug)]
pub(crate) struct InFlight {
    pub(crate) ticket: Ticket,
    pub(crate) extra: Option<Box<Extra>>,
}

/// A place in the pool.
#[derive(Debug)]
pub(crate) struct Seat {
    pub(crate) index: usize,
    pub(crate) owner: OwnerIndex,
    pub(crate) generation: u32,
    /// As the machine has it; written in `lifecycle` only.
    pub(crate) phase: SeatPhase,
    /// What the machine waits for here, and until when.
    pub(crate) timer: Option<(Wait, Instant)>,
    pub(crate) pid: Option<Pid>,
    pub(crate) link: Link,
    pub(crate) in_flight: VecDeque<InFlight>,
    /// What the worker wrote that it must not; set before it is killed for it.
    pub(crate) fault: Option<String>,
    /// Messages that the whole pool had finished when the budget here was last used up.
    pub(crate) finished_before: u64,
    /// It was in the middle of a task when the pool was aborted.
    pub(crate) cut_short: bool,
    /// Whether there ever was a process here.
    pub(crate) started: bool,
    /// Items that its worker may still be sent before it is replaced.
    pub(crate) allowance: u64,
    /// Results taken at the reaper's last look, and since when it has been idle.
    pub(crate) idle: (u64, Option<Instant>),
    /// A process was here, and its link is still as it left it.
    pub(super) is_worn: bool,
    /// Its process is gone, and the zygote has not said how.
    pub(crate) is_unheard: bool,
    /// Its process's end is watched.
    pub(crate) is_watched: bool,
    /// Its zygote has died: nobody will say how it ends. When it was started, to know it by.
    pub(crate) orphaned_at: Option<u64>,
    /// The peak memory of this process when it started that of the seat by exec; else zero.
    pub(crate) image_peak_bytes: u64,
    /// Its process was killed because it was not ready in time.
    pub(crate) start_timed_out: bool,
    /// Mean time of a message in the worker, in nanoseconds; zero while unknown.
    pub(crate) mean_ns: u64,
    /// Messages that it should have in flight; zero while their mean time is unknown.
    pub(crate) depth: usize,
    /// Time of an item in the worker, in picoseconds; zero while unknown.
    pub(crate) item_ps: u64,
    /// Counters at the last refresh of the means: messages begun, tasks, ticks busy.
    pub(crate) last: (u64, u64, u64),
    /// What stood behind its task was taken back: nothing is sent behind it until it has ended.
    pub(crate) blocked: bool,
    /// Results taken, as told to the worker.
    pub(crate) taken: u64,
    /// Its worker has a hold on blocks of results until it learns that they were taken.
    pub(crate) keeps: bool,
    /// A message of its worker that is being stopped.
    pub(super) stop: Option<Stopping>,
    /// Since when its worker is at its oldest message, while that has a limit.
    pub(super) clock: Option<Clock>,
    /// Its results are looked at one by one: one is stopped, or was not to be run.
    pub(super) careful: bool,
}

impl Seat {
    pub(crate) fn new(index: usize, owner: OwnerIndex, link: Link) -> Self {
        Self {
            index,
            owner,
            generation: 0,
            phase: SeatPhase::Vacant,
            timer: None,
            pid: None,
            link,
            in_flight: VecDeque::new(),
            fault: None,
            finished_before: 0,
            cut_short: false,
            started: false,
            allowance: u64::MAX,
            idle: (0, None),
            is_worn: false,
            is_unheard: false,
            is_watched: false,
            orphaned_at: None,
            image_peak_bytes: 0,
            start_timed_out: false,
            mean_ns: 0,
            depth: 0,
            item_ps: 0,
            last: (0, 0, 0),
            blocked: false,
            taken: 0,
            keeps: false,
            stop: None,
            clock: None,
            careful: false,
        }
    }

    /// Goes into a phase. If a process may come now, it finds its link as new; before that nothing
    /// is done about it, since most of a lane was never used, and to look through one takes as long
    /// as much of a start.
    pub(super) fn enter(&mut self, phase: SeatPhase) {
        self.phase = phase;
        let may_come = matches!(phase, SeatPhase::Vacant | SeatPhase::Starting);
        if self.is_worn && may_come {
            self.is_worn = false;
            self.link.reset();
        }
    }

    /// An item took so long lately. The clock also runs while the worker has no core, for
    /// thousands of times as long as an item takes, so what is less is believed at once, and what
    /// is more by and by.
    pub(super) fn note_item(&mut self, item_ps: u64) {
        if item_ps > 0 {
            let before = match self.item_ps {
                0 => u64::MAX,
                known => known.saturating_mul(2),
            };
            self.item_ps = item_ps.min(before);
        }
    }

    /// Whether tasks may be sent here. A lane takes them before its worker is ready.
    pub(crate) fn takes_tasks(&self) -> bool {
        match self.phase {
            SeatPhase::Up => true,
            SeatPhase::Starting | SeatPhase::Vacant => self.link.works_before_ready(),
            SeatPhase::Resting
            | SeatPhase::Dormant
            | SeatPhase::Retiring
            | SeatPhase::Ending
            | SeatPhase::Gone => false,
        }
    }

    /// Whether a process is, or will be, here.
    pub(crate) fn is_occupied(&self) -> bool {
        self.phase.is_occupied()
    }

    /// Its process, if the pid cannot be another's.
    pub(super) fn own_pid(&self) -> Option<Pid> {
        // Its end may not have been heard of yet, and then its pid can be another's: an orphan is
        // not ours to reap. Otherwise the process is not yet reaped, so the pid is still its own.
        let is_own = |pid: &Pid| match self.orphaned_at {
            _ if self.is_unheard => false,
            None => true,
            Some(at) => is_orphan(*pid, at),
        };
        self.pid.filter(is_own)
    }
}

/// Whether a pid is still that of an orphan that had started at `at`; 0: it was not to be seen, and
/// if something is to be seen now, it is another.
fn is_orphan(pid: Pid, at: u64) -> bool {
    start_time(pid).unwrap_or(0) == at
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_orphan_that_was_gone_is_not_who_has_its_pid_now() {
        let pid = Pid::current();
        let at = start_time(pid).expect("it is there");
        assert!(is_orphan(pid, at));
        assert!(!is_orphan(pid, 0) && !is_orphan(pid, at + 1));
    }
}
