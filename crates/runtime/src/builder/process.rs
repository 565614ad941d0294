//! What a pool's builder says of its worker processes.

use std::ffi::OsStr;
use std::sync::Arc;
use std::time::Duration;

use forkyard_os::process::Environment;
use forkyard_wire::codec;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::PoolBuilder;
use crate::driver::Core;
use crate::error::BuildError;
use crate::init::{self, Entry};
use crate::setup::{
    Head, Kept, Limits, Maker, Outcome, Preparation, Provide, Sent, entry_of_finalizer,
    entry_of_initializer, entry_of_preload,
};
use crate::start::EARLY_VARIABLE;
use crate::{StartMethod, StateError};

/// What libraries that start threads of their own read how many from.
const THREAD_VARIABLES: [&str; 7] = [
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "BLIS_NUM_THREADS",
    "RAYON_NUM_THREADS",
];

/// On which processors workers run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Pinning {
    /// On any that the supervisor may use.
    #[default]
    No,
    /// Worker `i` on the `i`-th of these alone, from the first again when there are more workers.
    OneCoreEach,
}

/// See the module.
#[derive(Debug, Clone, Default)]
pub(super) struct ProcessSettings {
    environment: Environment,
    inner_threads: Option<usize>,
    nice: Option<i32>,
    pinning: Pinning,
    limits: Limits,
    name: Option<String>,
    max_depth: Option<u32>,
    initializer: Option<(u64, Result<Vec<u8>, String>)>,
    finalizer: Option<u64>,
    preload: Option<u64>,
    provided: Vec<Provide>,
}

/// How worker processes come to be and what they do before and after their tasks.
impl PoolBuilder {
    /// Runs `f` on `argument` in every worker before its first task: also in those that replace
    /// others. It may return nothing, or a `Result` whose error is anything that can be displayed.
    ///
    /// Like a task, `f` captures nothing; what it sets up is in statics, where tasks find it. A
    /// worker whose initializer fails, panics or dies is not used. While the pool is built, that
    /// ends the build with [`BuildError::Initializer`]; later it counts as a
    /// [failed start](Self::most_failed_starts), and when no worker is left, tasks get
    /// [`TaskError::NoWorkers`](crate::TaskError::NoWorkers) with the reason. It is part of the
    /// start, so that [`start_timeout`](Self::start_timeout) covers it.
    ///
    /// ```no_run
    /// use std::sync::OnceLock;
    ///
    /// static MODEL: OnceLock<String> = OnceLock::new();
    ///
    /// fn load(path: String) -> std::io::Result<()> {
    ///     let _ = MODEL.set(std::fs::read_to_string(path)?);
    ///     Ok(())
    /// }
    ///
    /// forkyard::init();
    /// let pool = forkyard::Pool::builder()
    ///     .initializer(load, "model.txt".to_owned())
    ///     .build()?;
    /// let length = pool.submit(|()| MODEL.get().map_or(0, String::len), ()).join();
    /// # Ok::<(), forkyard::BuildError>(())
    /// ```
    #[expect(
        clippy::needless_pass_by_value,
        reason = "as with a task: who hands an argument over has it no more"
    )]
    pub fn initializer<F, A, R>(mut self, f: F, argument: A) -> Self
    where
        F: Fn(A) -> R + Copy + 'static,
        A: Serialize + DeserializeOwned,
        R: Outcome,
    {
        let _ = f; // it holds nothing; its type is what crosses
        let mut bytes = Vec::new();
        let encoded = codec::encode_to_vec(&argument, &mut bytes)
            .map(|()| bytes)
            .map_err(|error| error.to_string());
        self.process.initializer = Some((entry_of_initializer::<F, A, R>(), encoded));
        self
    }

    /// Runs `f` in every worker that ends in good order, behind its last task: when the pool is
    /// [closed](crate::Pool::close), or the worker is replaced by design. Not when the pool is
    /// aborted or dropped, and not in a worker that died. Its failure is printed to standard
    /// error and changes nothing. Its time counts towards
    /// [`exit_timeout`](Self::exit_timeout), after which the worker is ended in the middle of it.
    pub fn finalizer<F, R>(mut self, f: F) -> Self
    where
        F: Fn() -> R + Copy + 'static,
        R: Outcome,
    {
        let _ = f;
        self.process.finalizer = Some(entry_of_finalizer::<F, R>());
        self
    }

    /// Runs `f` once in the process from which the pool's workers are forked, before the first
    /// one is. What it loads, the workers have from their first instruction, and share: a page
    /// takes memory of its own only in a worker that writes to it.
    ///
    /// For [`StartMethod::Fork`] and [`StartMethod::ForkServer`]; workers that are spawned have
    /// nobody to inherit from, and `f` does not run ([`initializer`](Self::initializer) does).
    /// It must leave no thread behind, since a process with threads cannot be forked safely. When
    /// it fails or panics, no worker is used, and the build ends with [`BuildError::Preload`].
    /// Should that process be killed, `f` runs once more in the one that takes its place.
    ///
    /// ```no_run
    /// use std::sync::LazyLock;
    ///
    /// static TABLE: LazyLock<Vec<u64>> = LazyLock::new(|| (0..10_000_000).collect());
    ///
    /// fn load() {
    ///     LazyLock::force(&TABLE);
    /// }
    ///
    /// forkyard::init();
    /// let pool = forkyard::Pool::builder()
    ///     .start_method(forkyard::StartMethod::ForkServer)
    ///     .preload(load)
    ///     .build()?;
    /// assert_eq!(pool.submit(|n: usize| TABLE[n], 7).join(), Ok(7)); // loaded once for all
    /// # Ok::<(), forkyard::BuildError>(())
    /// ```
    pub fn preload<F, R>(mut self, f: F) -> Self
    where
        F: Fn() -> R + Copy + 'static,
        R: Outcome,
    {
        let _ = f;
        self.process.preload = Some(entry_of_preload::<F, R>());
        self
    }

    /// Gives every worker that value from its start: tasks and the initializer have it by
    /// [`Context::provided`](crate::Context::provided), by its type. It is decoded once in each
    /// worker. Of several values of one type, the first counts.
    ///
    /// ```no_run
    /// forkyard::init();
    /// let pool = forkyard::Pool::builder().provide(vec![2_u64, 3, 5]).build()?;
    /// let nth = |n: usize| forkyard::context().provided::<Vec<u64>>().map(|primes| primes[n]);
    /// assert_eq!(pool.submit(nth, 2).join(), Ok(Some(5)));
    /// # Ok::<(), forkyard::BuildError>(())
    /// ```
    pub fn provide<T>(mut self, value: T) -> Self
    where
        T: Serialize + DeserializeOwned + Send + Sync + 'static,
    {
        self.process.provided.push(Provide::value(value));
        self
    }

    /// As [`provide`](Self::provide), of a value that is made in the pool's own memory while the
    /// pool is built: [shared state](crate::state), and data in the [arena](crate::Arena). Here,
    /// [`Pool::provided`](crate::Pool::provided) has it.
    ///
    /// A task that waits for another task is best *handed* what it waits on, so that the pool
    /// sees it ([why](crate::state#tasks-that-wait-for-each-other)).
    ///
    /// ```no_run
    /// use forkyard::SharedCell;
    ///
    /// forkyard::init();
    /// let pool = forkyard::Pool::builder()
    ///     .provide_with(|maker| maker.cell(0_u64))
    ///     .build()?;
    /// let count = |n: u64| {
    ///     forkyard::context().provided::<SharedCell<u64>>().map(|sum| sum.fetch_add(n))
    /// };
    /// pool.map(count, 1..=10);
    /// assert_eq!(pool.provided::<SharedCell<u64>>().map(|sum| sum.load()), Some(55));
    /// # Ok::<(), forkyard::BuildError>(())
    /// ```
    pub fn provide_with<T>(
        mut self,
        make: impl Fn(&Maker<'_>) -> Result<T, StateError> + Send + Sync + 'static,
    ) -> Self
    where
        T: Serialize + DeserializeOwned + Send + Sync + 'static,
    {
        self.process.provided.push(Provide::with(make));
        self
    }

    /// Adds a variable to the workers' environment, or changes it there.
    pub fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        self.process.environment.set(name.as_ref(), value.as_ref());
        self
    }

    /// Takes a variable out of the workers' environment.
    pub fn env_remove(mut self, name: impl AsRef<OsStr>) -> Self {
        self.process.environment.remove(name.as_ref());
        self
    }

    /// How much the workers yield to other processes: -20 (least) to 19 (most), as in `nice`.
    /// Default: as the supervisor. Less than the supervisor's takes a privilege.
    pub fn nice(mut self, nice: i32) -> Self {
        self.process.nice = Some(nice);
        self
    }

    /// Binds each worker to a processor. Default: [`Pinning::No`]. Threads that a task starts are
    /// bound with it. macOS has no such thing, and ignores it.
    pub fn pin_workers(mut self, pinning: Pinning) -> Self {
        self.process.pinning = pinning;
        self
    }

    /// Limits each worker's address space: an allocation beyond it fails, which by default aborts
    /// the worker. What is mapped counts, used or not: the program itself, each thread's stack,
    /// and the blocks of the arena that the worker has touched. macOS enforces nothing of it.
    pub fn limit_address_space(mut self, bytes: u64) -> Self {
        self.process.limits.address_space = Some(bytes);
        self
    }

    /// Limits the CPU time of each worker process, rounded up to seconds: then it dies by
    /// SIGXCPU, or by SIGKILL a second later, and is replaced.
    pub fn limit_cpu_time(mut self, time: Duration) -> Self {
        let seconds = time.as_secs() + u64::from(time.subsec_nanos() > 0);
        self.process.limits.cpu_seconds = Some(seconds.max(1));
        self
    }

    /// Limits how many files each worker may have open. A worker itself needs about ten.
    pub fn limit_open_files(mut self, files: u64) -> Self {
        self.process.limits.open_files = Some(files);
        self
    }

    /// Whether a worker that crashes leaves a core dump, as far as the system is set up for it.
    /// Default: as the supervisor. `false` also saves the time that writing one takes; `true`
    /// takes a privilege when the supervisor may leave none itself.
    pub fn core_dumps(mut self, leave: bool) -> Self {
        self.process.limits.core_bytes = Some(if leave { u64::MAX } else { 0 });
        self
    }

    /// How many threads libraries in a worker may start for themselves, 1 at least: sets `OMP_NUM_THREADS`,
    /// `OPENBLAS_NUM_THREADS`, `MKL_NUM_THREADS`, `VECLIB_MAXIMUM_THREADS`,
    /// `NUMEXPR_NUM_THREADS`, `BLIS_NUM_THREADS` and `RAYON_NUM_THREADS` in its environment,
    /// whatever they are here; [`env`](Self::env) has the last word on each.
    ///
    /// Default: they are left alone, since tasks hand their environment on to what they start. A
    /// pool with a worker per processor whose tasks use such libraries wants 1: otherwise each
    /// worker starts a thread per processor.
    pub fn inner_threads(mut self, threads: usize) -> Self {
        self.process.inner_threads = Some(threads);
        self
    }

    /// Names the pool. On Linux worker `i` appears as `name-i` in process listings (as much of it as
    /// fits into 15 bytes); macOS shows it to debuggers only. Tasks see the pool's name by [`Context::pool_name`](crate::Context::pool_name), and
    /// errors about dead workers say it.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.process.name = Some(name.into());
        self
    }

    /// How many levels of pools tasks of this pool may build below it. Default: 1, so that a task
    /// may build a pool, whose tasks may not. A pool inside another cannot have more than that
    /// one has left. Beyond it, [`BuildError::TooDeep`].
    ///
    /// Workers are processes with a thread, so that a pool inside a task has to be of
    /// [`StartMethod::Spawn`] or [`StartMethod::ForkServer`]. When its supervisor, the outer
    /// worker, dies, it ends like any pool whose supervisor dies.
    pub fn max_depth(mut self, levels: u32) -> Self {
        self.process.max_depth = Some(levels);
        self
    }
}

impl ProcessSettings {
    /// The pool's name.
    pub(super) fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// The environment that the workers are to have.
    ///
    /// # Errors
    /// When there can be no such environment.
    pub(super) fn environment(&self, method: StartMethod) -> Result<Environment, BuildError> {
        let mut environment = self.environment.clone();
        if let Some(threads) = self.inner_threads {
            let threads = threads.max(1).to_string();
            for name in THREAD_VARIABLES {
                if !environment.names(name.as_ref()) {
                    environment.set(name.as_ref(), threads.as_ref());
                }
            }
        }
        environment.check().map_err(|bad| BuildError::Settings {
            what: "the workers' environment",
            why: bad.to_string(),
        })?;
        if method != StartMethod::Fork && init::entry() == Some(Entry::BeforeMain) {
            environment.set(EARLY_VARIABLE.as_ref(), "1".as_ref());
        }
        Ok(environment)
    }

    /// How many levels of pools may be below this one.
    ///
    /// # Errors
    /// When this one is too deep itself.
    pub(super) fn levels(&self) -> Result<u32, BuildError> {
        crate::setup::levels_below(self.max_depth)
    }

    /// What a zygote does before it forks.
    pub(super) fn preparation(
        &self,
        method: StartMethod,
        environment: &Environment,
    ) -> Preparation {
        Preparation {
            environment: match method {
                StartMethod::Fork => environment.clone(),
                StartMethod::Spawn | StartMethod::ForkServer => Environment::default(),
            },
            preload: self.preload.unwrap_or(0),
        }
    }

    /// Puts the rest where every worker finds it.
    ///
    /// # Errors
    /// When something cannot be made, encoded, or kept.
    pub(super) fn keep(&self, core: &Arc<Core>, levels: u32) -> Result<Kept, BuildError> {
        let initializer = match &self.initializer {
            None => None,
            Some((entry, Ok(bytes))) => Some((*entry, bytes.clone())),
            Some((_, Err(why))) => {
                return Err(BuildError::Settings {
                    what: "the initializer's argument",
                    why: why.clone(),
                });
            }
        };
        let maker = Maker::of(core);
        let provided = self.provided.iter().map(|provide| provide.make(&maker));
        let sent = Sent {
            head: Head {
                name: self.name.clone(),
                nice: self.nice,
                pinned: self.pinning == Pinning::OneCoreEach,
                limits: self.limits,
                finalizer: self.finalizer,
                ..Head::default()
            },
            levels,
            initializer,
            provided: provided.collect::<Result<_, _>>()?,
        };
        sent.keep(&core.arena)
    }
}
