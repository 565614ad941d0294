//! What a scenario is told: the way its pools are to be had, and further arguments.

use forkyard::{Pool, PoolBuilder};
use tests::census;

/// See the module.
pub(crate) struct Setup {
    pub(crate) transport: forkyard::Transport,
    pub(crate) method: forkyard::StartMethod,
    pub(crate) arguments: Vec<String>,
}

impl Setup {
    /// From the words behind the scenario's name.
    pub(crate) fn new(mut words: impl Iterator<Item = String>) -> Self {
        let mut word = || words.next().expect("victim SCENARIO TRANSPORT METHOD …");
        let transport = word().parse().expect("a transport");
        let method = word().parse().expect("a start method");
        Self {
            transport,
            method,
            arguments: words.collect(),
        }
    }

    pub(crate) fn builder(&self) -> PoolBuilder {
        Pool::builder()
            .transport(self.transport)
            .start_method(self.method)
    }

    pub(crate) fn pool(&self, workers: usize) -> Pool {
        self.builder()
            .workers(workers)
            .build()
            .expect("a pool can be built")
    }

    pub(crate) fn is_shared(&self) -> bool {
        self.transport == forkyard::Transport::Shared
    }

    pub(crate) fn is_spawned(&self) -> bool {
        self.method == forkyard::StartMethod::Spawn
    }

    /// The number among the arguments.
    pub(crate) fn number(&self) -> u64 {
        self.arguments[0].parse().expect("a number")
    }
}

/// The pool does what it should: a few tasks of both kinds.
#[track_caller]
pub(crate) fn works(pool: &Pool) {
    assert_eq!(pool.submit(|n: u64| n + 1, 41).join(), Ok(42));
    let doubled = pool.map(|n: u64| 2 * n, 0..100);
    for (n, result) in doubled.into_iter().enumerate() {
        assert_eq!(result, Ok(2 * n as u64));
    }
}

/// A task that ends its worker at once.
pub(crate) fn kill_myself() -> ! {
    let me = std::process::id().cast_signed();
    loop {
        tests::victim::send(me, forkyard_os::process::Signal::Kill);
    }
}

/// A task that never ends by itself and is not asked to.
pub(crate) fn for_ever() -> ! {
    loop {
        std::hint::black_box(0);
    }
}

/// A task that takes about `micros` of CPU time.
pub(crate) fn spin(micros: u64) {
    let end = std::time::Instant::now() + std::time::Duration::from_micros(micros);
    while std::time::Instant::now() < end {
        std::hint::black_box(0);
    }
}

/// What this process has of everything that could leak.
#[derive(Debug, PartialEq, Eq, PartialOrd, Clone, Copy)]
pub(crate) struct Holdings {
    pub(crate) files: usize,
    pub(crate) threads: usize,
    pub(crate) zombies: usize,
    pub(crate) segments: usize,
}

impl Holdings {
    /// Whether it is no more than that of anything.
    pub(crate) fn fits(&self, allowed: Self) -> bool {
        self.files <= allowed.files
            && self.threads <= allowed.threads
            && self.zombies <= allowed.zombies
            && self.segments <= allowed.segments
    }
}

/// What this process has now.
pub(crate) fn holdings() -> Holdings {
    let me = std::process::id();
    Holdings {
        files: census::open_files(),
        threads: census::threads_of(me.cast_signed()).len(),
        zombies: census::zombies_of(me).len(),
        segments: census::segments_of(me).len(),
    }
}
