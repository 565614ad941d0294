//! Building a pool.

mod lifecycle;
mod process;
mod stderr;
mod tasks;

use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use forkyard_os::death::{DeathWaker, DeathWatch};
use forkyard_os::limits::shm_free;
use forkyard_os::process::exit_now;
use forkyard_os::segment::{SegmentName, sweep};
use forkyard_shm::arena::Advice;
use forkyard_shm::control::Control;
use forkyard_shm::layout::Shape;
use forkyard_shm::{CheckEvery, MAX_WORKERS, OwnerIndex};
use forkyard_wire::link::Listener;

use crate::bootstrap::identity;
use crate::driver::{Core, Link, Patience, Pipe, Seat, SeatPhase, Terms, enlist};
use crate::error::BuildError;
use crate::reaper::Reaper;
use crate::start::{EXIT_SKIPPED_INIT, Starter};
use crate::witness::{Witness, WorkerStderr};
use crate::zygotes::Zygotes;
use crate::{ChunkSize, Pool, StartMethod, Transport, init, mapped, stats, trace};

pub(crate) use lifecycle::Lifecycle;
pub use process::Pinning;
use process::ProcessSettings;

/// Slots in each lane: deep enough that a supervisor that was woken at half finds work left.
const SLOTS: u32 = 1024;
/// Bytes of arguments in flight per worker at most, unless one alone is larger.
const BYTES_AHEAD: u64 = 32 << 20;

/// What a pool was asked to be.
#[derive(Debug, Clone)]
pub(crate) struct Options {
    pub(crate) transport: Transport,
    pub(crate) chunk_size: ChunkSize,
    pub(crate) start_timeout: Duration,
    pub(crate) lifecycle: Lifecycle,
    pub(crate) bytes_ahead: u64,
    /// Messages in flight to a worker at most.
    pub(crate) queue_depth: usize,
    pub(crate) check_every: CheckEvery,
    /// For tasks that have none of their own.
    pub(crate) terms: Terms,
}

impl Options {
    /// What the machine of the workers' life is told.
    pub(crate) fn rules(&self) -> crate::life::Rules {
        self.lifecycle.rules()
    }
}

/// Settings of a pool to be; see [`Pool::builder`].
#[derive(Debug, Clone)]
#[must_use = "a builder does nothing until build()"]
pub struct PoolBuilder {
    workers: Option<usize>,
    start_method: StartMethod,
    transport: Transport,
    chunk_size: ChunkSize,
    check_every: CheckEvery,
    start_timeout: Duration,
    lifecycle: Lifecycle,
    arena_limit: u64,
    arena_advice: Advice,
    terms: Terms,
    queue_depth: usize,
    process: ProcessSettings,
    stderr: WorkerStderr,
}

impl Default for PoolBuilder {
    fn default() -> Self {
        Self {
            workers: None,
            start_method: StartMethod::default(),
            transport: Transport::default(),
            chunk_size: ChunkSize::default(),
            check_every: CheckEvery::default(),
            start_timeout: Duration::from_secs(30),
            lifecycle: Lifecycle::default(),
            arena_limit: 0,
            arena_advice: Advice::default(),
            terms: Terms::default(),
            queue_depth: usize::MAX,
            process: ProcessSettings::default(),
            stderr: WorkerStderr::default(),
        }
    }
}

impl PoolBuilder {
    /// How many worker processes, 1 to 255. Default: as many as this process may use cpus
    /// ([`available_cpus`](crate::available_cpus)).
    pub fn workers(mut self, workers: usize) -> Self {
        self.workers = Some(workers);
        self
    }

    /// How workers start. Default: [`StartMethod::Spawn`].
    pub fn start_method(mut self, method: StartMethod) -> Self {
        self.start_method = method;
        self
    }

    /// How arguments and results travel. Default: [`Transport::Shared`].
    pub fn transport(mut self, transport: Transport) -> Self {
        self.transport = transport;
        self
    }

    /// How many items of a `map` travel in one message: a number, or [`ChunkSize::Auto`], which is
    /// the default. When a worker dies, all items of the message that it was at are lost: with 1,
    /// one.
    ///
    /// # Panics
    /// When the number is 0.
    pub fn chunk_size(mut self, chunk_size: impl Into<ChunkSize>) -> Self {
        self.chunk_size = chunk_size.into();
        self
    }

    /// How often searches look at the stop flag. Default: [`CheckEvery::Auto`].
    pub fn check_every(mut self, check_every: CheckEvery) -> Self {
        self.check_every = check_every;
        self
    }

    /// How long a worker may take from its start to being ready. Default: 30 seconds, which
    /// is plenty unless `main` does work before [`init`](crate::init).
    pub fn start_timeout(mut self, timeout: Duration) -> Self {
        self.start_timeout = timeout;
        self
    }

    /// Bytes of shared memory that the pool's arena may take. Default: 0, which is no limit but
    /// what the system has.
    pub fn arena_limit(mut self, bytes: u64) -> Self {
        self.arena_limit = bytes;
        self
    }

    /// Asks for huge pages under large pieces of the arena, 2 MiB and more, in every process of
    /// the pool: fewer misses in the TLB for those who read much memory here and there.
    /// Default: no.
    ///
    /// A wish. On Linux shared memory gets them when
    /// `/sys/kernel/mm/transparent_hugepage/shmem_enabled` says `advise`, `within_size` or
    /// `always` (`never` is the usual default); elsewhere it is ignored.
    pub fn huge_pages(mut self, ask: bool) -> Self {
        self.arena_advice.huge_pages = ask;
        self
    }

    /// Enters the pages of large pieces of the arena, 2 MiB and more, into a process's page
    /// table when it maps them, instead of one fault per page when it first touches them.
    /// Default: no.
    ///
    /// Space is reserved, and cleared, when it is mapped in any case; this moves the rest of
    /// the cost of the first touch to the allocation.
    pub fn prefault(mut self, prefault: bool) -> Self {
        self.arena_advice.prefault = prefault;
        self
    }

    /// Starts the workers and waits until they are ready.
    ///
    /// # Errors
    /// [`BuildError`]; nothing is left behind then, neither process nor shared memory.
    pub fn build(self) -> Result<Pool, BuildError> {
        if init::was_skipped() {
            // This is a worker whose program did not call init(): the supervisor says so,
            // once, and here nothing more may happen.
            exit_now(EXIT_SKIPPED_INIT);
        }
        mapped::keep_before_main();
        if self.start_method != StartMethod::Fork && init::entry().is_none() {
            return Err(BuildError::MissingInit);
        }
        let workers = self
            .workers
            .unwrap_or_else(|| crate::available_cpus().get().min(MAX_WORKERS));
        if workers == 0 {
            return Err(BuildError::NoWorkers);
        }
        if workers > MAX_WORKERS {
            return Err(BuildError::TooManyWorkers {
                asked: workers,
                limit: MAX_WORKERS,
            });
        }
        if self.transport == Transport::Copy {
            Listener::check()?;
        }
        let levels = self.process.levels()?;
        let watch = DeathWatch::new().map_err(os("watching for deaths"))?;
        let core = Arc::new(self.make_core(workers, watch.waker())?);
        match self.process.keep(&core, levels) {
            Ok(kept) => core.set_up(kept),
            Err(error) => {
                core.starter.end();
                return Err(error);
            }
        }
        enlist(&core);
        if let Starter::Zygote(zygotes) = &core.starter {
            for pid in zygotes.pids() {
                trace::zygote_started(&core, pid.as_raw());
            }
        }
        let reaper = Reaper::new(Arc::clone(&core), watch);
        let waker = reaper.waker();
        let thread = std::thread::Builder::new()
            .name("forkyard-reaper".to_owned())
            .spawn(move || reaper.run_to_the_end())
            .map_err(|source| {
                core.starter.end();
                BuildError::Os {
                    what: "starting the pool's background thread",
                    source,
                }
            })?;
        let pool = Pool::new(core, waker, thread);
        match await_workers(&pool) {
            None => {
                trace::built(pool.core());
                Ok(pool)
            }
            Some(error) => {
                pool.abort(Duration::ZERO);
                Err(error)
            }
        }
    }

    /// The same for a manager: one process, whose task serves for as long as there is the manager.
    /// No limit of tasks is its limit, and no other process can take its place.
    pub(crate) fn of_a_manager(self) -> Self {
        let lifecycle = Lifecycle {
            most_failed_starts: self.lifecycle.most_failed_starts,
            exit_timeout: self.lifecycle.exit_timeout,
            ..Lifecycle::default()
        };
        Self {
            workers: Some(1),
            terms: Terms::default(),
            lifecycle,
            ..self
        }
    }

    fn make_core(&self, workers: usize, waker: DeathWaker) -> Result<Core, BuildError> {
        let shape = Shape {
            workers: workers as u32,
            slots: SLOTS,
        };
        // What others left when the whole machine, or a whole process group, was killed.
        match sweep() {
            Ok(swept) if swept.is_empty() => {}
            Ok(swept) => trace::swept("segments", swept.len()),
            Err(error) => trace::not_swept("segments", &error),
        }
        let memory = mapped::PoolMemory::create(shape, identity())?;
        let witness = Witness::new(memory.name(), self.stderr, workers);
        let control = *memory.control();
        stats::introduce(
            &control,
            self.process.name(),
            self.start_method,
            self.transport,
        );
        let starter = self.make_starter(memory.name(), &control)?;
        let arena = mapped::attach_arena(&control, memory.name(), OwnerIndex::SUPERVISOR);
        let directory = mapped::directory(&control);
        directory.set_limit_bytes(self.arena_limit);
        directory.set_advice(self.arena_advice);
        let seats = (0..workers)
            .filter_map(|index| {
                let link = match self.transport {
                    Transport::Shared => Link::Lane(mapped::supervisor_lane(&control, index)),
                    Transport::Copy => Link::Pipe(Box::<Pipe>::default()),
                };
                OwnerIndex::of_worker(index).map(|owner| Seat::new(index, owner, link))
            })
            .collect();
        // A total of zero is how a file system without a limit says so.
        let shm_share = shm_free()
            .filter(|space| space.total > 0)
            .map_or(u64::MAX, |space| space.total / 4);
        let options = Options {
            transport: self.transport,
            chunk_size: self.chunk_size,
            start_timeout: self.start_timeout,
            lifecycle: self.lifecycle.clone(),
            check_every: self.check_every,
            terms: self.terms,
            bytes_ahead: (BYTES_AHEAD * workers as u64).min(shm_share),
            queue_depth: self.queue_depth,
        };
        Ok(Core::new(
            Arc::new(memory),
            Arc::new(arena),
            options,
            starter,
            seats,
            witness,
            waker,
        ))
    }

    fn make_starter(&self, name: &SegmentName, control: &Control) -> Result<Starter, BuildError> {
        let environment = self.process.environment(self.start_method)?;
        let preparation = self.process.preparation(self.start_method, &environment);
        match self.start_method {
            StartMethod::Spawn => Ok(Starter::Spawn {
                segment: name.as_str().to_owned(),
                environment,
            }),
            StartMethod::Fork => {
                // What lies in the buffer would be written once by each process.
                let _ = std::io::stdout().flush();
                Zygotes::forked(name, control, &preparation).map(Starter::Zygote)
            }
            StartMethod::ForkServer => {
                Zygotes::executed(name, preparation.preload, environment).map(Starter::Zygote)
            }
        }
    }
}

/// Waits until every worker is ready; the reason when one is not.
fn await_workers(pool: &Pool) -> Option<BuildError> {
    let waited = pool.core().drive(Patience::Next, None, |driver| {
        if let Some(failure) = driver.start_failure.take() {
            return Some(Some(failure.into_build_error()));
        }
        if driver.all_gone() {
            return Some(Some(BuildError::Os {
                what: "starting workers",
                source: std::io::Error::other("they are all gone, and nobody could say why"),
            }));
        }
        driver
            .seats
            .iter()
            .all(|seat| seat.phase == SeatPhase::Up)
            .then(|| {
                driver.is_built = true;
                None
            })
    });
    // From now on it looks for idle ones.
    pool.core().waker.wake();
    waited.flatten()
}

fn os<E>(what: &'static str) -> impl FnOnce(E) -> BuildError
where
    E: std::error::Error + Send + Sync + 'static,
{
    move |error| BuildError::Os {
        what,
        source: std::io::Error::other(error),
    }
}
