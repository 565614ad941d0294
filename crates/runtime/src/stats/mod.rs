//! A pool at one moment: what it and its workers are doing.
//!
//! The numbers come from the control segment, where the workers count for themselves and the
//! supervisor notes now and then what only it knows. Reading them takes no lock of a worker and
//! wakes nobody, in this process ([`Pool::stats`](crate::Pool::stats)) or in another
//! ([`crate::inspect`]). `read` puts them together; `table` shows them; `notes` is what the
//! supervisor writes; `dump` prints on a signal.

mod dump;
mod functions;
mod notes;
mod read;
mod table;
mod units;

use std::fmt;
use std::time::Duration;

use serde::ser::SerializeStruct;
use serde::{Serialize, Serializer};

use crate::{Stages, StartMethod, Transport};

pub use dump::dump_stats_on;
pub(crate) use functions::{Named, short_name};
pub(crate) use notes::introduce;
pub(crate) use read::{Clock, method_of, now, of_core, of_onlooker};

/// A pool at one moment; from [`Pool::stats`](crate::Pool::stats), or, in another process, from
/// [`inspect::attach`](crate::inspect::attach).
///
/// The numbers are read one after the other while the pool works, so that a sum may be a task
/// ahead of another. As JSON, durations are nanoseconds and end in `_ns`; printed, it is a table
/// of at most 100 columns ([`table`](Self::table) takes another width).
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PoolStats {
    /// The pool's control segment: tells the pools of one process apart.
    pub segment: String,
    /// What the pool is called: by default as its program.
    pub name: String,
    /// Process id of the supervisor.
    pub pid: i32,
    /// How its workers start.
    #[serde(serialize_with = "text")]
    pub start_method: StartMethod,
    /// How arguments and results travel.
    #[serde(serialize_with = "text")]
    pub transport: Transport,
    /// Where it is in its life.
    pub stage: PoolStage,
    /// Since it was built.
    #[serde(rename = "uptime_ns", serialize_with = "nanoseconds")]
    pub uptime: Duration,
    /// Tasks (items) that its workers have finished, those that are gone included.
    pub tasks: u64,
    /// Messages (chunks of tasks) that wait because no worker has room for them.
    pub pending: u64,
    /// Worker processes that were started, in all.
    pub starts: u64,
    /// Worker processes that died without being asked to.
    pub deaths: u64,
    /// The arena.
    pub arena: ArenaUse,
    /// Its workers, by index.
    pub workers: Vec<WorkerStats>,
}

/// Where a pool is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum PoolStage {
    /// It takes tasks.
    Open,
    /// It finishes what it has, and ends.
    Closing,
    /// It was aborted, and ends.
    Aborted,
}

/// How much shared memory an arena has. (What of it is in use is known to
/// [`Arena::stats`](crate::Arena::stats).)
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct ArenaUse {
    /// Bytes that it has now.
    pub reserved_bytes: u64,
    /// Most bytes that it ever had.
    pub peak_bytes: u64,
    /// Most bytes that it may have; 0 for no limit.
    pub limit_bytes: u64,
}

/// A worker at one moment.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct WorkerStats {
    /// Its index in the pool.
    pub worker: usize,
    /// Which incarnation: 0 for the first, one more for each replacement.
    pub generation: u32,
    /// Its process; `None` where there is none, or none that is known yet.
    pub pid: Option<i32>,
    /// What it is doing.
    pub state: WorkerState,
    /// What its present message (a task, or a chunk of tasks) runs: the function's name without the
    /// modules that lead to it, such as `thumbnail`, `Image::load` or `main::{closure}`, cut to 64 bytes.
    /// `None` while it runs none, and when the name is not known any more: a pool remembers those of its
    /// last 48 functions. (Functions that do exactly the same may be one to the compiler, and have one name.)
    pub task: Option<String>,
    /// How far that is, if the task [says so](crate::Context::progress).
    pub progress: Option<TaskProgress>,
    /// Since when it has been at its present message; `None` while it runs none.
    #[serde(rename = "task_age_ns", serialize_with = "maybe_nanoseconds")]
    pub task_age: Option<Duration>,
    /// Messages that were sent to it and that it has not begun.
    pub queued: u64,
    /// Tasks (items) that this process has finished.
    pub tasks: u64,
    /// The same per second, on average since it was ready; [`rate_since`](Self::rate_since) tells
    /// the present rate.
    pub tasks_per_second: f64,
    /// Encoded bytes of the arguments it took.
    pub bytes_in: u64,
    /// Encoded bytes of the results it returned.
    pub bytes_out: u64,
    /// Since its start was asked for.
    #[serde(rename = "age_ns", serialize_with = "nanoseconds")]
    pub age: Duration,
    /// Where that time went; what it is doing now is counted up to this moment.
    #[serde(rename = "stages_ns", serialize_with = "stages")]
    pub stages: Stages,
    /// Resident memory in bytes, shared memory that it has touched included; `None` when the
    /// system does not tell.
    pub rss_bytes: Option<u64>,
}

/// How far a task is, in whatever it counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct TaskProgress {
    /// What is done.
    pub done: u64,
    /// What there is to do; 0 when the task does not know.
    pub total: u64,
}

/// What a worker is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum WorkerState {
    /// No process is there.
    Gone,
    /// Its process was asked for and is not ready yet.
    Starting,
    /// It waits for a task, asleep.
    Idle,
    /// It waits for a task, awake, for a moment before it sleeps.
    Spinning,
    /// It is at a task.
    Running,
    /// It was told to end, and does.
    Ending,
}

impl WorkerState {
    /// Its name in lower case.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Gone => "gone",
            Self::Starting => "starting",
            Self::Idle => "idle",
            Self::Spinning => "spinning",
            Self::Running => "running",
            Self::Ending => "ending",
        }
    }
}

impl fmt::Display for WorkerState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl fmt::Display for PoolStage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Open => "open",
            Self::Closing => "closing",
            Self::Aborted => "aborted",
        })
    }
}

impl WorkerStats {
    /// Its name: the index, and behind a dot the generation from the second on.
    #[must_use]
    pub fn name(&self) -> String {
        match self.generation {
            0 => self.worker.to_string(),
            generation => format!("{}.{generation}", self.worker),
        }
    }

    /// What it runs and how far that is, in at most `width` characters: `thumbnail`, `resize 31 %`;
    /// `?` for a task without a known name, `-` for no task.
    #[must_use]
    pub fn task_label(&self, width: usize) -> String {
        if self.task_age.is_none() {
            return "-".to_owned();
        }
        let far = match self.progress {
            Some(TaskProgress { done, total: 0 }) => format!(" {}", units::count(done)),
            Some(TaskProgress { done, total }) => {
                format!(" {}", units::percent(ratio(done.min(total), total)))
            }
            None => String::new(),
        };
        let name = self.task.as_deref().unwrap_or("?");
        let room = width.saturating_sub(far.chars().count());
        let label = functions::cut(name, room, |text| text.chars().count()) + &far;
        functions::cut(&label, width, |text| text.chars().count())
    }

    /// Tasks a second between an earlier look at the same pool and this one; since it was ready,
    /// when another process was there before.
    #[must_use]
    pub fn rate_since(&self, earlier: &PoolStats) -> f64 {
        let before = earlier.workers.get(self.worker);
        match before.filter(|before| (before.pid, before.generation) == (self.pid, self.generation))
        {
            Some(before) => read::per_second(
                self.tasks.saturating_sub(before.tasks),
                self.age.saturating_sub(before.age),
            ),
            None => self.tasks_per_second,
        }
    }
}

impl PoolStats {
    /// Tasks a second between an earlier look and this one.
    #[must_use]
    pub fn rate_since(&self, earlier: &Self) -> f64 {
        read::per_second(
            self.tasks.saturating_sub(earlier.tasks),
            self.uptime.saturating_sub(earlier.uptime),
        )
    }

    /// Tasks a second, on average since the pool was built.
    #[must_use]
    pub fn tasks_per_second(&self) -> f64 {
        read::per_second(self.tasks, self.uptime)
    }
}

#[expect(clippy::cast_precision_loss, reason = "shown in whole percent")]
fn ratio(part: u64, whole: u64) -> f64 {
    part as f64 / whole as f64
}

fn text<S: Serializer>(value: &impl fmt::Display, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(value)
}

fn whole_ns(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

fn nanoseconds<S: Serializer>(value: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(whole_ns(*value))
}

fn maybe_nanoseconds<S: Serializer>(
    value: &Option<Duration>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    value.map(whole_ns).serialize(serializer)
}

fn stages<S: Serializer>(value: &Stages, serializer: S) -> Result<S::Ok, S::Error> {
    let named = value.named();
    let mut fields = serializer.serialize_struct("Stages", named.len())?;
    for (name, duration) in named {
        fields.serialize_field(name, &whole_ns(duration))?;
    }
    fields.end()
}
