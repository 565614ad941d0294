//! The books: what became of every task as its caller saw it, held against the journal, in which
//! the tasks themselves tell.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use forkyard::{ExitCause, TaskError, WorkerDeath};

use super::chaos::Chaos;
use super::journal::{self, Runs};

/// What became of a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// Its right result came.
    Done,
    /// Its worker was killed with it.
    Died,
    /// The pool was aborted.
    Aborted,
    /// Nobody asked.
    Unwanted,
}

/// Where in its life a message was when its worker was killed.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Lost {
    /// Before its function: taken out of its lane or pipe, decoded. Or a large one that three
    /// workers have died with as they received it.
    pub(super) before: usize,
    /// In its function.
    pub(super) within: usize,
    /// After it: encoded, published.
    pub(super) after: usize,
    /// Anywhere: it is one that keeps no journal, or some item of a search.
    pub(super) somewhere: usize,
}

impl Lost {
    /// How many messages.
    pub(super) fn sum(&self) -> usize {
        self.before + self.within + self.after + self.somewhere
    }
}

/// The books of one pool.
#[derive(Debug)]
pub(super) struct Audit<'a> {
    chaos: &'a Chaos,
    next_id: AtomicU64,
    books: Mutex<Books>,
}

#[derive(Debug, Default)]
struct Books {
    fates: HashMap<u64, Fate>,
    /// The one message that each death has cost: its first task.
    losses: HashMap<(usize, u32, i32), Range<u64>>,
}

impl<'a> Audit<'a> {
    pub(super) fn new(chaos: &'a Chaos) -> Self {
        Self {
            chaos,
            next_id: AtomicU64::new(0),
            books: Mutex::default(),
        }
    }

    /// Names for so many tasks.
    pub(super) fn ids(&self, count: usize) -> Range<u64> {
        let first = self.next_id.fetch_add(count as u64, Ordering::Relaxed);
        first..first + count as u64
    }

    /// The result of task `id`, which travelled in the message of tasks `message`, came. Anything
    /// but the right value, a worker's death that we have caused, or, if `aborting`, the pool's
    /// abort, is a failure.
    #[track_caller]
    pub(super) fn resolved<T: std::fmt::Debug>(
        &self,
        id: u64,
        message: Range<u64>,
        result: Result<T, TaskError>,
        is_right: impl FnOnce(&T) -> bool,
        aborting: bool,
    ) {
        let fate = match result {
            Ok(value) => {
                assert!(is_right(&value), "task {id} has another's result");
                Fate::Done
            }
            Err(TaskError::WorkerDied(death)) => {
                self.lost(&death, message);
                Fate::Died
            }
            Err(TaskError::Aborted) if aborting => Fate::Aborted,
            Err(other) => panic!("task {id}: {other}"),
        };
        self.note(id, fate);
    }

    /// Nobody will ask for that task's result.
    #[track_caller]
    pub(super) fn unwanted(&self, id: u64) {
        self.note(id, Fate::Unwanted);
    }

    #[track_caller]
    fn note(&self, id: u64, fate: Fate) {
        let before = self.books().fates.insert(id, fate);
        assert_eq!(before, None, "task {id} is resolved twice");
    }

    /// A message was lost with that worker: we have killed it, and it lost no other.
    #[track_caller]
    pub(super) fn lost(&self, death: &WorkerDeath, message: Range<u64>) {
        self.is_ours(death);
        let key = (death.worker, death.generation, death.pid);
        match self.books().losses.entry(key) {
            Entry::Occupied(other) => assert_eq!(*other.get(), message, "{death} cost both"),
            Entry::Vacant(entry) => drop(entry.insert(message)),
        }
    }

    /// Nobody dies but those whom we kill.
    #[track_caller]
    pub(super) fn is_ours(&self, death: &WorkerDeath) {
        let by_kill = matches!(death.cause, ExitCause::Signal { signal: 9, .. });
        assert!(by_kill && self.chaos.has_killed(death.pid), "{death:?}");
    }

    fn books(&self) -> std::sync::MutexGuard<'_, Books> {
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Once all processes are gone: holds the books against the journal.
    pub(super) fn close(&self) -> (Lost, usize) {
        let runs = journal::read();
        let books = self.books();
        for (id, runs) in &runs {
            let Runs { begun, ended } = *runs;
            assert!(begun == 1 && ended <= 1, "task {id} ran twice: {runs:?}");
        }
        for (id, fate) in &books.fates {
            let runs = runs.get(id).copied().unwrap_or_default();
            let once = Runs { begun: 1, ended: 1 };
            assert!(*fate != Fate::Done || runs == once, "task {id}: {runs:?}");
        }
        let mut lost = Lost::default();
        for message in books.losses.values() {
            let all = || message.clone().filter_map(|id| runs.get(&id));
            if !books.fates.contains_key(&message.start) {
                lost.somewhere += 1;
            } else if all().next().is_none() {
                lost.before += 1;
            } else if all().any(|runs| runs.ended < runs.begun) {
                lost.within += 1;
            } else {
                lost.after += 1;
            }
        }
        (lost, books.fates.len())
    }
}
