//! What belongs together: the messages of one call, and what became of them.

use super::{Terms, Watcher};
use crate::bulk::{Bulk, Place};
use crate::error::TaskError;
use crate::job::STATUS_ERROR;
use crate::parcel::{Parcel, Ticket};
use crate::trampoline::Function;

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
            searches: false,
            replies,
            outstanding: 0,
            abandoned: false,
            watcher: None,
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
