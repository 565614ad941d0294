//! From values to bytes.

use std::io;

use bincode::{DefaultOptions, ErrorKind, Options};
use serde::Serialize;

use super::{CodecError, SliceError};

/// The encoding: fixed-width integers, little endian.
pub(super) fn options() -> impl Options {
    DefaultOptions::new().with_fixint_encoding()
}

/// How many bytes the value takes. Walks through the value without writing.
///
/// # Errors
/// When the value cannot be encoded: a sequence of unknown length, or an error of its own `Serialize`.
#[inline]
pub fn encoded_len<T: Serialize + ?Sized>(value: &T) -> Result<usize, CodecError> {
    let len = options()
        .serialized_size(value)
        .map_err(|error| CodecError::encoding(&error))?;
    Ok(usize::try_from(len).unwrap_or(usize::MAX))
}

/// Encodes into the front of `room`, and says how many bytes it took. Compiles to plain stores for plain values.
///
/// # Errors
/// [`SliceError::TooLong`] when the room is too small, [`SliceError::Codec`] as [`encoded_len`]. What the room holds
/// then is undefined, but no more than its length was written.
#[inline]
pub fn encode_to_slice<T: Serialize + ?Sized>(
    value: &T,
    room: &mut [u8],
) -> Result<usize, SliceError> {
    let whole = room.len();
    let mut rest = Rest(room);
    match options().serialize_into(&mut rest, value) {
        Ok(()) => Ok(whole - rest.0.len()),
        Err(error) => Err(slice_error(&error)),
    }
}

/// Writes into the front of what is left. The standard library's writer into slices writes what fits of what does
/// not fit, so the number of bytes that it copies is known at run time only, and each copy is a call.
struct Rest<'a>(&'a mut [u8]);

impl io::Write for Rest<'_> {
    #[inline]
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write_all(bytes).map(|()| bytes.len())
    }

    #[inline]
    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        let room = std::mem::take(&mut self.0);
        let Some((front, rest)) = room.split_at_mut_checked(bytes.len()) else {
            return Err(io::ErrorKind::WriteZero.into());
        };
        front.copy_from_slice(bytes);
        self.0 = rest;
        Ok(())
    }

    #[inline]
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cold]
fn slice_error(error: &ErrorKind) -> SliceError {
    match error {
        ErrorKind::Io(io) if io.kind() == io::ErrorKind::WriteZero => SliceError::TooLong,
        other => SliceError::Codec(CodecError::encoding(other)),
    }
}

/// Encodes behind what `buffer` holds already.
///
/// # Errors
/// As [`encoded_len`]; the buffer is then as long as it was.
#[inline]
pub fn encode_to_vec<T: Serialize + ?Sized>(
    value: &T,
    buffer: &mut Vec<u8>,
) -> Result<(), CodecError> {
    let before = buffer.len();
    options()
        .serialize_into(&mut *buffer, value)
        .map_err(|error| {
            buffer.truncate(before);
            CodecError::encoding(&error)
        })
}
