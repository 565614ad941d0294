//! One at a time, in the order of coming.
//!
//! A mutex of the standard library goes to whoever is quickest, which may be the same one for
//! a long while. Here the next in line has it as soon as it is let go.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::{self, Thread};

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Turns(Mutex<Line>);

#[derive(Debug, Default)]
struct Line {
    taken: bool,
    /// Nobody else gets a turn.
    closed: bool,
    waiting: VecDeque<Arc<Waiter>>,
}

#[derive(Debug)]
struct Waiter {
    thread: Thread,
    /// Set once: whether it has its turn, or is sent away.
    called: OnceLock<bool>,
}

impl Waiter {
    fn call(&self, has_turn: bool) {
        // Only the line calls, and nobody twice.
        let _ = self.called.set(has_turn);
        self.thread.unpark();
    }
}

/// A turn; its drop is the next one's.
#[derive(Debug)]
pub(super) struct Turn<'a>(&'a Turns);

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let mut line = self.0.line();
        match line.waiting.pop_front() {
            Some(next) => next.call(true),
            None => line.taken = false,
        }
    }
}

impl Turns {
    fn line(&self) -> MutexGuard<'_, Line> {
        // It is whole at every instant.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for a turn; `None` when there are no more.
    pub(super) fn wait(&self) -> Option<Turn<'_>> {
        let line = self.line();
        if line.closed {
            return None;
        }
        self.stand_in(line)
    }

    /// Waits for the last turn. Whoever waits for one, or comes later, gets none.
    pub(super) fn wait_for_last(&self) -> Option<Turn<'_>> {
        let mut line = self.line();
        if std::mem::replace(&mut line.closed, true) {
            return None;
        }
        for waiter in line.waiting.drain(..) {
            waiter.call(false);
        }
        self.stand_in(line)
    }

    fn stand_in<'a>(&'a self, mut line: MutexGuard<'a, Line>) -> Option<Turn<'a>> {
        if !std::mem::replace(&mut line.taken, true) {
            return Some(Turn(self));
        }
        let me = Arc::new(Waiter {
            thread: thread::current(),
            called: OnceLock::new(),
        });
        line.waiting.push_back(Arc::clone(&me));
        drop(line);
        loop {
            if let Some(has_turn) = me.called.get() {
                return has_turn.then_some(Turn(self));
            }
            thread::park();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waiting(turns: &Turns) -> usize {
        turns.line().waiting.len()
    }

    /// Starts a thread that waits for a turn, and comes back when it stands in line.
    fn stand(
        turns: &Arc<Turns>,
        did: impl FnOnce(bool) + Send + 'static,
    ) -> thread::JoinHandle<()> {
        let before = waiting(turns);
        let theirs = Arc::clone(turns);
        let thread = thread::spawn(move || {
            let turn = theirs.wait();
            did(turn.is_some());
        });
        while waiting(turns) == before {
            thread::yield_now();
        }
        thread
    }

    #[test]
    fn turns_come_in_the_order_of_coming() {
        let turns = Arc::new(Turns::default());
        let order = Arc::new(Mutex::new(Vec::new()));
        let mine = turns.wait().expect("nobody is before");
        let threads: Vec<_> = (0..8)
            .map(|number| {
                let order = Arc::clone(&order);
                stand(&turns, move |_| order.lock().expect("sound").push(number))
            })
            .collect();
        drop(mine);
        for thread in threads {
            thread.join().expect("it had its turn");
        }
        assert_eq!(*order.lock().expect("sound"), (0..8).collect::<Vec<_>>());
        assert!(turns.wait().is_some());
    }

    #[test]
    fn the_last_turn_sends_all_others_away() {
        let turns = Arc::new(Turns::default());
        let mine = turns.wait().expect("nobody is before");
        let sent_away = stand(&turns, |has_turn| assert!(!has_turn));
        let theirs = Arc::clone(&turns);
        let last = thread::spawn(move || theirs.wait_for_last().is_some());
        sent_away.join().expect("it was told");
        drop(mine);
        assert!(last.join().expect("it had its turn"));
        assert!(turns.wait().is_none());
        assert!(turns.wait_for_last().is_none());
    }
}
