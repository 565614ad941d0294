//! Items into messages, until the pool wants no more, or there is no memory for them now.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use forkyard_shm::lane::Message;
use serde::Serialize;

use crate::Transport;
use crate::bulk::Bulk;
use crate::driver::Reply;
use crate::error::TaskError;
use crate::job::{ItemError, caught, panicked};
use crate::map::Dispatch;
use crate::packing::{Attached, restart_attachments};
use crate::parcel::{Extra, Parcel, Put, Ready, Ticket};
use crate::reply::Decoder;
use crate::sink::PutError;
use crate::source::Source;

/// A chunk is full at this many bytes.
const CHUNK_BYTES: usize = 256 << 10;
/// Messages of fewer bytes are not weighed.
const LEAST_WEIGHED: u64 = 4096;

/// Why an item was not sent.
enum NotSent {
    /// So many items cannot be encoded.
    Failed(u32, TaskError),
    /// There is no shared memory for it now.
    NoMemory(String),
}

impl Dispatch<'_> {
    /// Puts messages together. Returns whether it stopped for want of shared memory.
    pub(crate) fn fill<In: Serialize>(
        &mut self,
        source: &mut Source<impl Iterator<Item = In>, In>,
        ready: &mut Bulk<Ready>,
        wanted: usize,
        on_reply: &mut impl FnMut(Decoder<'_>),
    ) -> bool {
        if std::mem::take(&mut self.half_made) {
            ready.undo();
            self.sink.clear();
        }
        while ready.len() < wanted && self.has_budget() {
            if self.refused.is_some() || self.stop.is_some_and(|stop| stop()) {
                source.exhausted = true;
            }
            let first = self.next;
            let place = ready.add();
            self.half_made = true;
            let outcome = self.chunk(source, &mut place.parcel);
            self.half_made = false;
            if let Ok(Some(items)) = outcome {
                place.ticket = Ticket {
                    batch: self.batch,
                    first,
                    items,
                    deaths: 0,
                };
                if let Some(extra) = &place.parcel.extra {
                    self.weigh(first, extra);
                }
                continue;
            }
            ready.undo();
            match outcome {
                Ok(_) => return false,
                Err(NotSent::NoMemory(_)) if self.replied + count(ready) < self.next => {
                    return true; // something in flight will give its memory back
                }
                Err(NotSent::NoMemory(_)) if !ready.is_empty() => return true,
                Err(NotSent::NoMemory(why)) => {
                    match std::mem::take(&mut self.full) {
                        // What is held, if anything, comes after these.
                        full @ 2.. => {
                            self.apart = self.sink.split(full).into();
                            continue;
                        }
                        1 => self.sink.clear(),
                        _ => source.held = None,
                    }
                    self.fail(1, TaskError::SharedMemory(why.into()), on_reply);
                }
                Err(NotSent::Failed(items, error)) => self.fail(items, error, on_reply),
            }
        }
        false
    }

    /// The items whose turn it is have failed before they were sent.
    fn fail(&mut self, items: u32, error: TaskError, on_reply: &mut impl FnMut(Decoder<'_>)) {
        let first = self.next;
        self.next += u64::from(items);
        self.replied += u64::from(items);
        let mut reply = Reply::default();
        let ticket = Ticket {
            first,
            items,
            ..Ticket::default()
        };
        reply.fail(&ticket, error);
        self.window.came(items, 0);
        on_reply(Decoder::of(&mut reply));
    }

    /// Counts a message's bytes while it is in flight. Small ones are bounded by the lanes.
    fn weigh(&mut self, first: u64, extra: &Extra) {
        let attached: usize = extra.attached.iter().map(Attached::bytes).sum();
        let bytes = (attached + extra.frame.len()) as u64;
        if bytes >= LEAST_WEIGHED {
            self.bytes_ahead += bytes;
            self.heavy.insert(first, bytes);
        }
    }

    /// One message, into `parcel`. An item that cannot be encoded ends the chunk before it, and
    /// has failed by itself when its turn comes.
    #[inline]
    fn chunk<In: Serialize>(
        &mut self,
        source: &mut Source<impl Iterator<Item = In>, In>,
        parcel: &mut Parcel,
    ) -> Result<Option<u32>, NotSent> {
        if self.full > 0 {
            return self.take_parcel(self.full, parcel).map(Some);
        }
        if let Some(item) = self.apart.pop_front() {
            self.sink.put_apart(item);
            return self.take_parcel(1, parcel).map(Some);
        }
        if let Some(error) = self.failed.take() {
            return Err(NotSent::Failed(1, error));
        }
        let want = self.chunk_items(source.items.size_hint());
        if want > 1 {
            return self.several(source, want, parcel);
        }
        let Some(item) = source.next() else {
            return Ok(None);
        };
        if self.core.options.transport == Transport::Shared {
            let message = Message {
                items: 1,
                ..self.message
            };
            let failed = |error| NotSent::Failed(1, error);
            let put = parcel.put(message, &item).map_err(failed)?;
            if put != Put::TooLong {
                if put == Put::Moves {
                    drop(item);
                    parcel.settle().map_err(failed)?;
                }
                self.next += 1;
                return Ok(Some(1));
            }
        }
        self.sink.clear();
        self.single(source, item, parcel).map(Some)
    }

    /// A message of up to `want` items. One fence against panics is around all of them.
    fn several<In: Serialize>(
        &mut self,
        source: &mut Source<impl Iterator<Item = In>, In>,
        want: usize,
        parcel: &mut Parcel,
    ) -> Result<Option<u32>, NotSent> {
        let sink = &mut self.sink;
        sink.open_items(want as u32);
        let mut encoding = false;
        let put = catch_unwind(AssertUnwindSafe(|| {
            // Nothing behind a task that may wait for it: they would be run in this order.
            while (sink.items() as usize) < want
                && sink.len() < CHUNK_BYTES
                && !sink.is_alone()
                && !sink.is_full()
            {
                let Some(item) = source.next() else { break };
                encoding = true;
                sink.put_item(&item)?;
                encoding = false;
            }
            Ok(())
        }));
        let failed = match put {
            Ok(Ok(())) => None,
            Ok(Err(error)) => Some(TaskError::EncodeArgument(describe(error).into())),
            Err(payload) if encoding => {
                restart_attachments();
                Some(encode_error(panicked(payload.as_ref())))
            }
            Err(payload) => resume_unwind(payload), // the iterator's
        };
        match (sink.items(), failed) {
            (0, None) => Ok(None),
            (0, Some(error)) => {
                sink.clear();
                Err(NotSent::Failed(1, error))
            }
            (items, failed) => {
                self.failed = failed;
                self.sink.close_items();
                self.take_parcel(items, parcel).map(Some)
            }
        }
    }

    fn single<In: Serialize>(
        &mut self,
        source: &mut Source<impl Iterator<Item = In>, In>,
        item: In,
        parcel: &mut Parcel,
    ) -> Result<u32, NotSent> {
        match caught(|| Ok(self.sink.put(&item))) {
            Ok(Ok(())) => {}
            Ok(Err(PutError::SharedMemory(why))) => {
                self.sink.clear();
                source.held = Some(item);
                return Err(NotSent::NoMemory(why));
            }
            Ok(Err(PutError::Codec(why))) => {
                self.sink.clear();
                return Err(NotSent::Failed(1, TaskError::EncodeArgument(why.into())));
            }
            Err(panic) => {
                self.sink.clear();
                return Err(NotSent::Failed(1, encode_error(panic)));
            }
        }
        drop(item); // what it has in shared memory moves now
        self.take_parcel(1, parcel)
    }

    fn take_parcel(&mut self, items: u32, parcel: &mut Parcel) -> Result<u32, NotSent> {
        let message = Message {
            items,
            ..self.message
        };
        match self.sink.take(message, parcel) {
            Ok(()) => {
                self.full = 0;
                self.next += u64::from(items);
                Ok(items)
            }
            Err(PutError::SharedMemory(why)) => {
                self.full = items; // they stay in the sink
                Err(NotSent::NoMemory(why))
            }
            Err(PutError::Codec(why)) => {
                self.sink.clear();
                self.full = 0;
                Err(NotSent::Failed(
                    items,
                    TaskError::EncodeArgument(why.into()),
                ))
            }
        }
    }
}

fn count(ready: &Bulk<Ready>) -> u64 {
    ready
        .iter()
        .map(|ready| u64::from(ready.ticket.items))
        .sum()
}

fn describe(error: PutError) -> String {
    match error {
        PutError::Codec(why) | PutError::SharedMemory(why) => why,
    }
}

pub(crate) fn encode_error(error: ItemError) -> TaskError {
    let why = match error {
        ItemError::Encode(why) => why,
        ItemError::Panicked(panic) => format!("its Serialize panicked: {}", panic.message),
        other => format!("{other:?}"),
    };
    TaskError::EncodeArgument(why.into())
}
