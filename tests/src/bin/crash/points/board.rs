//! A control segment to try things on; and the making of one.

use forkyard_shm::control::{AttachError, Control, Identity};
use forkyard_shm::layout::{Phase, SetupPlace, Shape};

use super::memory::Memory;
use super::{Operation, SUPERVISOR, Trial, WORKER};

pub(crate) const OPERATIONS: &[Operation] = &[
    Operation::new("create", SUPERVISOR, create),
    Operation::new("header: name a function", SUPERVISOR, name_function),
    Operation::new("page: reset for the next worker", SUPERVISOR, reset_page),
    Operation::new("page: name the link", SUPERVISOR, name_link),
    Operation::new("page: say how to set up", SUPERVISOR, set_up),
    Operation::new("page: enter a phase", WORKER, enter_phases),
];

const SHAPE: Shape = Shape {
    workers: 2,
    slots: 4,
};

const IDENTITY: Identity = Identity {
    supervisor_pid: 7,
    supervisor_start: 8,
    exe_hash: 9,
    clock: 1,
};

/// A control segment for two workers with lanes of four slots.
pub(crate) struct Board {
    pub(crate) control: Control,
    _memory: Memory,
}

impl Board {
    pub(crate) fn new() -> Self {
        let memory = Memory::new(SHAPE.bytes());
        Self {
            control: memory.create_control(SHAPE, IDENTITY),
            _memory: memory,
        }
    }
}

/// A segment half made is not ready, whatever is in it; a whole one is what it was made for.
fn create(trial: &Trial) {
    let memory = Memory::new(SHAPE.bytes());
    let died = trial.victim(|| {
        let _ = memory.create_control(SHAPE, IDENTITY);
    });
    let attached = memory.attach_control();
    match attached {
        Err(error) => assert!(died && error == AttachError::NotReady, "{error}"),
        Ok(control) => {
            assert!(!died, "the version is written last");
            assert_eq!((control.shape(), control.identity()), (SHAPE, IDENTITY));
        }
    }
}

/// A function has its name, or none, and never the one that had its place.
fn name_function(trial: &Trial) {
    const PLACE: usize = 7;
    let board = Board::new();
    let names = &board.control.header().names;
    names.set(PLACE, 1, "a name of some words, which goes");
    let died = trial.victim(|| names.set(PLACE, 2, "another"));
    let found = board.control.look().functions;
    let (before, after) = (vec![], vec![(2, "another".to_owned())]);
    let kept = vec![(1, "a name of some words, which goes".to_owned())];
    assert!(found == after || died && (found == before || found == kept));
    names.set(PLACE, 3, "a third");
    assert_eq!(board.control.look().functions, [(3, "a third".to_owned())]);
}

/// No worker is started on a page half reset; reset again it is as new.
fn reset_page(trial: &Trial) {
    let board = Board::new();
    let page = board.control.page(0);
    page.vitals.enter(Phase::Leaving);
    for _ in 0..3 {
        let _ = page.pipes.received.bump();
        let _ = page.pipes.sent.bump();
    }
    trial.victim(|| page.reset());
    page.reset();
    let counts = [page.pipes.received.get(), page.pipes.sent.get()];
    assert_eq!((page.vitals.phase(), counts), (Phase::Empty, [0; 2]));
}

/// What is there of the name is a beginning of it, and it can be written anew.
fn name_link(trial: &Trial) {
    const NAME: &str = "a name of some words, for whoever connects";
    let board = Board::new();
    let link = &board.control.page(1).link;
    let died = trial.victim(|| assert!(link.set(NAME)));
    let found = link.get().unwrap_or_default();
    assert!(NAME.starts_with(&found) && (died || found == NAME));
    assert!(link.set("short"));
    assert_eq!(link.get().as_deref(), Some("short"));
}

/// No worker is started on a page half written; written again it says all.
fn set_up(trial: &Trial) {
    let board = Board::new();
    let page = board.control.page(1);
    let said = SetupPlace {
        place: [1, 2, 3, 4],
        head_bytes: 5,
        head_hash: 6,
        levels: 7,
    };
    let died = trial.victim(|| page.setup.set(&said));
    assert!(died || page.setup.get() == said);
    page.setup.set(&said);
    assert_eq!(page.setup.get(), said);
}

/// A phase is entered or not; the next worker begins with none.
fn enter_phases(trial: &Trial) {
    let board = Board::new();
    let page = board.control.page(0);
    let died = trial.victim(|| {
        page.vitals.enter(Phase::Ready);
        page.vitals.enter(Phase::Leaving);
    });
    assert_eq!(page.vitals.phase() == Phase::Leaving, !died);
    page.reset();
    assert_eq!(page.vitals.phase(), Phase::Empty);
}
