//! Messages of several items: run in groups that stay in the nearest cache, with one fence against
//! panics around a group and not around each item.

use std::panic::{AssertUnwindSafe, catch_unwind};

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{
    Env, FENCE_BYTES, ItemError, Job, STATUS_ERROR, STATUS_VALUE, caught, decode, item_error,
    panicked, put_error, put_fenced_error, put_one,
};
use crate::sink::Sink;

/// Items that are decoded, then run, then encoded, at a time. The clock is read between.
const GROUP: usize = 256;

/// The arguments that are left of a message.
struct Arguments<'a> {
    input: &'a [u8],
    left: usize,
}

impl<'a> Arguments<'a> {
    fn of(job: &Job<'a>) -> Result<Self, ItemError> {
        // Each has its fence, and a count that is wrong must not be believed for what it reserves.
        if job.items as usize > job.input.len() / FENCE_BYTES {
            let why = format!("{} bytes are no {} items", job.input.len(), job.items);
            return Err(ItemError::Decode(why));
        }
        Ok(Self {
            input: job.input,
            left: job.items as usize,
        })
    }

    /// Decodes the next group into `arguments`, which is empty after the last.
    fn next_group<In: DeserializeOwned>(&mut self, arguments: &mut Vec<Result<In, ItemError>>) {
        let count = self.left.min(GROUP);
        self.left -= count;
        arguments.clear();
        let input = &mut self.input;
        fill(arguments, count, || decode(fenced(input)?));
    }
}

/// The next fenced item of a chunk.
#[inline]
fn fenced<'a>(input: &mut &'a [u8]) -> Result<&'a [u8], ItemError> {
    let Some((len, rest)) = input.split_first_chunk::<FENCE_BYTES>() else {
        return Err(torn());
    };
    let Some((item, rest)) = rest.split_at_checked(u32::from_le_bytes(*len) as usize) else {
        return Err(torn());
    };
    *input = rest;
    Ok(item)
}

#[cold]
fn torn() -> ItemError {
    ItemError::Decode("the chunk ends in the middle of an item".to_owned())
}

/// Fills `results` up to `count` with what `next` returns, or with its panic.
#[inline]
fn fill<T>(
    results: &mut Vec<Result<T, ItemError>>,
    count: usize,
    mut next: impl FnMut() -> Result<T, ItemError>,
) {
    while results.len() < count {
        // What `next` borrows is valid at every instant, as for `caught`.
        let filled = catch_unwind(AssertUnwindSafe(|| {
            while results.len() < count {
                let result = next();
                results.push(result);
            }
        }));
        if let Err(payload) = filled {
            results.push(Err(panicked(payload.as_ref())));
        }
    }
}

/// Decodes, calls and encodes each item.
pub(super) fn run<In, Out>(
    job: &mut Job<'_>,
    call: &impl Fn(&mut Env<'_>, In) -> Result<Out, ItemError>,
) where
    In: DeserializeOwned,
    Out: Serialize,
{
    job.status = STATUS_VALUE;
    let mut left = match Arguments::of(job) {
        Ok(arguments) => arguments,
        Err(error) => {
            put_error(job.out, &error);
            job.status = STATUS_ERROR;
            job.laps.decode();
            return;
        }
    };
    let (mut arguments, mut results) = (Vec::new(), Vec::new());
    loop {
        left.next_group::<In>(&mut arguments);
        job.laps.decode();
        if arguments.is_empty() {
            return;
        }
        let mut env = Env {
            context: job.context,
            round: job.round,
            mode: job.mode,
            laps: job.laps,
        };
        let count = arguments.len();
        let mut group = arguments.drain(..);
        fill(&mut results, count, || match group.next() {
            Some(argument) => call(&mut env, argument?),
            None => unreachable!("as many are run as were decoded"),
        });
        drop(group);
        job.laps.compute();
        put_all(job.out, &mut results);
        job.laps.encode();
    }
}

/// Puts the results of a group, and empties it.
fn put_all<Out: Serialize>(out: &mut Sink, results: &mut Vec<Result<Out, ItemError>>) {
    let mut results = results.drain(..);
    loop {
        let put = catch_unwind(AssertUnwindSafe(|| {
            for result in results.by_ref() {
                let put = result.and_then(|value| out.put_fenced(&value).map_err(item_error));
                if let Err(error) = put {
                    put_fenced_error(out, &error);
                }
            }
        }));
        match put {
            Ok(()) => return,
            Err(payload) => put_fenced_error(out, &panicked(payload.as_ref())),
        }
    }
}

/// Decodes, calls, and folds the results of all items into one, which is encoded: the body of the
/// trampoline of `reduce`. The first item that fails is the result.
pub(crate) fn fold<In, Out>(
    job: &mut Job<'_>,
    call: impl Fn(In) -> Out,
    combine: impl Fn(Out, Out) -> Out,
) where
    In: DeserializeOwned,
    Out: Serialize,
{
    let folded = match job.items {
        1 => {
            let argument = caught(|| decode::<In>(job.input));
            job.laps.decode();
            argument.and_then(|argument| caught(|| Ok(call(argument))))
        }
        _ => fold_all(job, call, combine),
    };
    job.laps.compute();
    put_one(job, folded);
}

fn fold_all<In, Out>(
    job: &mut Job<'_>,
    call: impl Fn(In) -> Out,
    combine: impl Fn(Out, Out) -> Out,
) -> Result<Out, ItemError>
where
    In: DeserializeOwned,
{
    let mut left = Arguments::of(job)?;
    let mut arguments = Vec::new();
    let mut folded: Option<Out> = None;
    loop {
        left.next_group::<In>(&mut arguments);
        job.laps.decode();
        if arguments.is_empty() {
            let nothing = || ItemError::Decode("a message of no items".to_owned());
            return folded.ok_or_else(nothing);
        }
        folded = caught(|| {
            arguments
                .drain(..)
                .try_fold(folded.take(), |so_far, argument| {
                    let next = call(argument?);
                    Ok(Some(match so_far {
                        None => next,
                        Some(so_far) => combine(so_far, next),
                    }))
                })
        })?;
        job.laps.compute();
    }
}
