//! Folding in workers, and folding what they return.
//!
//! A partial result belongs to one message, not to one worker: a worker that dies takes the
//! chunk that it ran with it and nothing that it had folded before.

use std::cell::Cell;
use std::collections::BTreeMap;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::TaskError;
use crate::job::{Job, fold};
use crate::map::Dispatch;
use crate::trampoline;

/// The trampoline of a chunk that is folded.
pub(super) fn task<F, G, In, Out>(job: &mut Job<'_>)
where
    F: Fn(In) -> Out + Copy + 'static,
    G: Fn(Out, Out) -> Out + Copy + 'static,
    In: DeserializeOwned,
    Out: Serialize,
{
    let f = trampoline::conjure::<F>();
    let combine = trampoline::conjure::<G>();
    fold::<In, Out>(job, f, combine);
}

/// Folds what comes as far as it is one piece from the first item on.
struct Pieces<Out, G> {
    combine: G,
    done: Option<Out>,
    /// Items that `done` is of.
    upto: u64,
    /// What came before its turn: its items, and their result.
    early: BTreeMap<u64, (u64, Out)>,
}

impl<Out, G: Fn(Out, Out) -> Out> Pieces<Out, G> {
    fn add(&mut self, first: u64, items: u64, piece: Out) {
        self.early.insert(first, (items, piece));
        while let Some((items, piece)) = self.early.remove(&self.upto) {
            self.upto += items;
            self.done = Some(match self.done.take() {
                None => piece,
                Some(done) => (self.combine)(done, piece),
            });
        }
    }
}

pub(super) fn run<G, Out, I>(
    dispatch: Dispatch<'_>,
    combine: G,
    items: I,
) -> Result<Option<Out>, TaskError>
where
    G: Fn(Out, Out) -> Out,
    Out: DeserializeOwned,
    I: Iterator,
    I::Item: Serialize,
{
    let has_failed = Cell::new(false);
    let stop = || has_failed.get();
    let mut failed: Option<(u64, TaskError)> = None;
    let mut pieces = Pieces {
        combine,
        done: None,
        upto: 0,
        early: BTreeMap::new(),
    };
    let mut dispatch = dispatch.until(&stop);
    dispatch.run(items, &mut |reply| {
        let (first, items, result) = reply.decode_whole::<Out>();
        match result {
            Ok(piece) if !has_failed.get() => pieces.add(first, items, piece),
            Ok(_) => {}
            Err(error) => {
                has_failed.set(true);
                if failed.as_ref().is_none_or(|(at, _)| first < *at) {
                    failed = Some((first, error));
                }
            }
        }
    });
    match (failed, dispatch.refused.take()) {
        (Some((_, error)), _) | (None, Some(error)) => Err(error),
        (None, None) => Ok(pieces.done),
    }
}
