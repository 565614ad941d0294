//! Where the time of one task went. The argument takes the time of its submission along, and the
//! result brings back what the worker noted, so that nobody pays for it who does not ask.

use std::time::Duration;

use forkyard_os::clock::{TickScale, ticks};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize};
use std::sync::atomic::Ordering;

use crate::job::{Env, Job, execute};
use crate::trampoline;

/// A result with the timings of its task; see [`Pool::submit_timed`](crate::Pool::submit_timed).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timed<Out> {
    /// What the task returned.
    pub value: Out,
    /// Where its time went.
    pub timings: TaskTimings,
}

/// Where the time of one task went, from its submission to its result's decoding. One clock is
/// read on both sides, and each moment belongs to exactly one part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TaskTimings {
    /// From `submit` until a worker took it: encoding, the way there, and waiting in line.
    pub queued: Duration,
    /// From being taken until its argument was decoded.
    pub decode: Duration,
    /// In the task itself.
    pub compute: Duration,
    /// From the end of the task until its result was decoded in the supervisor: encoding, the way
    /// back, and waiting to be asked for.
    pub returning: Duration,
}

impl TaskTimings {
    /// From submission to result.
    #[must_use]
    pub fn total(&self) -> Duration {
        self.queued + self.decode + self.compute + self.returning
    }
}

/// How an argument crosses: with the time at which it was submitted.
#[derive(Serialize, Deserialize)]
pub(crate) struct Stamped<In>(u64, In);

impl<In> Stamped<In> {
    pub(crate) fn now(argument: In) -> Self {
        Self(ticks(), argument)
    }
}

/// How a result crosses: with the moments of its task, in ticks: queued, started, decoded,
/// computed.
#[derive(Serialize, Deserialize)]
struct Marked<Out>([u64; 4], Out);

impl<'de, Out: Deserialize<'de>> Deserialize<'de> for Timed<Out> {
    /// Decodes a result that has just come from a worker: the time until now belongs to it.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Marked([queued, started, decoded, computed], value) =
            Marked::<Out>::deserialize(deserializer)?;
        let scale = TickScale::of_this_process();
        // A worker's words: whatever they say, nothing overflows.
        let part =
            |from: u64, to: u64| Duration::from_nanos(scale.ticks_to_ns(to.saturating_sub(from)));
        Ok(Self {
            value,
            timings: TaskTimings {
                queued: part(queued, started),
                decode: part(started, decoded),
                compute: part(decoded, computed),
                returning: part(computed, ticks()),
            },
        })
    }
}

/// The trampoline of a task that is timed.
pub(crate) fn timed_task<F, In, Out>(job: &mut Job<'_>)
where
    F: Fn(In) -> Out + Copy + 'static,
    In: DeserializeOwned,
    Out: Serialize,
{
    let f = trampoline::conjure::<F>();
    execute::<Stamped<In>, Marked<Out>>(job, |env, Stamped(queued, argument)| {
        let (started, decoded) = (started(env), env.laps.mark);
        let value = f(argument);
        env.laps.compute();
        Ok(Marked([queued, started, decoded, env.laps.mark], value))
    });
}

/// When the message at hand was taken.
fn started(env: &Env<'_>) -> u64 {
    match &env.context.seat {
        Some(seat) => {
            let counters = &seat.control.page(seat.index).counters;
            counters.started.load(Ordering::Relaxed)
        }
        None => unreachable!("trampolines run in workers"),
    }
}
