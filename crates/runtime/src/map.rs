//! Many items over one pool: cut into messages, sent as workers get room, taken as they come.

use std::collections::{HashMap, VecDeque};
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Instant;

use forkyard_shm::lane::Message;
use serde::Serialize;

use crate::ChunkSize;
use crate::arena::Unpacking;
use crate::bulk::Bulk;
use crate::driver::{Core, Patience, Reply, Terms};
use crate::error::TaskError;
use crate::packing::Packing;
use crate::parcel::Ready;
use crate::reply::Decoder;
use crate::sink::{Apart, Sink};
use crate::sizing::{CHUNK_NS, Sizing};
use crate::source::Source;
use crate::trampoline::Function;
use crate::window::Window;

/// Messages put together at a time, before they are sent.
const BURST: usize = 256;

/// One run over many items.
pub(crate) struct Dispatch<'a> {
    pub(crate) core: &'a Arc<Core>,
    pub(crate) message: Message,
    pub(crate) batch: u32,
    pub(crate) sink: Sink,
    /// Items in the sink that wait for shared memory.
    pub(crate) full: u32,
    /// Items that found no memory together, and are sent one by one.
    pub(crate) apart: VecDeque<Apart>,
    /// Why the next item, which was taken in, is not sent.
    pub(crate) failed: Option<TaskError>,
    /// A message is being put together. Still so at the beginning: a panic of an item or of the
    /// iterator has left it half-made.
    pub(crate) half_made: bool,
    /// The pool takes no tasks any more.
    pub(crate) refused: Option<TaskError>,
    /// Index of the next item.
    pub(crate) next: u64,
    pub(crate) replied: u64,
    pub(crate) bytes_ahead: u64,
    /// Bytes of large messages in flight, by the index of their first item.
    pub(crate) heavy: HashMap<u64, u64>,
    sizing: Sizing,
    /// Mean time of a message; zero while unknown.
    message_ns: u64,
    /// When it says so, no more items are taken in.
    pub(crate) stop: Option<&'a (dyn Fn() -> bool + Sync)>,
    /// How far items may run ahead of whoever is handed their results.
    pub(crate) window: Window,
}

/// What lies between the turns of a [`Dispatch`].
pub(crate) struct Flow<I: Iterator> {
    source: Source<I, I::Item>,
    ready: Bulk<Ready>,
    replies: Bulk<Reply>,
    /// Messages that the pool wanted when last asked.
    appetite: Option<usize>,
}

impl<I: Iterator> Flow<I> {
    pub(crate) fn new(items: I) -> Self {
        Self {
            source: Source {
                items,
                held: None,
                exhausted: false,
            },
            ready: Bulk::default(),
            replies: Bulk::default(),
            appetite: None,
        }
    }

    /// How many items are still to be taken in, as the iterator says.
    pub(crate) fn size_hint(&self) -> (usize, Option<usize>) {
        self.source.items.size_hint()
    }

    /// How many were taken in and not sent.
    pub(crate) fn held(&self) -> usize {
        usize::from(self.source.held.is_some())
    }
}

/// How long a turn may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wait {
    /// No longer than what there is to do.
    No,
    /// Until something came.
    Until(Option<Instant>),
}

impl<'a> Dispatch<'a> {
    pub(crate) fn new(
        core: &'a Arc<Core>,
        function: Function,
        chunk: ChunkSize,
        terms: Terms,
    ) -> Self {
        // Of what is lost with its worker, one item must not stand for others.
        let chunk = if terms.one_by_one() {
            ChunkSize::Items(NonZeroUsize::MIN)
        } else {
            chunk
        };
        Self {
            core,
            message: Message {
                entry: function.entry,
                ..Message::default()
            },
            batch: core.lock().open_batch(core, function, terms),
            sink: Sink::new(core.options.transport, Arc::clone(&core.arena)),
            full: 0,
            apart: VecDeque::new(),
            failed: None,
            half_made: false,
            refused: None,
            next: 0,
            replied: 0,
            bytes_ahead: 0,
            heavy: HashMap::new(),
            sizing: Sizing::new(
                chunk,
                core.control.shape().workers as usize,
                core.options.lifecycle.most_items(),
            ),
            message_ns: 0,
            stop: None,
            window: Window::endless(),
        }
    }

    /// Makes every message one of a search.
    pub(crate) fn searching(mut self, round: u32, mode: u16) -> Self {
        self.core.lock().is_a_search(self.batch);
        self.message.round = round;
        self.message.status = mode;
        self
    }

    /// Takes in no more items when `stop` says so.
    pub(crate) fn until<'b>(self, stop: &'b (dyn Fn() -> bool + Sync)) -> Dispatch<'b>
    where
        'a: 'b,
    {
        let mut until: Dispatch<'b> = self;
        until.stop = Some(stop);
        until
    }

    /// Sends every item and hands every reply to `on_reply`, in order of arrival. Ends early
    /// when the pool takes no tasks any more; then the items that the iterator still promised
    /// have had no reply, and their number is returned.
    pub(crate) fn run<In: Serialize>(
        &mut self,
        items: impl Iterator<Item = In>,
        on_reply: &mut impl FnMut(Decoder<'_>),
    ) -> usize {
        let mut flow = Flow::new(items);
        while !self.turn(&mut flow, Wait::Until(None), on_reply) {}
        match self.refused {
            Some(_) => flow.source.items.size_hint().0,
            None => 0,
        }
    }

    /// Sends as much as the pool wants, takes what has come, and waits if there was nothing.
    /// Returns whether all is done.
    pub(crate) fn turn<I>(
        &mut self,
        flow: &mut Flow<I>,
        wait: Wait,
        on_reply: &mut impl FnMut(Decoder<'_>),
    ) -> bool
    where
        I: Iterator,
        I::Item: Serialize,
    {
        let _packing = Packing::begin(&self.core.arena);
        let _unpacking = Unpacking::from(&self.core.arena);
        let appetite = match flow.appetite.take() {
            Some(appetite) => appetite,
            None => self.look(&mut flow.replies),
        };
        let short = self.fill(
            &mut flow.source,
            &mut flow.ready,
            appetite.min(BURST),
            on_reply,
        );
        self.send(&mut flow.ready, &mut flow.replies);
        let appetite = self.look(&mut flow.replies);
        let came = !flow.replies.is_empty();
        self.hand_over(&mut flow.replies, on_reply);
        if self.is_done(flow) {
            return true;
        }
        let left = !flow.source.is_done() || self.holds_back();
        let can_send = left && !short && self.has_budget();
        match wait {
            Wait::Until(deadline) if !(came || can_send && appetite > 0) => {
                let wanted = self.wait(can_send, !left, deadline, &mut flow.replies);
                flow.appetite = Some(wanted);
                self.hand_over(&mut flow.replies, on_reply);
                self.is_done(flow)
            }
            _ => {
                flow.appetite = Some(appetite);
                false
            }
        }
    }

    /// Whether every item was replied to, and no more will be taken in.
    fn is_done<I: Iterator>(&self, flow: &Flow<I>) -> bool {
        flow.source.is_done() && !self.holds_back() && self.replied == self.next
    }

    /// How many items were taken in whose turn is still to come.
    pub(crate) fn held_back(&self) -> usize {
        self.full as usize + self.apart.len() + usize::from(self.failed.is_some())
    }

    fn holds_back(&self) -> bool {
        self.held_back() > 0
    }

    pub(crate) fn has_budget(&self) -> bool {
        self.bytes_ahead < self.core.options.bytes_ahead && self.credit() > 0
    }

    /// How many more items may be sent before some are handed out, or chunks have grown.
    fn credit(&self) -> u64 {
        let on_their_way = self.next - self.replied;
        let credit = self.window.room(self.next, self.replied);
        credit.min(self.sizing.most_ahead().saturating_sub(on_their_way))
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
        self.tune(driver.mean_ns(), driver.item_ps());
        if driver.can_never_run() {
            return BURST; // every message is refused, with its reason
        }
        if !self.window.is_endless() {
            self.core.look_behind(&mut driver); // who asks one by one may not come soon
        }
        driver.appetite()
    }

    /// Waits until something came, or (when `can_send`) until the pool wants more; says how
    /// many messages it wants.
    fn wait(
        &mut self,
        can_send: bool,
        last: bool,
        deadline: Option<Instant>,
        replies: &mut Bulk<Reply>,
    ) -> usize {
        let one_at_a_time = !self.window.is_endless();
        let patience = if last && !one_at_a_time {
            Patience::Empty
        } else if self.sizing.is_growing() || one_at_a_time && self.is_slow() {
            Patience::Next
        } else {
            Patience::HalfEmpty
        };
        let key = self.batch as usize;
        let appetite = self.core.drive(patience, deadline, |driver| {
            let batch = driver.batches.get_mut(key)?;
            replies.append(&mut batch.replies);
            let appetite = driver.appetite();
            let go_on = can_send && (appetite > 0 || driver.can_never_run());
            (go_on || !replies.is_empty()).then_some(appetite)
        });
        appetite.unwrap_or(0)
    }

    /// Whether a message takes longer than waking for each does.
    pub(crate) fn is_slow(&self) -> bool {
        self.message_ns == 0 || self.message_ns >= CHUNK_NS / 2
    }

    fn hand_over(&mut self, replies: &mut Bulk<Reply>, on_reply: &mut impl FnMut(Decoder<'_>)) {
        for reply in replies.as_mut_slice() {
            self.replied += u64::from(reply.items);
            if !self.heavy.is_empty() {
                let bytes = self.heavy.remove(&reply.first).unwrap_or(0);
                self.bytes_ahead -= bytes;
            }
            let item_bytes = if self.window.is_endless() {
                0
            } else {
                self.window.came(reply.items, reply.parcel.weight())
            };
            on_reply(Decoder { reply, item_bytes });
        }
        replies.clear();
    }

    fn tune(&mut self, message_ns: u64, item_ps: u64) {
        self.message_ns = message_ns;
        if self.replied > 0 {
            self.sizing.follow(item_ps);
        }
    }

    /// How many items the next message may have, when the iterator promises so many.
    pub(crate) fn chunk_items(&self, hint: (usize, Option<usize>)) -> usize {
        let most = usize::try_from(self.credit()).unwrap_or(usize::MAX).max(1);
        let left = hint.1.filter(|high| *high == hint.0);
        self.sizing.next(left).min(most)
    }
}

impl Drop for Dispatch<'_> {
    fn drop(&mut self) {
        // A fork's copy may have a lock that nobody will let go of.
        if self.core.is_ours() {
            let mut driver = self.core.lock();
            driver.close_batch(self.batch);
            Core::cancel_unbegun(self.core, driver, Some(self.batch));
        }
    }
}
