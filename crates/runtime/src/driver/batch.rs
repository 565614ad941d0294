//! What belongs together: the messages of one call, and what became of them.

use super::{Core, Driver, Terms, Watcher};
use crate::bulk::{Bulk, Place};
use crate::error::TaskError;
use crate::job::STATUS_ERROR;
use crate::parcel::{Parcel, Ticket};
use crate::trampoline::Function;

/// So many batches are kept to be used again.
const MOST_SPARE: usize = 16;

/// The tasks of one `submit`, `map` or `first`.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    /// Of all batches of the pool: its key is another's when it is gone.
    pub(super) serial: u64,
    /// What its messages run.
    pub(super) function: Function,
    pub(super) terms: Terms,
    /// Its messages are of a search, and look at the search's flag.
    pub(super) searches: bool,
    pub(crate) replies: Bulk<Reply>,
    /// Messages that have not been replied to.
    pub(crate) outstanding: usize,
    /// Nobody waits for the replies any more.
    pub(crate) abandoned: bool,
    /// Who is told of the reply of a batch of one.
    pub(super) watcher: Option<Watcher>,
}

impl Batch {
    /// Makes it a new one, but for the places of replies, which are empty.
    #[inline]
    pub(super) fn open(&mut self, serial: u64, function: Function, terms: Terms) {
        let replies = std::mem::take(&mut self.replies);
        debug_assert!(replies.is_empty());
        *self = Self {
            serial,
            function,
            terms,
            replies,
            ..Self::default()
        };
    }
}

/// What became of a message.
#[derive(Debug, Default)]
pub(crate) struct Reply {
    /// Index of its first item in the batch.
    pub(crate) first: u64,
    pub(crate) items: u32,
    pub(crate) worker: u32,
    /// The result as it was taken, to be decoded by whom it is for; or why there is none.
    pub(crate) parcel: Parcel,
}

impl Place for Reply {
    #[inline]
    fn empty(&mut self) {
        self.parcel.empty();
    }
}

impl Reply {
    /// Whether it is known, before it is decoded, that there is no result.
    pub(crate) fn is_error(&self) -> bool {
        let extra = self.parcel.extra.as_deref();
        extra.is_some_and(|extra| extra.error.is_some())
            || self.items == 1 && self.parcel.message.status == STATUS_ERROR
    }

    /// Makes it say why there is no result.
    pub(crate) fn fail(&mut self, ticket: &Ticket, error: TaskError) {
        self.first = ticket.first;
        self.items = ticket.items;
        self.worker = 0;
        self.parcel.extra_mut().error = Some(error);
    }
}

impl Driver {
    /// Opens a batch.
    pub(crate) fn open_batch(&mut self, core: &Core, function: Function, terms: Terms) -> u32 {
        self.named.note(&core.control, function);
        self.has_terms |= terms.one_by_one();
        self.opened += 1;
        let mut batch = self.spare.pop().unwrap_or_default();
        batch.open(self.opened, function, terms);
        // A slab key is an index into memory: it stays far below 2^32.
        self.batches.insert(batch) as u32
    }

    /// The number of the batch that has that key.
    pub(crate) fn serial_of(&self, key: u32) -> Option<u64> {
        self.batches.get(key as usize).map(|batch| batch.serial)
    }

    /// The batch's messages are of a search.
    pub(crate) fn is_a_search(&mut self, key: u32) {
        if let Some(batch) = self.batches.get_mut(key as usize) {
            batch.searches = true;
        }
    }

    /// Forgets a batch; what is outstanding is thrown away as it comes.
    pub(crate) fn close_batch(&mut self, key: u32) {
        self.forget_watcher(key);
        if let Some(batch) = self.batches.get_mut(key as usize) {
            batch.abandoned = true;
            batch.replies.clear();
            if batch.outstanding == 0 {
                self.remove_batch(key);
            }
        }
    }

    fn remove_batch(&mut self, key: u32) {
        let batch = self.batches.remove(key as usize);
        if self.spare.len() < MOST_SPARE {
            self.spare.push(batch);
        }
    }

    /// Messages of a batch were replied to.
    pub(super) fn count_replies(&mut self, batch_key: u32, count: usize) {
        self.arrived += count as u64;
        if let Some(batch) = self.batches.get_mut(batch_key as usize) {
            batch.outstanding -= count;
            if batch.watcher.is_some() && !batch.replies.is_empty() {
                self.tell_watcher(batch_key);
            } else if batch.abandoned && batch.outstanding == 0 {
                self.remove_batch(batch_key);
            }
        }
    }

    /// Resolves a message that will not run.
    pub(crate) fn refuse(&mut self, ticket: Ticket, error: TaskError) {
        if let Some(batch) = self.batches.get_mut(ticket.batch as usize)
            && !batch.abandoned
        {
            batch.replies.add().fail(&ticket, error);
        }
        self.count_replies(ticket.batch, 1);
    }
}
