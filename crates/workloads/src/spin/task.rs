//! The tasks: read the payload, work, write the result.

#![expect(
    clippy::needless_pass_by_value,
    reason = "a task owns its argument, which was made from what arrived"
)]

use forkyard::Shared;
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use super::bytes::{checksum, checksum_of_fill, filled, filler};
use super::steps;

/// What a task with a payload or a result is given.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Load<P> {
    /// Steps of work.
    pub(crate) steps: u64,
    /// How long a result to write.
    pub(crate) result_bytes: u64,
    /// What to read.
    pub(crate) payload: P,
}

/// What it gives back.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Yield<R> {
    /// The sum of the payload.
    pub(crate) checksum: u64,
    /// The result: all bytes are `filler(checksum)`.
    pub(crate) result: R,
}

/// A task without payload and result: it carries its number of steps and returns it changed.
pub(crate) fn tiny(steps: u64) -> u64 {
    steps::take(steps);
    tiny_answer(steps)
}

/// What [`tiny`] returns.
pub(crate) fn tiny_answer(steps: u64) -> u64 {
    steps.rotate_left(17) ^ 0x9e37_79b9_7f4a_7c15
}

/// Payload and result travel as bytes.
pub(crate) fn copied(load: Load<ByteBuf>) -> Result<Yield<ByteBuf>, String> {
    let checksum = read_and_work(&load.payload, load.steps);
    let len = usize::try_from(load.result_bytes).map_err(|error| error.to_string())?;
    Ok(Yield {
        checksum,
        result: ByteBuf::from(filled(filler(checksum), len)?),
    })
}

/// Payload and result are blocks of shared memory; only their descriptors travel.
pub(crate) fn shared(
    load: Load<Option<Shared<[u8]>>>,
) -> Result<Yield<Option<Shared<[u8]>>>, String> {
    let payload = load.payload.as_deref().unwrap_or_default();
    let checksum = read_and_work(payload, load.steps);
    // A payload of 0 bytes has no block, and a result of 0 bytes neither.
    if load.result_bytes == 0 {
        return Ok(Yield {
            checksum,
            result: None,
        });
    }
    let len = usize::try_from(load.result_bytes).map_err(|error| error.to_string())?;
    let arena = forkyard::context().arena();
    let arena = arena.ok_or("a worker without an arena")?;
    let mut block = arena.alloc::<u8>(len).map_err(|error| error.to_string())?;
    block.fill(filler(checksum));
    Ok(Yield {
        checksum,
        result: Some(block.into_shared()),
    })
}

fn read_and_work(payload: &[u8], steps: u64) -> u64 {
    let checksum = checksum(payload);
    steps::take(steps);
    checksum
}

/// Whether a task's answer is what its payload of `payload_bytes` × `fill` asks for.
pub(crate) fn verify(
    fill: u8,
    payload_bytes: usize,
    result_bytes: usize,
    got: &Yield<&[u8]>,
) -> Result<(), String> {
    let expected = checksum_of_fill(fill, payload_bytes);
    if got.checksum != expected {
        return Err(format!(
            "the task read a payload with sum {:#x}, sent was {expected:#x}",
            got.checksum
        ));
    }
    let len = got.result.len();
    if len != result_bytes {
        return Err(format!("the result has {len} bytes, not {result_bytes}"));
    }
    if checksum(got.result) != checksum_of_fill(filler(expected), result_bytes) {
        return Err("the result's bytes are not the ones the task wrote".to_owned());
    }
    Ok(())
}
