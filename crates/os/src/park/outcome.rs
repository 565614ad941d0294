//! Why a sleep ended.

/// Why [`super::wait`] came back. Whatever it says, look at the word again: sleeps may end without a reason.
#[must_use = "a sleep may end for no reason: look at the word again"]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wake {
    /// Somebody woke the word, or a signal interrupted, or nothing happened at all.
    Woken,
    /// The word did not hold the expected value, so there was no sleep.
    Changed,
    /// The timeout ran out.
    TimedOut,
}
