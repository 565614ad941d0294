//! Stopping with the whole job, as Ctrl-Z asks for: the workers, then this process; and going on.
//!
//! A terminal sends its signals to the program's process group, where workers are not. While this
//! process is stopped they would go on with what they were sent. So they are stopped from here,
//! each with its group, to which what its tasks have started belongs.
//!
//! The locks of all pools are held meanwhile. So nobody of this process acts on a deadline that
//! has passed while it was stopped before that is put off by as much.

use std::time::Instant;

use forkyard_os::process::{Pid, Signal, kill_group, start_time, stop_self};

use super::elsewhere::own_pools;
use super::{Core, Driver, Locked};
use crate::time::later;
use crate::trace;

/// While this process was stopped.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pause {
    begun: Instant,
    ended: Instant,
}

impl Pause {
    /// What was noted before the pause, a deadline or the beginning of a wait: so much later.
    pub(super) fn put_off(self, noted: Instant) -> Instant {
        later(noted, self.ended.saturating_duration_since(self.begun))
    }

    /// An instant that turns out now to have been then, as the beginning of a wait that does not
    /// count the pause.
    pub(super) fn beginning(self, at: Instant) -> Instant {
        let since = at.max(self.begun);
        later(at, self.ended.saturating_duration_since(since))
    }
}

/// Stops this process as Ctrl-Z does, and with it the workers of its pools; returns when it goes
/// on, and they do.
///
/// By itself a pool touches no signal, and Ctrl-Z stops the program alone: the workers go on with
/// what they were sent, and are idle then. A program that wants to stop as a whole handles SIGTSTP,
/// and calls this in a thread (not in the handler), as the command `forkyard run` does:
///
/// ```no_run
/// use signal_hook::consts::SIGTSTP;
///
/// let mut pressed = signal_hook::iterator::Signals::new([SIGTSTP])?;
/// std::thread::spawn(move || {
///     for _ in pressed.forever() {
///         let _ = forkyard::suspend();
///     }
/// });
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// Each worker is sent SIGSTOP, and SIGCONT in the end, with its process group: the programs that
/// its tasks have started, unless these went elsewhere. Pools in tasks and managers are not stopped;
/// they have little to do while nobody asks them. The pools' deadlines are put off: a
/// [`task_timeout`](crate::PoolBuilder::task_timeout), a grace, a time to start, to end or to be
/// idle does not run meanwhile. What the caller waits for with a deadline of its own
/// ([`Handle::join_timeout`](crate::Handle::join_timeout)) is by the clock on the wall, and so are
/// timings.
///
/// SIGSTOP cannot be handled, and stops the program alone. Should the program be killed while it is
/// suspended, its workers go on and end, as always; but not where something other than process 1
/// adopts orphans in the same session, as `docker run --init` does: there they stay stopped.
///
/// When nobody could continue this process (its process group is orphaned, as that of a service is),
/// the system does not stop it for SIGTSTP, and this returns soon.
///
/// # Errors
/// When the system refuses; nothing is stopped then.
pub fn suspend() -> std::io::Result<()> {
    let pools = own_pools();
    let mut held: Vec<(&Core, Locked<'_>)> =
        pools.iter().map(|core| (&**core, core.lock())).collect();
    let begun = Instant::now();
    let stop = |(core, driver): &(&Core, Locked<'_>)| driver.stop_groups(core);
    let groups: Vec<_> = held.iter().map(stop).collect();
    let stopped = stop_self();
    let pause = Pause {
        begun,
        ended: Instant::now(),
    };
    for ((core, driver), groups) in held.iter_mut().zip(groups) {
        driver.put_off(core, pause);
        for group in groups.iter().filter(|group| !group.is_anothers()) {
            driver.signal_group(core, group, Signal::Cont);
        }
    }
    stopped.map_err(std::io::Error::other)
}

/// A worker that is stopped, with its group.
#[derive(Debug)]
struct Group {
    seat: usize,
    pid: Pid,
    /// When it was started, to know it by.
    started: Option<u64>,
}

impl Group {
    /// Whether the pid is another's now: a zygote goes on reaping while its supervisor is stopped,
    /// which may be for long. The pid of a worker that is gone may be its group's still.
    fn is_anothers(&self) -> bool {
        let now = start_time(self.pid);
        now.is_some() && self.started.is_some() && now != self.started
    }
}

impl Driver {
    /// Stops each worker with its group.
    fn stop_groups(&self, core: &Core) -> Vec<Group> {
        let group = |seat: usize| {
            let pid = self.seats[seat].own_pid()?;
            let started = start_time(pid);
            Some(Group { seat, pid, started })
        };
        let groups: Vec<_> = (0..self.seats.len()).filter_map(group).collect();
        for group in &groups {
            self.signal_group(core, group, Signal::Stop);
        }
        groups
    }

    fn signal_group(&self, core: &Core, group: &Group, signal: Signal) {
        if let Err(error) = kill_group(group.pid, signal) {
            trace::not_signalled(core, &self.seats[group.seat], signal, &error);
        }
    }

    /// Moves on what is due.
    fn put_off(&mut self, core: &Core, pause: Pause) {
        for seat in &mut self.seats {
            if let Some((_, due)) = &mut seat.timer {
                *due = pause.put_off(*due);
            }
            seat.idle.1 = seat.idle.1.map(|since| pause.put_off(since));
            if let Some(stop) = &mut seat.stop {
                stop.postpone(pause);
            }
            if let Some(clock) = &mut seat.clock {
                clock.postpone(pause);
            }
        }
        self.next_look = self.next_look.map(|at| pause.put_off(at));
        self.next_limit = self.next_limit.map(|at| pause.put_off(at));
        self.pause = Some(pause);
        if self.has_terms {
            // What was begun before this pause is noted before there can be another.
            for index in 0..self.seats.len() {
                if !self.seats[index].in_flight.is_empty() {
                    let _ = self.clock_of(core, index, pause.ended);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_pause_is_not_counted() {
        let origin = Instant::now();
        let at = |seconds| later(origin, Duration::from_secs(seconds));
        let pause = Pause {
            begun: at(10),
            ended: at(15),
        };
        for noted in [3, 10, 12, 20] {
            assert_eq!(pause.put_off(at(noted)), at(noted + 5));
        }
        for (then, counts_from) in [(3, 8), (10, 15), (12, 15), (15, 15), (20, 20)] {
            assert_eq!(pause.beginning(at(then)), at(counts_from));
        }
    }

    #[test]
    fn a_pid_that_came_again_is_anothers() {
        let pid = Pid::current();
        let started = start_time(pid);
        let group = |started| Group {
            seat: 0,
            pid,
            started,
        };
        assert!(started.is_some() && !group(started).is_anothers());
        assert!(group(started.map(|at| at + 1)).is_anothers());
        assert!(!group(None).is_anothers(), "what is not known is no reason");
        // What is gone has left its group, which goes on.
        let mut child = std::process::Command::new("true").spawn().expect("true");
        let pid = Pid::from_raw(child.id().cast_signed()).expect("a pid");
        child.wait().expect("it ends");
        let gone = Group {
            pid,
            ..group(started)
        };
        assert!(!gone.is_anothers());
    }
}
