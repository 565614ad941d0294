//! The words of the control segment: counts, the doorbell, the stop flag.

use forkyard_shm::{Skips, StopFlag, crash};

use super::board::Board;
use super::park::{Asleep, Counted, Plain};
use super::{BOTH, Operation, SUPERVISOR, Trial, WORKER};

pub(crate) const OPERATIONS: &[Operation] = &[
    Operation::new("count: bump and ring", WORKER, bump),
    Operation::new("count: watch", SUPERVISOR, watch),
    Operation::new("count: reset", SUPERVISOR, reset),
    Operation::new("doorbell: ring a sleeper", WORKER, ring),
    Operation::new("doorbell: sleep", SUPERVISOR, sleep),
    Operation::new("stop flag: arm", SUPERVISOR, arm),
    Operation::new("stop flag: raise", BOTH, raise),
    Operation::new("stop flag: raise for ever", SUPERVISOR, raise_for_ever),
    Operation::new("skips: ask", SUPERVISOR, ask_to_skip),
    Operation::new("skips: begin", WORKER, begin_unless_skipped),
];

/// Each bump happened or did not, and who watches is told of the next.
fn bump(trial: &Trial) {
    let board = Board::new();
    let count = &board.control.page(0).pipes.sent;
    let bell = &board.control.header().doorbell.0;
    assert!(count.watch(0));
    let died = trial.victim(|| {
        for _ in 0..2 {
            if count.bump() {
                bell.ring(&Plain);
            }
        }
    });
    let seen = count.get();
    assert!(if died {
        seen < 2 || bell.listen() > 0
    } else {
        seen == 2
    });
    assert!(count.watch(seen) && count.bump() && !count.bump());
    assert_eq!(count.get(), seen + 2);
}

/// A watch that nobody waits for any more costs its worker a ring in vain.
fn watch(trial: &Trial) {
    let board = Board::new();
    let count = &board.control.page(0).pipes.sent;
    let died = trial.victim(|| assert!(count.watch(0)));
    assert_eq!(count.bump(), !died);
    assert_eq!((count.get(), count.bump()), (1, false));
}

fn reset(trial: &Trial) {
    let board = Board::new();
    let count = &board.control.page(0).pipes.received;
    assert!(!count.bump());
    let died = trial.victim(|| count.reset());
    assert_eq!(count.get(), u32::from(died));
    count.reset();
    assert_eq!(count.get(), 0);
}

/// The supervisor sleeps; whatever the ringer came to, the reaper's ring wakes it.
fn ring(trial: &Trial) {
    const REAPED: usize = 0;
    let board = Board::new();
    let bell = &board.control.header().doorbell.0;
    let sleeper = trial.peer("the sleeping supervisor", || {
        loop {
            let heard = bell.listen();
            if trial.noted(REAPED) == 1 {
                return;
            }
            bell.sleep(&Counted, heard, None);
        }
    });
    trial.until_asleep(&sleeper, 1);
    trial.victim(|| bell.ring(&Plain));
    trial.note(REAPED, 1);
    bell.ring(&Plain);
    sleeper.ends();
}

/// The bit that a dead sleeper left costs a wake in vain.
fn sleep(trial: &Trial) {
    let board = Board::new();
    let bell = &board.control.header().doorbell.0;
    trial.victim(|| {
        let woken = Asleep::until(|| bell.ring(&Plain));
        bell.sleep(&woken, bell.listen(), None);
    });
    let before = bell.listen();
    bell.ring(&Plain);
    assert_ne!(bell.listen(), before, "rings are counted");
}

/// A round that was armed, or was not, is over for nobody.
fn arm(trial: &Trial) {
    let board = Board::new();
    let flag = &board.control.header().stop.0;
    let first = flag.arm();
    assert!(flag.raise(first));
    let died = trial.victim(|| {
        let _ = flag.arm();
    });
    let next = flag.arm();
    assert_eq!(next.number(), 2 + u32::from(!died));
    assert!(flag.is_raised(first) && !flag.is_raised(next));
}

/// Raised or not; and the next round is not.
fn raise(trial: &Trial) {
    let board = Board::new();
    let flag = &board.control.header().stop.0;
    let round = flag.arm();
    let died = trial.victim(|| assert!(flag.raise(round)));
    assert_eq!(flag.is_raised(round), !died);
    assert_eq!(flag.raise(round), died, "once");
    assert!(!flag.is_raised(flag.arm()));
}

fn raise_for_ever(trial: &Trial) {
    let board = Board::new();
    let flag: &StopFlag = &board.control.header().stop.0;
    let died = trial.victim(|| {
        flag.raise_for_ever();
        crash::step();
    });
    let up = flag.is_raised_for_ever();
    assert!(died || up);
    assert_eq!(flag.is_raised(flag.arm()), up);
}

/// The messages are passed over or not; what is asked next counts alone.
fn ask_to_skip(trial: &Trial) {
    let board = Board::new();
    let page = board.control.page(0);
    let (skips, begun) = (&page.stops.skips, &page.counters.begun);
    let died = trial.victim(|| assert_eq!(skips.ask(Skips::bit(1), begun), 0));
    assert_eq!(skips.begin(1, begun), died);
    assert_eq!(skips.ask(Skips::bit(3), begun), 1);
    assert_eq!(
        [2, 3].map(|number| skips.begin(number, begun)),
        [true, false]
    );
}

/// A worker that dies has begun its message, or will not.
fn begin_unless_skipped(trial: &Trial) {
    let board = Board::new();
    let page = board.control.page(0);
    let (skips, begun) = (&page.stops.skips, &page.counters.begun);
    let died = trial.victim(|| assert!(skips.begin(1, begun)));
    let bits = Skips::bit(1);
    assert_eq!(skips.ask(bits, begun), u64::from(!died));
    assert!(!skips.begin(1, begun));
    page.reset();
    assert!(skips.begin(1, begun));
}
