//! Results, from the bytes that came back to what the user gets.

use forkyard_wire::codec;
use serde::de::DeserializeOwned;

use crate::arena::Holding;
use crate::driver::Reply;
use crate::error::TaskError;
use crate::job::{ERROR_BIT, ItemError, STATUS_ERROR, caught};

/// A reply whose values are still encoded.
pub(crate) struct Decoder(pub(crate) Reply);

impl Decoder {
    /// Hands each item's index and result to `each`.
    pub(crate) fn decode<Out: DeserializeOwned>(
        self,
        mut each: impl FnMut(u64, Result<Out, TaskError>),
    ) {
        let Reply {
            first,
            items,
            worker,
            outcome,
        } = self.0;
        let torn = || TaskError::Fault("a result is torn".into());
        let received = outcome.and_then(|received| match received.parts() {
            Some(_) => Ok(received),
            None => Err(torn()),
        });
        let mut received = match received {
            Ok(received) => received,
            Err(error) => {
                (0..u64::from(items)).for_each(|i| each(first + i, Err(error.clone())));
                return;
            }
        };
        // What is not decoded of it is given back at the end.
        let attached = std::mem::take(&mut received.attached);
        let _holding = (!attached.is_empty()).then(|| Holding::of(attached));
        let (bytes, _) = received.parts().unwrap_or_default();
        let message = received.message;
        if message.status == STATUS_ERROR {
            let error = item_error(bytes, worker);
            (0..u64::from(items)).for_each(|i| each(first + i, Err(error.clone())));
        } else if items == 1 {
            each(first, value(bytes));
        } else {
            let mut rest = bytes;
            for i in 0..u64::from(items) {
                each(first + i, fenced(&mut rest, worker));
            }
        }
    }
}

fn value<Out: DeserializeOwned>(bytes: &[u8]) -> Result<Out, TaskError> {
    let decoded =
        caught(|| codec::decode(bytes).map_err(|error| ItemError::Decode(error.to_string())));
    decoded.map_err(|error| {
        let why = match error {
            ItemError::Decode(why) => why,
            ItemError::Panicked { message, .. } => format!("its Deserialize panicked: {message}"),
            other => format!("{other:?}"),
        };
        TaskError::DecodeResult(why.into())
    })
}

fn item_error(bytes: &[u8], worker: usize) -> TaskError {
    match codec::decode::<ItemError>(bytes) {
        Ok(error) => error.in_worker(worker),
        Err(error) => TaskError::Fault(format!("an error that cannot be decoded: {error}").into()),
    }
}

fn fenced<Out: DeserializeOwned>(rest: &mut &[u8], worker: usize) -> Result<Out, TaskError> {
    let torn = || TaskError::Fault("a chunk of results ends in the middle of one".into());
    let (fence, tail) = rest.split_first_chunk::<4>().ok_or_else(torn)?;
    let fence = u32::from_le_bytes(*fence);
    let (bytes, tail) = tail
        .split_at_checked((fence & !ERROR_BIT) as usize)
        .ok_or_else(torn)?;
    *rest = tail;
    if fence & ERROR_BIT == 0 {
        value(bytes)
    } else {
        Err(item_error(bytes, worker))
    }
}

/// Puts a reply's results in their places.
pub(crate) fn decode_into<Out: DeserializeOwned>(
    results: &mut Vec<Option<Result<Out, TaskError>>>,
    reply: Decoder,
) {
    reply.decode(|index, result| {
        let index = index as usize;
        if results.len() <= index {
            results.resize_with(index + 1, || None);
        }
        results[index] = Some(result);
    });
}
