//! Values as bytes and back: the one place where bincode is used.
//!
//! Integers have their fixed width, little endian first; lengths are u64. A decoder reads no further than the bytes
//! it is given and reserves nothing on the word of a length in them. It is for processes of one build: the bytes say
//! nothing about the type that they hold.

mod decode;
mod encode;
mod error;

pub use decode::{decode, decode_next};
pub use encode::{encode_to_slice, encode_to_vec, encoded_len};
pub use error::{CodecError, SliceError};

#[cfg(test)]
mod tests;
