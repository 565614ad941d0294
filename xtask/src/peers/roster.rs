//! Who takes part, and in what.

/// A program that knows the works.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Program {
    /// `benches/peers/forkyard.rs`
    Forkyard,
    /// `benches/peers/procspawn`
    Procspawn,
    /// `benches/peers/runner.py`
    Python,
    /// The same, for what is not in Python's standard library.
    Loky,
}

/// One way to run the works.
#[derive(Debug, Clone, Copy)]
pub(super) struct Contestant {
    /// Its name in the samples.
    pub(super) id: &'static str,
    /// Its name on the page.
    pub(super) title: &'static str,
    pub(super) program: Program,
    /// What its program is told besides the work.
    pub(super) arguments: &'static [&'static str],
    /// It only differs in how it starts, and takes part in nothing else.
    pub(super) only_starts: bool,
}

const fn whole(
    id: &'static str,
    title: &'static str,
    program: Program,
    arguments: &'static [&'static str],
) -> Contestant {
    Contestant {
        id,
        title,
        program,
        arguments,
        only_starts: false,
    }
}

const fn start(
    id: &'static str,
    title: &'static str,
    program: Program,
    arguments: &'static [&'static str],
) -> Contestant {
    Contestant {
        only_starts: true,
        ..whole(id, title, program, arguments)
    }
}

/// The contestant that the others are held against.
pub(super) const OURS: &str = "forkyard-shared";

/// Everybody, in the order of the page and of each round.
pub(super) const CONTESTANTS: &[Contestant] = &[
    whole(
        OURS,
        "forkyard, shared path",
        Program::Forkyard,
        &["--transport", "shared", "--method", "spawn"],
    ),
    whole(
        "forkyard-copy",
        "forkyard, copy path",
        Program::Forkyard,
        &["--transport", "copy", "--method", "spawn"],
    ),
    start(
        "forkyard-fork",
        "forkyard, fork",
        Program::Forkyard,
        &["--transport", "shared", "--method", "fork"],
    ),
    start(
        "forkyard-forkserver",
        "forkyard, forkserver",
        Program::Forkyard,
        &["--transport", "shared", "--method", "forkserver"],
    ),
    whole("procspawn", "procspawn `Pool`", Program::Procspawn, &[]),
    whole(
        "pool",
        "multiprocessing `Pool`",
        Program::Python,
        &["--peer", "pool", "--method", "default"],
    ),
    start(
        "pool-spawn",
        "multiprocessing `Pool`, spawn",
        Program::Python,
        &["--peer", "pool", "--method", "spawn"],
    ),
    start(
        "pool-forkserver",
        "multiprocessing `Pool`, forkserver",
        Program::Python,
        &["--peer", "pool", "--method", "forkserver"],
    ),
    whole(
        "executor",
        "`ProcessPoolExecutor`",
        Program::Python,
        &["--peer", "executor", "--method", "default"],
    ),
    whole(
        "loky",
        "loky `ProcessPoolExecutor`",
        Program::Loky,
        &["--peer", "loky", "--method", "default"],
    ),
];

/// What a sample of a work is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unit {
    /// Nanoseconds of one operation.
    Time,
    /// The same, of operations that there are many of: how many there are in a second is shown too.
    Rate,
    /// How a death is told, and what comes after.
    Death,
    /// Bytes.
    Memory,
}

/// Something that every contestant does.
#[derive(Debug, Clone, Copy)]
pub(super) struct Work {
    /// Its name on the command line of the programs.
    pub(super) id: &'static str,
    /// Its heading on the page.
    pub(super) title: &'static str,
    /// What is done, for the page.
    pub(super) what: &'static str,
    pub(super) unit: Unit,
    /// Those that only differ in how they start take part.
    pub(super) is_start: bool,
}

const fn work(id: &'static str, title: &'static str, unit: Unit, what: &'static str) -> Work {
    Work {
        id,
        title,
        what,
        unit,
        is_start: false,
    }
}

/// All works, in the order of the page and of each round.
pub(super) const WORKS: &[Work] = &[
    work(
        "round-trip",
        "Round trip of a tiny task",
        Unit::Rate,
        "One worker. A number goes there, the number plus one comes back, then the next: \
         `submit(…).join()`, `Pool.apply`, `submit(…).result()`.",
    ),
    work(
        "tiny-one",
        "Many tiny tasks, one a message",
        Unit::Rate,
        "Two workers, the same function over a range of numbers, results in order and summed up; \
         `chunksize=1` where there are chunks. procspawn has no `map`: all tasks are spawned, then \
         all are joined.",
    ),
    work(
        "tiny-best",
        "Many tiny tasks, in chunks",
        Unit::Rate,
        "The same with the chunks that each would take by itself: forkyard and `Pool` choose; for \
         the executors, whose default is one, `Pool`'s rule is used (a quarter of each worker's \
         share).",
    ),
    work(
        "bytes-1m",
        "An argument of 1 MiB",
        Unit::Time,
        "One worker. Bytes go there, their number comes back. Everybody encodes them for each task \
         and decodes them in the worker; on forkyard's shared path they cross in a block of shared \
         memory that is copied into and out of.",
    ),
    work(
        "bytes-100m",
        "An argument of 100 MB",
        Unit::Time,
        "The same with 100,000,000 bytes.",
    ),
    work(
        "shared-100m",
        "100 MB that lie in shared memory",
        Unit::Time,
        "One worker. The bytes are in shared memory from before; the task looks at three of them, so \
         this is what handing them over costs. forkyard sends a `Shared<[u8]>`; in Python the task \
         opens a `SharedMemory` by its name.",
    ),
    work(
        "put-100m",
        "100 MB put into shared memory for the task",
        Unit::Time,
        "The same, but the bytes are copied into shared memory before each task: forkyard takes a \
         block of its arena each time (`copy_from`), the Python scripts write over one \
         `SharedMemory`.",
    ),
    Work {
        is_start: true,
        ..work(
            "start-one",
            "Start of a pool of one, to its first result",
            Unit::Time,
            "From nothing to the result of one tiny task; ending the pool is not counted. The programs \
             are small ones: what yours does before `init`, or imports, comes on top.",
        )
    },
    Work {
        is_start: true,
        ..work(
            "start-two",
            "Start of a pool of two, to its first result",
            Unit::Time,
            "The same with two workers. forkyard waits until both are ready; the others return as \
             soon as one has answered.",
        )
    },
    work(
        "crash",
        "A worker dies in a task",
        Unit::Death,
        "A pool of one; the task ends its process with code 1. How long until whoever waits for it is \
         told, and then, in the same pool, how long until the next task's result.",
    ),
    work(
        "memory",
        "Memory of an idle worker",
        Unit::Memory,
        "Two workers that have done a few tasks. Proportional (PSS: what is shared counts in parts), \
         private, and resident, from `smaps_rollup`, while their parent lives. Helper processes of \
         the peers, such as a resource tracker, are not counted.",
    ),
];

impl Contestant {
    /// Whether it does this work.
    pub(super) fn takes_part_in(&self, work: &Work) -> bool {
        work.is_start || !self.only_starts
    }
}
