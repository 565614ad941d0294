//! What all handles of shared state have in common: how they cross.
//!
//! A handle crosses as the descriptor of its block, and only within its pool, as part of a
//! task's argument or result. The message keeps the block until the receiver has met it.

use forkyard_shm::arena::Descriptor;
use serde::de::Error as _;
use serde::ser::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::kind::Kind;
use crate::arena::unpacking_from;
use crate::mapped::Laid;
use crate::packing::{Attached, attach, attach_alone, packing_for};

impl<K: Kind> Serialize for Laid<K> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match packing_for() {
            Some(arena) if self.is_of(arena) => {}
            Some(_) => {
                return Err(S::Error::custom(format!(
                    "a {} is a place in its own pool's memory, and means nothing in another pool; \
                     make one there",
                    K::NAME
                )));
            }
            None => {
                return Err(S::Error::custom(format!(
                    "a {} is a place in its pool's memory, and can be sent only within a task's \
                     argument or result; serialize the values in it instead",
                    K::NAME
                )));
            }
        }
        if K::IS_WAITED_FOR {
            attach_alone(self.keep());
        } else {
            attach(Attached::Shared(self.keep()));
        }
        let bytes: [u8; size_of::<Descriptor>()] = bytemuck::cast(self.descriptor());
        bytes.serialize(serializer)
    }
}

impl<'de, K: Kind> Deserialize<'de> for Laid<K> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let bytes = <[u8; size_of::<Descriptor>()]>::deserialize(deserializer)?;
        let descriptor: Descriptor = bytemuck::pod_read_unaligned(&bytes);
        let Some(arena) = unpacking_from() else {
            return Err(D::Error::custom(format!(
                "a {} can be received only as a task's argument or result",
                K::NAME
            )));
        };
        Self::meet(&arena, &descriptor).map_err(D::Error::custom)
    }
}

/// Everything of a handle but its operations. `$handle` is a struct with a field `laid`.
macro_rules! handle {
    ($handle:ident $(<$t:ident: $($bound:path),+>)?) => {
        impl$(<$t: $($bound +)+>)? Clone for $handle$(<$t>)? {
            fn clone(&self) -> Self {
                Self {
                    laid: self.laid.clone(),
                }
            }
        }

        impl$(<$t: $($bound +)+>)? serde::Serialize for $handle$(<$t>)? {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                self.laid.serialize(serializer)
            }
        }

        impl<'de $(, $t: $($bound +)+)?> serde::Deserialize<'de> for $handle$(<$t>)? {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                crate::mapped::Laid::deserialize(deserializer).map(|laid| Self { laid })
            }
        }
    };
}

pub(crate) use handle;
