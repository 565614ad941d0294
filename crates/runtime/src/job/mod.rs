//! One message in a worker: decode its items, run them, encode what they returned.
//!
//! One item is its encoded value, or an [`ItemError`], as the status says; several stand as
//! [`items`](crate::items) says. An item that fails leaves the others alone: its argument is told
//! from theirs, and its panic is caught.

mod chunk;
mod panics;

use std::panic::{AssertUnwindSafe, catch_unwind};

use forkyard_os::clock::ticks;
use forkyard_wire::codec;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::context::Context;
use crate::error::{TaskError, TaskPanic};
use crate::sink::{PutError, Sink};
use crate::state::take_waited;

/// A single item's result is a value.
pub(crate) const STATUS_VALUE: u16 = 0;
/// A single item's result is an [`ItemError`].
pub(crate) const STATUS_ERROR: u16 = 1;
/// There is no result: the message was passed over, as the supervisor had asked.
pub(crate) const STATUS_SKIPPED: u16 = 2;

pub(crate) use chunk::fold;
pub(crate) use panics::{install_panic_hook, panicked, report_panics_of_this_thread};

/// Why an item has no result, as the worker tells it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) enum ItemError {
    /// Boxed, so that a result that is none is no larger than others.
    Panicked(Box<Panic>),
    Decode(String),
    Encode(String),
    SharedMemory(String),
    Aborted,
}

/// What is known of a panic.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Panic {
    pub(crate) message: String,
    pub(crate) location: Option<String>,
    pub(crate) backtrace: Option<String>,
}

/// What is said when the reason itself needs a block. It must fit a slot, with a few bytes around it.
const NO_MEMORY: &str = "none is left; drop shared values, or raise arena_limit() or /dev/shm";

const _: () = assert!(NO_MEMORY.len() + 16 <= forkyard_shm::lane::INLINE_BYTES);

impl ItemError {
    /// No shared memory, not even to say more.
    pub(crate) fn no_memory() -> Self {
        Self::SharedMemory(NO_MEMORY.to_owned())
    }

    /// The same as the user sees it.
    pub(crate) fn in_worker(self, worker: usize) -> TaskError {
        match self {
            Self::Panicked(panic) => TaskError::Panicked(Box::new(TaskPanic {
                worker,
                message: panic.message,
                location: panic.location,
                backtrace: panic.backtrace,
            })),
            Self::Decode(why) => TaskError::DecodeArgument(why.into()),
            Self::Encode(why) => TaskError::EncodeResult(why.into()),
            Self::SharedMemory(why) => TaskError::SharedMemory(why.into()),
            Self::Aborted => TaskError::Aborted,
        }
    }
}

/// Where a worker's time goes, in ticks. Every lap ends one stage and begins the next, so
/// that no moment is counted twice or not at all.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Laps {
    pub(crate) mark: u64,
    pub(crate) wait: u64,
    pub(crate) decode: u64,
    pub(crate) compute: u64,
    pub(crate) encode: u64,
    pub(crate) send: u64,
    pub(crate) lock: u64,
}

macro_rules! lap {
    ($($name:ident),*) => { $(
        #[inline]
        pub(crate) fn $name(&mut self) {
            let now = ticks();
            self.$name += now.wrapping_sub(self.mark);
            self.mark = now;
        }
    )* };
}

impl Laps {
    lap!(wait, decode, encode, send, lock);

    /// The task's own time, less what it has waited in shared state.
    #[inline]
    pub(crate) fn compute(&mut self) {
        let now = ticks();
        let spent = now.wrapping_sub(self.mark);
        let waited = take_waited().min(spent);
        self.lock += waited;
        self.compute += spent - waited;
        self.mark = now;
    }
}

/// What a trampoline works on.
pub(crate) struct Job<'a> {
    /// The encoded arguments.
    pub(crate) input: &'a [u8],
    /// How many.
    pub(crate) items: u32,
    /// The search round, or zero.
    pub(crate) round: u32,
    /// The claim protocol of a search.
    pub(crate) mode: u16,
    /// Where the results go.
    pub(crate) out: &'a mut Sink,
    /// `STATUS_VALUE` or `STATUS_ERROR` of a single item.
    pub(crate) status: u16,
    pub(crate) laps: &'a mut Laps,
    pub(crate) context: &'static Context,
}

/// Decodes, calls, encodes: the body of every trampoline. `call` is told the context, the
/// round and the laps besides the argument.
pub(crate) fn execute<In, Out>(
    job: &mut Job<'_>,
    call: impl Fn(&mut Env<'_>, In) -> Result<Out, ItemError>,
) where
    In: DeserializeOwned,
    Out: Serialize,
{
    if job.items == 1 {
        single(job, &call);
    } else {
        chunk::run(job, &call);
    }
}

/// What a call sees besides its argument.
pub(crate) struct Env<'a> {
    pub(crate) context: &'static Context,
    pub(crate) round: u32,
    pub(crate) mode: u16,
    pub(crate) laps: &'a mut Laps,
}

#[inline]
fn single<In, Out>(job: &mut Job<'_>, call: &impl Fn(&mut Env<'_>, In) -> Result<Out, ItemError>)
where
    In: DeserializeOwned,
    Out: Serialize,
{
    let argument = caught(|| decode::<In>(job.input));
    job.laps.decode();
    let outcome = argument.and_then(|argument| {
        let mut env = Env {
            context: job.context,
            round: job.round,
            mode: job.mode,
            laps: job.laps,
        };
        caught(|| call(&mut env, argument))
    });
    job.laps.compute();
    put_one(job, outcome);
}

/// Puts the one result of a message.
fn put_one<Out: Serialize>(job: &mut Job<'_>, outcome: Result<Out, ItemError>) {
    let put = outcome.and_then(|value| caught(|| job.out.put(&value).map_err(item_error)));
    job.status = match put {
        Ok(()) => STATUS_VALUE,
        Err(error) => {
            job.out.clear();
            put_error(job.out, &error);
            STATUS_ERROR
        }
    };
    job.laps.encode();
}

#[inline(always)]
fn decode<In: DeserializeOwned>(bytes: &[u8]) -> Result<In, ItemError> {
    codec::decode(bytes).map_err(|error| ItemError::Decode(error.to_string()))
}

fn item_error(error: PutError) -> ItemError {
    match error {
        PutError::Codec(message) => ItemError::Encode(message),
        PutError::SharedMemory(message) => ItemError::SharedMemory(message),
    }
}

fn put_error(out: &mut Sink, error: &ItemError) {
    if out.put(error).is_err() {
        // Only shared memory can be short here; what fits in place says at least that.
        out.clear();
        let short = ItemError::no_memory();
        let _ = out.put(&short);
    }
}

/// Runs `body`, turning a panic into an [`ItemError`].
#[inline]
pub(crate) fn caught<T>(body: impl FnOnce() -> Result<T, ItemError>) -> Result<T, ItemError> {
    // What the closure borrows is either dropped with the panic or valid at every instant:
    // a sink is cleared or truncated after a failed put, and laps are sums.
    match catch_unwind(AssertUnwindSafe(body)) {
        Ok(result) => result,
        Err(payload) => Err(panicked(payload.as_ref())),
    }
}
