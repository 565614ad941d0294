//! Many items over one pool: cut into messages, sent as workers get room, taken as they come.

use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::sync::Arc;

use forkyard_shm::lane::Message;
use serde::Serialize;

use crate::ChunkSize;
use crate::arena::Unpacking;
use crate::bulk::Bulk;
use crate::driver::{Core, Patience, Reply};
use crate::error::TaskError;
use crate::packing::Packing;
use crate::parcel::Ready;
use crate::reply::Decoder;
use crate::sink::Sink;
use crate::source::Source;

/// Messages put together at a time, before they are sent.
const BURST: usize = 256;
/// How long a chunk should take in its worker.
const CHUNK_NS: u64 = 50_000;
/// Items in a chunk at most.
const MOST_ITEMS: usize = 1 << 16;
/// A chunk grows by at most this factor from one look at the times to the next.
const GROWTH: usize = 8;
/// So many chunks per worker are left over when an input of known length nears its end.
const CHUNKS_LEFT: usize = 4;

/// One run over many items.
pub(crate) struct Dispatch<'a> {
    pub(crate) core: &'a Arc<Core>,
    pub(crate) message: Message,
    pub(crate) chunk: ChunkSize,
    pub(crate) batch: u32,
    pub(crate) sink: Sink,
    /// Items in the sink that wait for shared memory.
    pub(crate) full: u32,
    /// The pool takes no tasks any more.
    pub(crate) refused: Option<TaskError>,
    /// Index of the next item.
    pub(crate) next: u64,
    pub(crate) replied: u64,
    pub(crate) bytes_ahead: u64,
    /// Bytes of large messages in flight, by the index of their first item.
    pub(crate) heavy: HashMap<u64, u64>,
    pub(crate) auto_items: usize,
    /// When it says so, no more items are taken in.
    pub(crate) stop: Option<&'a dyn Fn() -> bool>,
}

impl<'a> Dispatch<'a> {
    pub(crate) fn new(core: &'a Arc<Core>, entry: u64, chunk: ChunkSize) -> Self {
        let terms = core.options.terms;
        // Of what is lost with its worker, one item must not stand for others.
        let chunk = if terms.one_by_one() {
            ChunkSize::Items(NonZeroUsize::MIN)
        } else {
            chunk
        };
        Self {
            core,
            message: Message {
                entry,
                ..Message::default()
            },
            chunk,
            batch: core.lock().open_batch(entry, terms),
            sink: Sink::new(core.options.transport, Arc::clone(&core.arena)),
            full: 0,
            refused: None,
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
        self.core.lock().is_a_search(self.batch);
        self.message.round = round;
        self.message.status = mode;
        self.stop = Some(stop);
        self
    }

    /// Sends every item and hands every reply to `on_reply`, in order of arrival. Ends early
    /// when the pool takes no tasks any more; then the items that the iterator still promised
    /// have had no reply, and their number is returned.
    pub(crate) fn run<In: Serialize>(
        &mut self,
        items: impl Iterator<Item = In>,
        on_reply: &mut impl FnMut(Decoder<'_>),
    ) -> usize {
        let _packing = Packing::begin(&self.core.arena);
        let _unpacking = Unpacking::from(&self.core.arena);
        let mut source = Source {
            items,
            held: None,
            exhausted: false,
        };
        let mut ready = Bulk::default();
        let mut replies = Bulk::default();
        let mut appetite = self.look(&mut replies);
        loop {
            let short = self.fill(&mut source, &mut ready, appetite.min(BURST), on_reply);
            self.send(&mut ready, &mut replies);
            appetite = self.look(&mut replies);
            let came = !replies.is_empty();
            self.hand_over(&mut replies, on_reply);
            if source.is_done() && self.full == 0 && self.replied == self.next {
                return match self.refused {
                    Some(_) => source.items.size_hint().0,
                    None => 0,
                };
            }
            let left = !source.is_done() || self.full > 0;
            let can_send = left && !short && self.has_budget();
            if !(came || can_send && appetite > 0) {
                appetite = self.wait(can_send, !left, &mut replies);
                self.hand_over(&mut replies, on_reply);
            }
        }
    }

    pub(crate) fn has_budget(&self) -> bool {
        self.bytes_ahead < self.core.options.bytes_ahead
    }

    fn send(&mut self, ready: &mut Bulk<Ready>, replies: &mut Bulk<Reply>) {
        if ready.is_empty() {
            return;
        }
        let mut driver = self.core.lock();
        if let Err(error) = driver.submit(self.core, self.batch, ready) {
            drop(driver);
            for ready in ready.iter() {
                replies.add().fail(&ready.ticket, error.clone());
            }
            ready.clear();
            self.refused.get_or_insert(error);
        }
    }

    /// Takes what has come; says how many messages the pool wants.
    fn look(&mut self, replies: &mut Bulk<Reply>) -> usize {
        let mut driver = self.core.lock();
        self.core.glance(&mut driver);
        driver.refresh_means(self.core);
        driver.feed(self.core);
        if let Some(batch) = driver.batches.get_mut(self.batch as usize) {
            replies.append(&mut batch.replies);
        }
        self.tune(driver.mean_ns());
        if driver.can_never_run() {
            return BURST; // every message is refused, with its reason
        }
        driver.appetite()
    }

    /// Waits until something came, or (when `can_send`) until the pool wants more; says how
    /// many messages it wants.
    fn wait(&mut self, can_send: bool, last: bool, replies: &mut Bulk<Reply>) -> usize {
        let patience = if last {
            Patience::Empty
        } else {
            Patience::HalfEmpty
        };
        let key = self.batch as usize;
        let appetite = self.core.drive(patience, None, |driver| {
            let batch = driver.batches.get_mut(key)?;
            replies.append(&mut batch.replies);
            let appetite = driver.appetite();
            let go_on = can_send && (appetite > 0 || driver.can_never_run());
            (go_on || !replies.is_empty()).then_some(appetite)
        });
        appetite.unwrap_or(0)
    }

    fn hand_over(&mut self, replies: &mut Bulk<Reply>, on_reply: &mut impl FnMut(Decoder<'_>)) {
        for reply in replies.as_mut_slice() {
            self.replied += u64::from(reply.items);
            if !self.heavy.is_empty() {
                let bytes = self.heavy.remove(&reply.first).unwrap_or(0);
                self.bytes_ahead -= bytes;
            }
            on_reply(Decoder(reply));
        }
        replies.clear();
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

    pub(crate) fn chunk_items(&self, hint: (usize, Option<usize>)) -> usize {
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
