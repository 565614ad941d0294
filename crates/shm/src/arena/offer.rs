//! A block that was given up, and that its former owner takes back if nobody wants it.

use std::sync::Arc;

use super::descriptor::Descriptor;
use super::hold::View;
use super::mapping::Mapping;

/// A block on offer to whoever [takes](super::Arena::take) its descriptor first.
///
/// Dropping it withdraws the offer: a block that nobody took is free then, one that was
/// taken is its taker's and stays so. The two meet in one compare-and-swap on the block's
/// header, which one of them loses. So whoever sends the descriptor keeps the offer until
/// the message has come to its end, whatever end that is.
#[must_use = "dropping an offer withdraws it"]
pub struct Offer {
    /// `None` only while it is being dropped.
    mapping: Option<Arc<Mapping>>,
    block: u32,
    generation: u32,
    view: View,
}

// SAFETY: the handle gives no access to the bytes.
unsafe impl Send for Offer {}
// SAFETY: as for Send.
unsafe impl Sync for Offer {}

impl Offer {
    /// Puts a block on offer that this process owns.
    pub(super) fn new(mapping: Arc<Mapping>, block: u32, generation: u32, view: View) -> Self {
        mapping.offer(block, generation);
        Self {
            mapping: Some(mapping),
            block,
            generation,
            view,
        }
    }

    /// What to send.
    #[must_use]
    pub fn descriptor(&self) -> Descriptor {
        let Some(mapping) = &self.mapping else {
            unreachable!("an offer without its mapping is not reachable by anybody");
        };
        self.view.describe(mapping, self.block, self.generation)
    }

    /// Bytes of the payload.
    #[must_use]
    #[expect(
        clippy::len_without_is_empty,
        reason = "what is on offer is sized, not looked into"
    )]
    pub fn len(&self) -> usize {
        self.view.len
    }
}

impl Drop for Offer {
    fn drop(&mut self) {
        let Some(mapping) = self.mapping.take() else {
            return;
        };
        if mapping.withdraw_offer(self.block, self.generation) {
            let core = Arc::clone(&mapping.core);
            core.freed(mapping, self.block);
        }
    }
}

impl core::fmt::Debug for Offer {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Offer({} bytes)", self.view.len)
    }
}
