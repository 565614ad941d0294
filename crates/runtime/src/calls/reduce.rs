//! Folding in workers, and folding what they return.
//!
//! A partial result belongs to one message, not to one worker: a worker that dies takes the
//! chunk that it ran with it and nothing that it had folded before.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};

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

/// Folds what comes into runs of neighbours, so that what waits for its turn is never more than
/// there are messages on their way.
struct Pieces<Out, G> {
    combine: G,
    /// Runs of items by their first: the item behind the last, and their result.
    runs: BTreeMap<u64, (u64, Out)>,
}

impl<Out, G: Fn(Out, Out) -> Out> Pieces<Out, G> {
    fn add(&mut self, first: u64, items: u64, piece: Out) {
        let (mut first, mut end, mut piece) = (first, first + items, piece);
        if let Some((before, upto)) = self
            .runs
            .range(..first)
            .next_back()
            .map(|(at, run)| (*at, run.0))
            && upto == first
            && let Some((_, left)) = self.runs.remove(&before)
        {
            first = before;
            piece = (self.combine)(left, piece);
        }
        if let Some((behind, right)) = self.runs.remove(&end) {
            end = behind;
            piece = (self.combine)(piece, right);
        }
        self.runs.insert(first, (end, piece));
    }

    /// The result of all items.
    fn whole(mut self) -> Option<Out> {
        self.runs.pop_first().map(|(_, (_, whole))| whole)
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
    let has_failed = AtomicBool::new(false);
    let stop = || has_failed.load(Ordering::Relaxed);
    let mut failed: Option<(u64, TaskError)> = None;
    let mut pieces = Pieces {
        combine,
        runs: BTreeMap::new(),
    };
    let mut dispatch = dispatch.until(&stop);
    dispatch.run(items, &mut |reply| {
        let (first, items, result) = reply.decode_whole::<Out>();
        match result {
            Ok(piece) if !has_failed.load(Ordering::Relaxed) => pieces.add(first, items, piece),
            Ok(_) => {}
            Err(error) => {
                has_failed.store(true, Ordering::Relaxed);
                if failed.as_ref().is_none_or(|(at, _)| first < *at) {
                    failed = Some((first, error));
                }
            }
        }
    });
    match (failed, dispatch.refused.take()) {
        (Some((_, error)), _) | (None, Some(error)) => Err(error),
        (None, None) => Ok(pieces.whole()),
    }
}
