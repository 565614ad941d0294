//! Items into messages, until the pool wants no more, or there is no memory for them now.

use forkyard_shm::lane::Message;
use serde::Serialize;

use crate::driver::{Reply, Ticket};
use crate::error::TaskError;
use crate::job::{ItemError, caught};
use crate::map::{Dispatch, Ready};
use crate::parcel::{Body, Parcel};
use crate::reply::Decoder;
use crate::sink::PutError;
use crate::source::Source;

/// A chunk is full at this many bytes.
const CHUNK_BYTES: usize = 256 << 10;
/// Why an item was not sent.
enum NotSent {
    /// It cannot be encoded.
    Failed(TaskError),
    /// There is no shared memory for it now.
    NoMemory(String),
}

impl Dispatch<'_> {
    /// Puts messages together. Returns whether it stopped for want of shared memory.
    pub(crate) fn fill<In: Serialize>(
        &mut self,
        source: &mut Source<impl Iterator<Item = In>, In>,
        ready: &mut Vec<Ready>,
        wanted: usize,
        on_reply: &mut impl FnMut(Decoder),
    ) -> bool {
        while ready.len() < wanted && self.has_budget() {
            if self.refused.is_some() || self.stop.is_some_and(|stop| stop()) {
                source.exhausted = true;
            }
            let want = self.chunk_items(source.items.size_hint());
            let first = self.next;
            match self.chunk(source, want) {
                Ok(Some((items, parcel))) => {
                    let bytes = bytes_of(&parcel);
                    if bytes > 0 {
                        self.bytes_ahead += bytes;
                        self.heavy.insert(first, bytes);
                    }
                    let ticket = Ticket {
                        batch: self.batch,
                        first,
                        items,
                        deaths: 0,
                    };
                    ready.push((ticket, parcel));
                }
                Ok(None) => return false,
                Err(NotSent::NoMemory(_)) if self.replied + count(ready) < self.next => {
                    return true; // something in flight will give its memory back
                }
                Err(NotSent::NoMemory(_)) if !ready.is_empty() => return true,
                Err(NotSent::NoMemory(why)) => {
                    let items = match std::mem::take(&mut self.full) {
                        0 => {
                            source.held = None;
                            1
                        }
                        // What is held, if anything, comes after these.
                        full => full,
                    };
                    self.fail(items, TaskError::SharedMemory(why.into()), on_reply);
                }
                Err(NotSent::Failed(error)) => self.fail(1, error, on_reply),
            }
        }
        false
    }

    /// The items whose turn it is have failed before they were sent.
    fn fail(&mut self, items: u32, error: TaskError, on_reply: &mut impl FnMut(Decoder)) {
        let first = self.next;
        self.next += u64::from(items);
        self.replied += u64::from(items);
        on_reply(Decoder(Reply {
            first,
            items,
            worker: 0,
            outcome: Err(error),
        }));
    }

    /// One message of up to `want` items. An item that cannot be encoded ends the chunk
    /// before it and fails by itself when its turn comes.
    fn chunk<In: Serialize>(
        &mut self,
        source: &mut Source<impl Iterator<Item = In>, In>,
        want: usize,
    ) -> Result<Option<(u32, Parcel)>, NotSent> {
        if self.full > 0 {
            let items = self.full;
            return self.take_parcel(items).map(|parcel| Some((items, parcel)));
        }
        let Some(item) = source.next() else {
            return Ok(None);
        };
        self.sink.clear();
        if want == 1 {
            return self.single(source, item).map(Some);
        }
        let mut items = 0;
        let mut item = Some(item);
        while let Some(value) = item.take() {
            let put = caught(|| {
                self.sink
                    .put_fenced(&value)
                    .map_err(|error| ItemError::Encode(describe(&error)))
            });
            if let Err(error) = put {
                if items > 0 {
                    source.held = Some(value);
                    break;
                }
                self.sink.clear();
                return Err(NotSent::Failed(encode_error(error)));
            }
            items += 1;
            // Nothing behind a task that may wait for it: they would be run in this order.
            let go_on = !self.sink.is_alone();
            if go_on && (items as usize) < want && self.sink.len() < CHUNK_BYTES {
                item = source.next();
            }
        }
        if items == 1 {
            // A lone item travels without its fence.
            self.sink.unfence();
        }
        self.take_parcel(items).map(|parcel| Some((items, parcel)))
    }

    fn single<In: Serialize>(
        &mut self,
        source: &mut Source<impl Iterator<Item = In>, In>,
        item: In,
    ) -> Result<(u32, Parcel), NotSent> {
        match caught(|| Ok(self.sink.put(&item))) {
            Ok(Ok(())) => {}
            Ok(Err(PutError::SharedMemory(why))) => {
                self.sink.clear();
                source.held = Some(item);
                return Err(NotSent::NoMemory(why));
            }
            Ok(Err(PutError::Codec(why))) => {
                self.sink.clear();
                return Err(NotSent::Failed(TaskError::EncodeArgument(why.into())));
            }
            Err(panic) => {
                self.sink.clear();
                return Err(NotSent::Failed(encode_error(panic)));
            }
        }
        self.take_parcel(1).map(|parcel| (1, parcel))
    }

    fn take_parcel(&mut self, items: u32) -> Result<Parcel, NotSent> {
        let message = Message {
            items,
            ..self.message
        };
        match self.sink.take(message) {
            Ok(parcel) => {
                self.full = 0;
                self.next += u64::from(items);
                Ok(parcel)
            }
            Err(PutError::SharedMemory(why)) => {
                self.full = items; // they stay in the sink
                Err(NotSent::NoMemory(why))
            }
            Err(PutError::Codec(why)) => {
                self.sink.clear();
                Err(NotSent::Failed(TaskError::EncodeArgument(why.into())))
            }
        }
    }
}

fn count(ready: &[Ready]) -> u64 {
    ready
        .iter()
        .map(|(ticket, _)| u64::from(ticket.items))
        .sum()
}

fn describe(error: &PutError) -> String {
    match error {
        PutError::Codec(why) | PutError::SharedMemory(why) => why.clone(),
    }
}

pub(crate) fn encode_error(error: ItemError) -> TaskError {
    let why = match error {
        ItemError::Encode(why) => why,
        ItemError::Panicked { message, .. } => format!("its Serialize panicked: {message}"),
        other => format!("{other:?}"),
    };
    TaskError::EncodeArgument(why.into())
}

fn bytes_of(parcel: &Parcel) -> u64 {
    let attached: usize = parcel.attached.iter().map(|b| b.as_slice().len()).sum();
    let framed = match &parcel.body {
        Body::Frame(frame) => frame.len(),
        Body::Inline(_) | Body::Block(_) => 0,
    };
    // Small messages are bounded by the lanes, not by their bytes.
    let bytes = (attached + framed) as u64;
    if bytes < 4096 { 0 } else { bytes }
}
