//! Messages of several items: run in groups that stay in the nearest cache, with one fence against
//! panics around a group and not around each item.

use std::panic::{AssertUnwindSafe, catch_unwind};

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{
    Env, ItemError, Job, STATUS_ERROR, STATUS_VALUE, caught, decode, item_error, panicked,
    put_error, put_one,
};
use crate::items::{Item, Items};
use crate::packing::restart_attachments;
use crate::sink::Sink;

/// Items that are decoded, then run, then encoded, at a time. The clock is read between.
const GROUP: usize = 256;

/// Some items of a message: those that came so far by themselves, and apart from them, almost
/// never, those that did not.
struct Group<T> {
    values: Vec<T>,
    /// By their place among all, in order.
    failed: Vec<(usize, ItemError)>,
}

impl<T> Group<T> {
    fn new() -> Self {
        Self {
            values: Vec::new(),
            failed: Vec::new(),
        }
    }

    fn len(&self) -> usize {
        self.values.len() + self.failed.len()
    }

    fn fail(&mut self, error: ItemError) {
        self.failed.push((self.len(), error));
    }

    /// Fills the group, which is empty, up to `count`. `more` adds some; what it was at when it
    /// panics has failed.
    #[inline]
    fn fill(&mut self, count: usize, mut more: impl FnMut(&mut Self, usize)) {
        self.values.reserve(count);
        while self.len() < count {
            let left = count - self.len();
            // What `more` borrows is valid at every instant, as for `caught`.
            if let Err(payload) = catch_unwind(AssertUnwindSafe(|| more(self, left))) {
                self.fail(panicked(payload.as_ref()));
            }
        }
    }

    /// Hands all out, in order, and is empty: values to `each`, what failed to `failed`, with its
    /// place. So is that which `each` was handed when it panicked.
    #[inline]
    fn hand_out<S>(
        &mut self,
        state: &mut S,
        mut each: impl FnMut(&mut S, T),
        mut failed: impl FnMut(&mut S, usize, ItemError),
    ) {
        let mut place = 0;
        let mut values = self.values.drain(..);
        let mut errors = self.failed.drain(..).peekable();
        loop {
            while let Some((_, error)) = errors.next_if(|(at, _)| *at == place) {
                failed(state, place, error);
                place += 1;
            }
            let until = errors.peek().map_or(usize::MAX, |(at, _)| *at);
            let left = until - place;
            // What `each` borrows is valid at every instant, as for `caught`.
            let run = catch_unwind(AssertUnwindSafe(|| {
                for value in values.by_ref().take(left) {
                    place += 1;
                    each(state, value);
                }
            }));
            match run {
                Ok(()) if errors.peek().is_none() => return,
                Ok(()) => {}
                Err(payload) => failed(state, place - 1, panicked(payload.as_ref())),
            }
        }
    }
}

/// The arguments that are left of a message.
struct Arguments<'a> {
    items: Items<'a>,
    left: usize,
}

impl<'a> Arguments<'a> {
    fn of(job: &Job<'a>) -> Result<Self, ItemError> {
        match Items::of(job.input, job.items) {
            Some(items) => Ok(Self {
                items,
                left: job.items as usize,
            }),
            None => {
                let why = format!("{} bytes are no {} items", job.input.len(), job.items);
                Err(ItemError::Decode(why))
            }
        }
    }

    /// Decodes the next group into `arguments`, which is empty, and stays so after the last.
    fn next_group<In: DeserializeOwned>(&mut self, arguments: &mut Group<In>) {
        let count = self.left.min(GROUP);
        self.left -= count;
        arguments.fill(count, |arguments, left| {
            self.items.take(left, |item| match item {
                Item::Value(bytes) => match decode(bytes) {
                    Ok(value) => arguments.values.push(value),
                    Err(error) => arguments.fail(error),
                },
                Item::Error(_) | Item::Torn => arguments.fail(torn()),
            });
        });
    }
}

#[cold]
fn torn() -> ItemError {
    ItemError::Decode("the chunk ends in the middle of an item".to_owned())
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
    let (mut arguments, mut results) = (Group::new(), Group::new());
    job.out.open_items(job.items);
    loop {
        left.next_group::<In>(&mut arguments);
        job.laps.decode();
        if arguments.len() == 0 {
            job.out.close_items();
            return;
        }
        let mut env = Env {
            context: job.context,
            round: job.round,
            mode: job.mode,
            laps: job.laps,
        };
        arguments.hand_out(
            &mut results,
            |results, argument| match call(&mut env, argument) {
                Ok(value) => results.values.push(value),
                Err(error) => results.fail(error),
            },
            |results, _, error| results.fail(error),
        );
        job.laps.compute();
        put_all(job.out, &mut results);
        job.laps.encode();
    }
}

/// Puts the results of a group, and empties it.
fn put_all<Out: Serialize>(out: &mut Sink, results: &mut Group<Out>) {
    let before = out.items() as usize;
    results.hand_out(
        out,
        |out, value| {
            if let Err(error) = out.put_item(&value) {
                put_error_item(out, &item_error(error));
            }
        },
        |out, place, error| {
            restart_attachments();
            // If it was put already, what panicked was its Drop.
            if out.items() as usize == before + place {
                put_error_item(out, &error);
            }
        },
    );
}

#[cold]
fn put_error_item(out: &mut Sink, error: &ItemError) {
    if out.put_error_item(error).is_err() {
        let _ = out.put_error_item(&ItemError::no_memory());
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
    let mut arguments = Group::new();
    let mut folded: Result<Option<Out>, ItemError> = Ok(None);
    loop {
        left.next_group::<In>(&mut arguments);
        job.laps.decode();
        if arguments.len() == 0 {
            let nothing = || ItemError::Decode("a message of no items".to_owned());
            return folded?.ok_or_else(nothing);
        }
        arguments.hand_out(
            &mut folded,
            |folded, argument| {
                if let Ok(so_far) = folded {
                    let next = call(argument);
                    *so_far = Some(match so_far.take() {
                        None => next,
                        Some(so_far) => combine(so_far, next),
                    });
                }
            },
            |folded, _, error| {
                if folded.is_ok() {
                    *folded = Err(error);
                }
            },
        );
        job.laps.compute();
    }
}
