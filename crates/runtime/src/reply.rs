//! Results, from the bytes that came back to what the user gets.

use std::panic::{AssertUnwindSafe, catch_unwind};

use forkyard_wire::codec;
use serde::de::DeserializeOwned;

use crate::arena::Holding;
use crate::driver::Reply;
use crate::error::TaskError;
use crate::items::{Item, Items};
use crate::job::{ItemError, STATUS_ERROR, STATUS_VALUE, caught, panicked};

/// A reply whose values are still encoded.
pub(crate) struct Decoder<'a> {
    pub(crate) reply: &'a mut Reply,
    /// What each of its items counts for in a [`Window`](crate::window::Window).
    pub(crate) item_bytes: u64,
}

impl<'a> Decoder<'a> {
    /// One that no window counts.
    pub(crate) fn of(reply: &'a mut Reply) -> Self {
        Self {
            reply,
            item_bytes: 0,
        }
    }

    /// Which worker it comes from.
    pub(crate) fn worker(&self) -> usize {
        self.reply.worker as usize
    }

    /// Hands each item's index and result to `each`.
    #[inline]
    pub(crate) fn decode<Out: DeserializeOwned>(
        self,
        mut each: impl FnMut(u64, Result<Out, TaskError>),
    ) {
        let Reply { first, items, .. } = *self.reply;
        let is_one_value = items == 1 && self.reply.parcel.message.status == STATUS_VALUE;
        match self.reply.parcel.parts() {
            Some((bytes, _)) if is_one_value && self.reply.parcel.extra.is_none() => {
                each(first, value(bytes));
            }
            _ => self.decode_any(each),
        }
    }

    /// The one result of a message of any number of items: its first item, their number, and the
    /// result.
    pub(crate) fn decode_whole<Out: DeserializeOwned>(self) -> (u64, u64, Result<Out, TaskError>) {
        let (first, items) = (self.reply.first, u64::from(self.reply.items));
        self.reply.items = 1;
        let mut whole = None;
        self.decode(|_, result| whole = Some(result));
        let whole = whole.unwrap_or_else(|| Err(TaskError::Fault("a reply of no result".into())));
        (first, items, whole)
    }

    fn decode_any<Out: DeserializeOwned>(self, mut each: impl FnMut(u64, Result<Out, TaskError>)) {
        let worker = self.worker();
        let Reply {
            first,
            items,
            ref mut parcel,
            ..
        } = *self.reply;
        let mut fail = |error: TaskError| {
            (0..u64::from(items)).for_each(|i| each(first + i, Err(error.clone())));
        };
        if let Some(error) = parcel.extra.as_mut().and_then(|extra| extra.error.take()) {
            return fail(error);
        }
        // What is not decoded of it is given back at the end.
        let held = parcel
            .extra
            .as_mut()
            .map(|extra| std::mem::take(&mut extra.held));
        let held = held.filter(|held| !held.is_empty());
        let _holding = held.map(|held| Holding::of(held.into()));
        let Some((bytes, _)) = parcel.parts() else {
            return fail(TaskError::Fault("a result is torn".into()));
        };
        if parcel.message.status == STATUS_ERROR {
            fail(item_error(bytes, worker));
        } else if items == 1 {
            each(first, value(bytes));
        } else if let Some(left) = Items::of(bytes, items) {
            decode_items(left, items, worker, |i, result| each(first + i, result));
        } else {
            fail(torn());
        }
        parcel.empty();
    }
}

#[inline]
fn value<Out: DeserializeOwned>(bytes: &[u8]) -> Result<Out, TaskError> {
    let decoded =
        caught(|| codec::decode(bytes).map_err(|error| ItemError::Decode(error.to_string())));
    decoded.map_err(cannot_decode)
}

#[cold]
fn cannot_decode(error: ItemError) -> TaskError {
    let why = match error {
        ItemError::Decode(why) => why,
        ItemError::Panicked(panic) => format!("its Deserialize panicked: {}", panic.message),
        other => format!("{other:?}"),
    };
    TaskError::DecodeResult(why.into())
}

fn item_error(bytes: &[u8], worker: usize) -> TaskError {
    match codec::decode::<ItemError>(bytes) {
        Ok(error) => error.in_worker(worker),
        Err(error) => TaskError::Fault(format!("an error that cannot be decoded: {error}").into()),
    }
}

/// Hands on the results of a chunk, with one fence against panics of `Deserialize` around all of
/// them. `each` is ours and does not panic.
fn decode_items<Out: DeserializeOwned>(
    mut left: Items<'_>,
    items: u32,
    worker: usize,
    mut each: impl FnMut(u64, Result<Out, TaskError>),
) {
    let (mut next, items) = (0, u64::from(items));
    while next < items {
        // What is borrowed is valid at every instant: an item is behind before it is decoded.
        let decoded = catch_unwind(AssertUnwindSafe(|| {
            left.take((items - next) as usize, |item| {
                // By two ways: a value that may be an error would be put together elsewhere
                // first, and read again before it is written.
                if let Item::Value(bytes) = item
                    && let Ok(value) = codec::decode(bytes)
                {
                    each(next, Ok(value));
                } else {
                    each(next, Err(no_value::<Out>(item, worker)));
                }
                next += 1;
            });
        }));
        if let Err(payload) = decoded {
            each(next, Err(cannot_decode(panicked(payload.as_ref()))));
            next += 1;
        }
    }
}

/// Why an item is no value.
#[cold]
fn no_value<Out: DeserializeOwned>(item: Item<'_>, worker: usize) -> TaskError {
    match item {
        Item::Value(bytes) => match codec::decode::<Out>(bytes) {
            Err(error) => TaskError::DecodeResult(error.to_string().into()),
            Ok(_) => {
                TaskError::DecodeResult("it was none at first, and one the second time".into())
            }
        },
        Item::Error(bytes) => item_error(bytes, worker),
        Item::Torn => torn(),
    }
}

#[cold]
fn torn() -> TaskError {
    TaskError::Fault("a chunk of results ends in the middle of one".into())
}

/// Puts a reply's results in their places.
#[inline]
pub(crate) fn decode_into<Out: DeserializeOwned>(
    results: &mut Vec<Result<Out, TaskError>>,
    reply: Decoder<'_>,
) {
    let first = reply.reply.first as usize;
    if first < results.len() {
        return reply.decode(|index, result| results[index as usize] = result);
    }
    if first > results.len() {
        // Those before it are still to come: every item that is sent has its reply.
        results.resize_with(first, || Err(TaskError::Aborted));
    }
    reply.decode(|_, result| results.push(result));
}
