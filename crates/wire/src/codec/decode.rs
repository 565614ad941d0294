//! From bytes to values.

use std::io;

use bincode::{BincodeRead, Deserializer, ErrorKind};
use serde::de::{DeserializeOwned, Visitor};

use super::CodecError;
use super::encode::options;

/// Decodes a value that takes all the bytes.
///
/// # Errors
/// When the bytes end too early, hold what the type does not allow, or go on behind the value.
#[inline(always)]
pub fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, CodecError> {
    let mut rest = bytes;
    let mut decoder = Deserializer::with_bincode_read(Front(&mut rest), options());
    match T::deserialize(&mut decoder) {
        Ok(value) if rest.is_empty() => Ok(value),
        Ok(_) => Err(CodecError::trailing(rest.len())),
        Err(error) => Err(CodecError::decoding(&error)),
    }
}

/// Decodes the value at the front of `bytes` and moves `bytes` behind it.
///
/// # Errors
/// When the bytes end too early or hold what the type does not allow; `bytes` is then as it was.
#[inline]
pub fn decode_next<T: DeserializeOwned>(bytes: &mut &[u8]) -> Result<T, CodecError> {
    let mut rest = *bytes;
    let mut decoder = Deserializer::with_bincode_read(Front(&mut rest), options());
    let value = T::deserialize(&mut decoder).map_err(|error| CodecError::decoding(&error))?;
    *bytes = rest;
    Ok(value)
}

/// Reads off the front of a slice, as bincode's own reader does, but the caller sees how far it got.
struct Front<'a, 'bytes>(&'a mut &'bytes [u8]);

impl<'bytes> Front<'_, 'bytes> {
    #[inline]
    fn take(&mut self, len: usize) -> Result<&'bytes [u8], Box<ErrorKind>> {
        let Some((front, rest)) = self.0.split_at_checked(len) else {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
        };
        *self.0 = rest;
        Ok(front)
    }
}

impl io::Read for Front<'_, '_> {
    #[inline]
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        self.0.read(room)
    }

    #[inline]
    fn read_exact(&mut self, room: &mut [u8]) -> io::Result<()> {
        self.0.read_exact(room)
    }
}

impl<'bytes> BincodeRead<'bytes> for Front<'_, 'bytes> {
    #[inline]
    fn forward_read_str<V: Visitor<'bytes>>(
        &mut self,
        len: usize,
        visitor: V,
    ) -> Result<V::Value, Box<ErrorKind>> {
        let text = std::str::from_utf8(self.take(len)?)
            .map_err(|error| Box::new(ErrorKind::InvalidUtf8Encoding(error)))?;
        visitor.visit_borrowed_str(text)
    }

    #[inline]
    fn get_byte_buffer(&mut self, len: usize) -> Result<Vec<u8>, Box<ErrorKind>> {
        self.take(len).map(<[u8]>::to_vec)
    }

    #[inline]
    fn forward_read_bytes<V: Visitor<'bytes>>(
        &mut self,
        len: usize,
        visitor: V,
    ) -> Result<V::Value, Box<ErrorKind>> {
        visitor.visit_borrowed_bytes(self.take(len)?)
    }
}
