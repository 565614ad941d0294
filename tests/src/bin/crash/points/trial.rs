//! One try: a victim that dies at one step, peers that must not hang for it, and notes.

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::Ordering;
use std::time::Duration;

use forkyard_os::death::DeathWatch;
use forkyard_os::process::{
    Exit, ExitCause, Forked, Pid, Signal, exit_now, fork, kill, kill_self, reap_blocking,
};
use forkyard_shm::{OwnerIndex, crash};
use tests::census;
use tests::patience::until;

use super::Role;
use super::report::Report;

/// How long a process of a trial may take for what takes no time: for hangs, not for speed.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// What became of a trial's victim.
#[derive(Debug, Clone)]
pub(crate) enum Ended {
    /// It died at its step, which is in this line.
    At(String),
    /// It had no such step.
    Lived {
        /// It had these.
        steps: u64,
    },
}

/// See the module.
pub(crate) struct Trial {
    at: u64,
    role: Role,
    ended: RefCell<Option<Ended>>,
}

impl Trial {
    pub(crate) fn new(at: u64, role: Role) -> Self {
        Report::get().clear();
        Self {
            at,
            role,
            ended: RefCell::new(None),
        }
    }

    /// The step at which the victim dies, from 1.
    pub(crate) fn at(&self) -> u64 {
        self.at
    }

    /// The role in which the victim dies.
    pub(crate) fn role(&self) -> Role {
        self.role
    }

    /// The victim, as an owner.
    pub(crate) fn dead(&self) -> OwnerIndex {
        match self.role {
            Role::Worker => OwnerIndex::new(1),
            Role::Supervisor => OwnerIndex::SUPERVISOR,
        }
    }

    /// The process that cleans up, as an owner: the supervisor, or else a worker.
    pub(crate) fn us(&self) -> OwnerIndex {
        match self.role {
            Role::Worker => OwnerIndex::SUPERVISOR,
            Role::Supervisor => OwnerIndex::new(3),
        }
    }

    /// A peer of both, as an owner.
    pub(crate) fn other(&self) -> OwnerIndex {
        OwnerIndex::new(2)
    }

    /// Forks the victim, which does `body` and dies at the trial's step of it, and reaps it.
    /// Whether it died. Once in a trial.
    pub(crate) fn victim(&self, body: impl FnOnce()) -> bool {
        let child = self.fork("the victim", || {
            crash::arm(self.at, |place| {
                Report::get().set_place(place);
                kill_self()
            });
            body();
            let steps = crash::disarm();
            Report::get().steps().store(steps, Ordering::SeqCst);
        });
        let exit = child.exit();
        let ended = match exit.cause {
            ExitCause::Code(0) => Ended::Lived {
                steps: Report::get().steps().load(Ordering::SeqCst),
            },
            ExitCause::Signal { signal: 9, .. } => Ended::At(Report::get().place_text()),
            other => panic!("the victim should have died at its step, or lived: {other}"),
        };
        let died = matches!(ended, Ended::At(_));
        let before = self.ended.replace(Some(ended));
        assert!(before.is_none(), "a trial has one victim");
        died
    }

    /// What became of the victim.
    pub(crate) fn ended(&self) -> Ended {
        let ended = self.ended.borrow().clone();
        ended.expect("a trial has a victim")
    }

    /// Forks a process that does `body` and has to come to its end. What `body` is to use up it
    /// takes by reference: the test has a copy of everything, which it drops or forgets itself.
    pub(crate) fn peer(&self, name: &'static str, body: impl FnOnce()) -> Peer {
        self.fork(name, body)
    }

    /// Forks a process that does `body` and then dies by SIGKILL, with all that it has.
    pub(crate) fn corpse(&self, body: impl FnOnce()) {
        let child = self.fork("who died before", || {
            body();
            kill_self();
        });
        let cause = child.exit().cause;
        assert!(
            matches!(cause, ExitCause::Signal { signal: 9, .. }),
            "{cause}"
        );
    }

    fn fork(&self, name: &'static str, body: impl FnOnce()) -> Peer {
        let pid = match fork().expect("a process of one thread can be forked") {
            Forked::Parent(pid) => pid,
            Forked::Child => {
                let code = match catch_unwind(AssertUnwindSafe(body)) {
                    Ok(()) => 0,
                    Err(_) => 101,
                };
                exit_now(code)
            }
        };
        Peer { pid, name }
    }

    /// Notes `value` under `number`, for the other processes of the trial.
    pub(crate) fn note(&self, number: usize, value: u64) {
        Report::get().note(number).store(value, Ordering::SeqCst);
    }

    /// What was noted; 0 if nothing was.
    pub(crate) fn noted(&self, number: usize) -> u64 {
        Report::get().note(number).load(Ordering::SeqCst)
    }

    /// Waits for a note.
    pub(crate) fn await_note(&self, number: usize) {
        until("a note", PATIENCE, || {
            (self.noted(number) != 0).then_some(())
        });
    }

    /// Waits until the peer sleeps, for the `nth` time of all sleeps in the trial.
    pub(crate) fn until_asleep(&self, peer: &Peer, nth: u64) {
        until("the peer sleeps", PATIENCE, || {
            let went = Report::get().sleeps().load(Ordering::SeqCst) >= nth;
            let sleeps = !census::has_proc() || census::sleeps(peer.pid.as_raw());
            (went && sleeps).then_some(())
        });
    }
}

/// A process of a trial.
pub(crate) struct Peer {
    pid: Pid,
    name: &'static str,
}

impl Peer {
    /// Waits for its end, which has to be a good one, and soon.
    pub(crate) fn ends(self) {
        let name = self.name;
        let cause = self.exit().cause;
        assert!(matches!(cause, ExitCause::Code(0)), "{name}: {cause}");
    }

    fn exit(self) -> Exit {
        let watch = DeathWatch::new().expect("a watch");
        watch.watch(self.pid, 1).expect("a watch over it");
        let events = watch.wait(Some(PATIENCE)).expect("a wait for it");
        if events.died.is_empty() {
            let _ = kill(self.pid, Signal::Kill);
            panic!("{} hangs", self.name);
        }
        reap_blocking(self.pid).expect("it is an unreaped child")
    }
}
