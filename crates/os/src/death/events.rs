//! What a wait brings.

/// What happened during one wait; nothing at all when the timeout ran out.
#[must_use]
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DeathEvents {
    /// Tokens of processes that are gone. Each is told once, and no longer watched.
    pub died: Vec<u64>,
    /// Tokens of descriptors that are readable or closed at the other side; told again until that changes.
    pub readable: Vec<u64>,
    /// Whether a waker was used since the last wait.
    pub woken: bool,
}

impl DeathEvents {
    /// Whether nothing happened.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.died.is_empty() && self.readable.is_empty() && !self.woken
    }
}
