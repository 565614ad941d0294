//! Many items over one pool: cut into messages, sent as workers get room, taken as they come.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use forkyard_shm::lane::Message;
use serde::Serialize;

use crate::ChunkSize;
use crate::arena::Unpacking;
use crate::driver::{Core, Patience, Reply, Ticket};
use crate::error::TaskError;
use crate::job::{ItemError, caught};
use crate::parcel::{Body, Parcel};
use crate::reply::Decoder;
use crate::sink::{Packing, PutError, Sink};
use crate::source::Source;

/// Messages put together at a time, before they are sent.
const BURST: usize = 256;
/// How long a chunk should take in its worker.
const CHUNK_NS: u64 = 50_000;
/// Items in a chunk at most.
const MOST_ITEMS: usize = 1 << 16;
/// A chunk is full at this many bytes.
const CHUNK_BYTES: usize = 256 << 10;
/// A chunk grows by at most this factor from one look at the times to the next.
const GROWTH: usize = 8;
/// So many chunks per worker are left over when an input of known length nears its end.
const CHUNKS_LEFT: usize = 4;

/// Why an item was not sent.
enum NotSent {
    /// It cannot be encoded.
    Failed(TaskError),
    /// There is no shared memory for it now.
    NoMemory(String),
}

/// One run over many items.
pub(crate) struct Dispatch<'a> {
    core: &'a Arc<Core>,
    message: Message,
    chunk: ChunkSize,
    batch: u32,
    sink: Sink,
    /// Items in the sink that wait for shared memory.
    full: u32,
    /// Index of the next item.
    next: u64,
    replied: u64,
    bytes_ahead: u64,
    /// Bytes of large messages in flight, by the index of their first item.
    heavy: HashMap<u64, u64>,
    auto_items: usize,
    /// When it says so, no more items are taken in.
    stop: Option<&'a dyn Fn() -> bool>,
}

/// A message ready to be sent.
type Ready = (Ticket, Parcel);

impl<'a> Dispatch<'a> {
    pub(crate) fn new(core: &'a Arc<Core>, entry: u64, chunk: ChunkSize) -> Self {
        Self {
            core,
            message: Message {
                entry,
                ..Message::default()
            },
            chunk,
            batch: core.lock().open_batch(),
            sink: Sink::new(core.options.transport, Arc::clone(&core.arena)),
            full: 0,
            next: 0,
            replied: 0,
            bytes_ahead: 0,
            heavy: HashMap::new(),
            auto_items: 1,
            stop: None,
        }
    }

    /// Makes every message one of a search.
    pub(crate) fn searching(mut self, round: u32, mode: u16, stop: &'a dyn Fn() -> bool) -> Self {
        self.message.round = round;
        self.message.status = mode;
        self.stop = Some(stop);
        self
    }

    /// Sends every item and hands every reply to `on_reply`, in order of arrival.
    pub(crate) fn run<In: Serialize>(
        &mut self,
        items: impl Iterator<Item = In>,
        on_reply: &mut impl FnMut(Decoder),
    ) {
        let _packing = Packing::begin();
        let _unpacking = Unpacking::from(&self.core.arena);
        let mut source = Source {
            items,
            held: None,
            exhausted: false,
        };
        let mut ready: Vec<Ready> = Vec::with_capacity(BURST);
        let mut replies: VecDeque<Reply> = VecDeque::new();
        let mut appetite = self.look(&mut replies);
        loop {
            let short = self.fill(&mut source, &mut ready, appetite.min(BURST), on_reply);
            self.send(&mut ready, &mut replies);
            appetite = self.look(&mut replies);
            let came = !replies.is_empty();
            for reply in replies.drain(..) {
                self.hand_over(reply, on_reply);
            }
            if source.is_done() && self.full == 0 && self.replied == self.next {
                return;
            }
            let left = !source.is_done() || self.full > 0;
            let can_send = left && !short && self.has_budget();
            if !(came || can_send && appetite > 0) {
                appetite = self.wait(can_send, !left, &mut replies);
                for reply in replies.drain(..) {
                    self.hand_over(reply, on_reply);
                }
            }
        }
    }

    fn has_budget(&self) -> bool {
        self.bytes_ahead < self.core.options.bytes_ahead
    }

    /// Puts messages together. Returns whether it stopped for want of shared memory.
    fn fill<In: Serialize>(
        &mut self,
        source: &mut Source<impl Iterator<Item = In>, In>,
        ready: &mut Vec<Ready>,
        wanted: usize,
        on_reply: &mut impl FnMut(Decoder),
    ) -> bool {
        while ready.len() < wanted && self.has_budget() {
            if self.stop.is_some_and(|stop| stop()) {
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
                    };
                    ready.push((ticket, parcel));
                }
                Ok(None) => return false,
                Err(NotSent::NoMemory(_)) if self.replied + count(ready) < self.next => {
                    return true; // something in flight will give its memory back
                }
                Err(NotSent::NoMemory(_)) if !ready.is_empty() => return true,
                Err(NotSent::NoMemory(why)) => {
                    source.held = None;
                    let items = std::mem::take(&mut self.full).max(1);
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
            if (items as usize) < want && self.sink.len() < CHUNK_BYTES {
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

    fn send(&mut self, ready: &mut Vec<Ready>, replies: &mut VecDeque<Reply>) {
        if ready.is_empty() {
            return;
        }
        let mut driver = self.core.lock();
        for (ticket, parcel) in ready.drain(..) {
            if let Err(error) = driver.submit(self.core, ticket, parcel) {
                replies.push_back(Reply {
                    first: ticket.first,
                    items: ticket.items,
                    worker: 0,
                    outcome: Err(error),
                });
            }
        }
    }

    /// Takes what has come; says how many messages the pool wants.
    fn look(&mut self, replies: &mut VecDeque<Reply>) -> usize {
        let mut driver = self.core.lock();
        driver.poll(self.core);
        driver.refresh_means(self.core);
        driver.feed(self.core);
        if let Some(batch) = driver.batches.get_mut(self.batch as usize) {
            if replies.is_empty() {
                std::mem::swap(replies, &mut batch.replies);
            } else {
                replies.extend(batch.replies.drain(..));
            }
        }
        self.tune(driver.mean_ns());
        if driver.can_never_run() {
            return BURST; // every message is refused, with its reason
        }
        driver.appetite()
    }

    /// Waits until something came, or (when `can_send`) until the pool wants more; says how
    /// many messages it wants.
    fn wait(&mut self, can_send: bool, last: bool, replies: &mut VecDeque<Reply>) -> usize {
        let patience = if last {
            Patience::Empty
        } else {
            Patience::HalfEmpty
        };
        let key = self.batch as usize;
        let appetite = self.core.drive(patience, None, |driver| {
            let batch = driver.batches.get_mut(key)?;
            replies.extend(batch.replies.drain(..));
            let appetite = driver.appetite();
            let go_on = can_send && (appetite > 0 || driver.can_never_run());
            (go_on || !replies.is_empty()).then_some(appetite)
        });
        appetite.unwrap_or(0)
    }

    fn hand_over(&mut self, reply: Reply, on_reply: &mut impl FnMut(Decoder)) {
        self.replied += u64::from(reply.items);
        if !self.heavy.is_empty() {
            let bytes = self.heavy.remove(&reply.first).unwrap_or(0);
            self.bytes_ahead -= bytes;
        }
        on_reply(Decoder(reply));
    }

    /// Follows the measured time of messages, so that a chunk takes about [`CHUNK_NS`].
    fn tune(&mut self, message_ns: u64) {
        if self.chunk != ChunkSize::Auto || message_ns == 0 || self.replied == 0 {
            return;
        }
        let item_ns = (message_ns / self.auto_items as u64).max(1);
        let want = (CHUNK_NS / item_ns).max(1) as usize;
        self.auto_items = want.min(self.auto_items * GROWTH).min(MOST_ITEMS);
    }

    fn chunk_items(&self, hint: (usize, Option<usize>)) -> usize {
        match self.chunk {
            ChunkSize::Items(items) => items.get().min(u32::MAX as usize),
            ChunkSize::Auto => match hint {
                (low, Some(high)) if low == high => {
                    let workers = self.core.control.shape().workers as usize;
                    self.auto_items.min((low / (workers * CHUNKS_LEFT)).max(1))
                }
                _ => self.auto_items,
            },
        }
    }
}

impl Drop for Dispatch<'_> {
    fn drop(&mut self) {
        self.core.lock().close_batch(self.batch);
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
