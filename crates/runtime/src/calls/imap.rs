//! Results as an iterator.

use std::collections::VecDeque;
use std::fmt;
use std::marker::PhantomData;
use std::time::{Duration, Instant};

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::Done;
use crate::error::TaskError;
use crate::map::{Dispatch, Flow, Wait};
use crate::time::after;

/// What has come: the item's index, its share of the window's bytes, and its result.
type Came<Out> = (u64, u64, Result<Out, TaskError>);

/// Results in the order in which they come; see
/// [`Pool::imap_unordered`](crate::Pool::imap_unordered).
#[must_use = "nothing runs until results are asked for"]
pub struct ImapUnordered<'p, I: Iterator, Out> {
    dispatch: Dispatch<'p>,
    flow: Flow<I>,
    came: VecDeque<Came<Out>>,
    /// With so many left of what came, it is time to send more.
    low: usize,
    /// Every item was replied to, and no more will be taken in.
    is_over: bool,
    of: PhantomData<fn() -> Out>,
}

impl<I: Iterator, Out> fmt::Debug for ImapUnordered<'_, I, Out> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ImapUnordered")
            .field("came", &self.came.len())
            .field("is_over", &self.is_over)
            .finish_non_exhaustive()
    }
}

impl<'p, I, Out> ImapUnordered<'p, I, Out>
where
    I: Iterator,
    I::Item: Serialize,
    Out: DeserializeOwned,
{
    pub(super) fn new(dispatch: Dispatch<'p>, items: I) -> Self {
        Self {
            dispatch,
            flow: Flow::new(items),
            came: VecDeque::new(),
            low: 0,
            is_over: false,
            of: PhantomData,
        }
    }

    /// The next result, waiting for at most `timeout`. After [`Done::NoneYet`] nothing is lost:
    /// ask again.
    pub fn next_timeout(&mut self, timeout: Duration) -> Done<Out> {
        match self.yield_next(Some(after(timeout))) {
            Some((index, result)) => Done::One(index, result),
            None if self.is_over => Done::NoneLeft,
            None => Done::NoneYet,
        }
    }

    fn yield_next(&mut self, deadline: Option<Instant>) -> Option<(usize, Result<Out, TaskError>)> {
        let (index, bytes, result) = self.take_next(deadline)?;
        self.dispatch.window.hand_out(bytes);
        Some((index as usize, result))
    }

    /// The next that has come, which does not count as handed out yet.
    fn take_next(&mut self, deadline: Option<Instant>) -> Option<Came<Out>> {
        // Whoever takes long over each result still finds the workers busy.
        let mut runs_low =
            !self.is_over && (self.came.len() <= self.low || self.dispatch.is_slow());
        while runs_low && self.came.is_empty() {
            self.turn(Wait::Until(deadline));
            let late = deadline.is_some_and(|deadline| deadline <= Instant::now());
            runs_low = !self.is_over && !late;
        }
        if runs_low {
            self.turn(Wait::No);
        }
        self.came.pop_front()
    }

    fn turn(&mut self, wait: Wait) {
        let came = &mut self.came;
        self.is_over = self.dispatch.turn(&mut self.flow, wait, &mut |reply| {
            let bytes = reply.item_bytes;
            reply.decode(|index, result| came.push_back((index, bytes, result)));
        });
        self.low = self.came.len() / 2;
    }

    /// How many more results there will be, as far as `items` says.
    fn left(&self) -> (usize, Option<usize>) {
        if self.dispatch.refused.is_some() {
            return (0, None);
        }
        let under_way = (self.dispatch.next - self.dispatch.window.yielded()) as usize;
        let (low, high) = self.flow.size_hint();
        let more = self.flow.held() + self.dispatch.held_back();
        (
            low.saturating_add(under_way + more),
            high.and_then(|high| high.checked_add(under_way + more)),
        )
    }
}

impl<I, Out> Iterator for ImapUnordered<'_, I, Out>
where
    I: Iterator,
    I::Item: Serialize,
    Out: DeserializeOwned,
{
    type Item = (usize, Result<Out, TaskError>);

    fn next(&mut self) -> Option<Self::Item> {
        self.yield_next(None)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (0, self.left().1)
    }
}

/// Results in the order of their items; see [`Pool::imap`](crate::Pool::imap).
#[must_use = "nothing runs until results are asked for"]
pub struct Imap<'p, I: Iterator, Out> {
    inner: ImapUnordered<'p, I, Out>,
    /// Results that came before their turn, from the next one on.
    early: VecDeque<Option<(u64, Result<Out, TaskError>)>>,
    next: usize,
}

impl<I: Iterator, Out> fmt::Debug for Imap<'_, I, Out> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Imap")
            .field("next", &self.next)
            .field("inner", &self.inner)
            .finish_non_exhaustive()
    }
}

impl<'p, I, Out> Imap<'p, I, Out>
where
    I: Iterator,
    I::Item: Serialize,
    Out: DeserializeOwned,
{
    pub(super) fn new(inner: ImapUnordered<'p, I, Out>) -> Self {
        Self {
            inner,
            early: VecDeque::new(),
            next: 0,
        }
    }

    /// The next result, waiting for at most `timeout`. After [`Done::NoneYet`] nothing is lost:
    /// ask again.
    pub fn next_timeout(&mut self, timeout: Duration) -> Done<Out> {
        let index = self.next;
        match self.next_until(Some(after(timeout))) {
            Some(result) => Done::One(index, result),
            None if self.inner.is_over => Done::NoneLeft,
            None => Done::NoneYet,
        }
    }

    fn next_until(&mut self, deadline: Option<Instant>) -> Option<Result<Out, TaskError>> {
        loop {
            if let Some(Some(_)) = self.early.front() {
                self.next += 1;
                let (bytes, result) = self.early.pop_front().flatten()?;
                self.inner.dispatch.window.hand_out(bytes);
                return Some(result);
            }
            let (index, bytes, result) = self.inner.take_next(deadline)?;
            let at = index as usize - self.next;
            if self.early.len() <= at {
                self.early.resize_with(at + 1, || None);
            }
            self.early[at] = Some((bytes, result));
        }
    }
}

impl<I, Out> Iterator for Imap<'_, I, Out>
where
    I: Iterator,
    I::Item: Serialize,
    Out: DeserializeOwned,
{
    type Item = Result<Out, TaskError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.next_until(None)
    }
}
