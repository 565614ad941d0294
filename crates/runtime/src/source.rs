//! The items of a `map`, as they are taken in.

/// Where items come from, with one that is to be tried again.
pub(crate) struct Source<I, In> {
    pub(crate) items: I,
    /// Taken, but not sent yet.
    pub(crate) held: Option<In>,
    pub(crate) exhausted: bool,
}

impl<I: Iterator<Item = In>, In> Source<I, In> {
    #[inline(always)]
    pub(crate) fn next(&mut self) -> Option<In> {
        if let Some(item) = self.held.take() {
            return Some(item);
        }
        if self.exhausted {
            return None;
        }
        self.exhausted = true; // also when it panics
        let item = self.items.next();
        self.exhausted = item.is_none();
        item
    }
}

impl<I, In> Source<I, In> {
    pub(crate) fn is_done(&self) -> bool {
        self.exhausted && self.held.is_none()
    }
}
