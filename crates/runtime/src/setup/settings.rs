//! What the block holds: the head, and behind it the encoded values that it names.

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use forkyard_os::limits::Limit;
use forkyard_shm::layout::SetupPlace;
use forkyard_wire::codec;
use serde::{Deserialize, Serialize};

use super::provide::Made;
use crate::arena::{Block, RawArena, describe};
use crate::error::BuildError;
use crate::packing::Attached;

/// Encoded bytes behind the head, and the hook that is handed them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Part {
    pub(crate) entry: u64,
    /// From the start of the block.
    pub(crate) at: u64,
    pub(crate) len: u64,
}

/// Limits of a worker process; what is `None` is as it was.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Limits {
    pub(crate) address_space: Option<u64>,
    pub(crate) cpu_seconds: Option<u64>,
    pub(crate) open_files: Option<u64>,
    pub(crate) core_bytes: Option<u64>,
}

impl Limits {
    /// Those that are set.
    pub(crate) fn all(&self) -> impl Iterator<Item = (Limit, u64)> {
        // The address space last: what comes before may need some.
        [
            (Limit::CpuTime, self.cpu_seconds),
            (Limit::OpenFiles, self.open_files),
            (Limit::CoreDump, self.core_bytes),
            (Limit::AddressSpace, self.address_space),
        ]
        .into_iter()
        .filter_map(|(limit, most)| most.map(|most| (limit, most)))
    }
}

/// What is set in a worker, and what runs in it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Head {
    pub(crate) name: Option<String>,
    pub(crate) nice: Option<i32>,
    /// Each worker has a processor of its own.
    pub(crate) pinned: bool,
    pub(crate) limits: Limits,
    pub(crate) provided: Vec<Part>,
    pub(crate) initializer: Option<Part>,
    pub(crate) finalizer: Option<u64>,
}

/// The pool's settings as the supervisor keeps them, to the pool's end.
#[derive(Default)]
pub(crate) struct Kept {
    /// What each worker's page says of them.
    pub(crate) place: SetupPlace,
    pub(crate) name: Option<Arc<str>>,
    /// The values provided, as this process has them.
    pub(crate) provided: Vec<Arc<dyn Any + Send + Sync>>,
    /// The block.
    _block: Option<Block>,
    /// What the values in it speak of.
    _attached: Vec<Attached>,
}

impl fmt::Debug for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kept")
            .field("place", &self.place)
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

/// What is to be sent.
pub(crate) struct Sent {
    pub(crate) head: Head,
    pub(crate) levels: u32,
    pub(crate) initializer: Option<(u64, Vec<u8>)>,
    pub(crate) provided: Vec<Made>,
}

impl Sent {
    /// Puts it where workers find it.
    ///
    /// # Errors
    /// When there is no shared memory for it.
    pub(crate) fn keep(self, arena: &RawArena) -> Result<Kept, BuildError> {
        let Self {
            mut head,
            levels,
            initializer,
            provided,
        } = self;
        let name = head.name.as_deref().map(Arc::from);
        head.initializer = initializer.as_ref().map(|(entry, _)| Part {
            entry: *entry,
            ..Part::default()
        });
        head.provided = provided
            .iter()
            .map(|made| Part {
                entry: made.entry,
                ..Part::default()
            })
            .collect();
        let mut kept = Kept {
            place: SetupPlace {
                levels,
                ..SetupPlace::default()
            },
            name,
            ..Kept::default()
        };
        if head == Head::default() {
            return Ok(kept);
        }
        let bytes = lay_out(&mut head, initializer.as_ref(), &provided)?;
        let memory = |why| BuildError::Settings {
            what: "the pool's settings for its workers",
            why,
        };
        let mut block = arena
            .alloc(bytes.len())
            .map_err(|refused| memory(describe(&refused)))?;
        block.copy_from_slice(&bytes);
        let block = block.freeze();
        let head_bytes = head_len(&head)?;
        kept.place.place = bytemuck::cast(block.descriptor());
        kept.place.head_bytes = head_bytes as u64;
        kept.place.head_hash = hash(&bytes[..head_bytes]);
        kept._block = Some(block);
        for made in provided {
            kept._attached.extend(made.attached);
            kept.provided.push(made.here);
        }
        Ok(kept)
    }
}

/// Says in the head where everything will be, and returns all of it. Integers are of fixed
/// width, so that the head is as long as before.
fn lay_out(
    head: &mut Head,
    initializer: Option<&(u64, Vec<u8>)>,
    provided: &[Made],
) -> Result<Vec<u8>, BuildError> {
    let parts = head.provided.iter_mut().chain(head.initializer.as_mut());
    let contents: Vec<&[u8]> = provided
        .iter()
        .map(|made| made.bytes.as_slice())
        .chain(initializer.map(|(_, bytes)| bytes.as_slice()))
        .collect();
    let lens: Vec<usize> = contents.iter().map(|bytes| bytes.len()).collect();
    let mut parts: Vec<&mut Part> = parts.collect();
    for (part, len) in parts.iter_mut().zip(&lens) {
        part.len = *len as u64;
    }
    drop(parts);
    let mut at = head_len(head)? as u64;
    for part in head.provided.iter_mut().chain(head.initializer.as_mut()) {
        part.at = at;
        at += part.len;
    }
    let mut bytes = Vec::new();
    codec::encode_to_vec(head, &mut bytes).map_err(|error| not_encoded(&error))?;
    for content in contents {
        bytes.extend_from_slice(content);
    }
    Ok(bytes)
}

fn head_len(head: &Head) -> Result<usize, BuildError> {
    codec::encoded_len(head).map_err(|error| not_encoded(&error))
}

fn not_encoded(error: &codec::CodecError) -> BuildError {
    BuildError::Settings {
        what: "the pool's settings for its workers",
        why: error.to_string(),
    }
}

/// FNV-1a.
pub(super) fn hash(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}
