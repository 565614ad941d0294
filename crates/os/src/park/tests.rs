//! Sleeping and waking between threads; between processes it is tested in `tests/processes.rs`.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use super::{Wake, wait, wake};

#[test]
fn a_word_that_differs_is_not_slept_on() {
    let word = AtomicU32::new(1);
    assert_eq!(wait(&word, 0, None), Wake::Changed);
}

#[test]
fn an_unwoken_sleep_times_out() {
    let word = AtomicU32::new(0);
    // A sleep may end for no reason, so only the end is certain.
    while wait(&word, 0, Some(Duration::from_millis(1))) != Wake::TimedOut {}
}

#[test]
fn a_sleeper_is_woken() {
    let word = AtomicU32::new(0);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            // Acquire pairs with the Release store below.
            while word.load(Ordering::Acquire) == 0 {
                let _ = wait(&word, 0, None);
            }
        });
        word.store(1, Ordering::Release);
        wake(&word, u32::MAX);
    });
}
