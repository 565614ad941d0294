//! What the two sides of a line say to each other.
//!
//! ```text
//!   caller                                            manager
//!   hello:  magic | token | executable         ──>
//!                                              <──    one byte: welcome, or why not
//!   call:   len | entry | depth | depth × id | bytes
//!                                              ──>
//!                                              <──    len | status | bytes
//! ```
//!
//! Numbers are little endian. A length is never believed for what it reserves: room grows with
//! what has come.

use std::io::{self, Read};

/// Bytes of one message at most: more than a machine this is for has memory to spare, and
/// little enough that a broken length is seen to be one.
pub(super) const MOST_BYTES: u64 = 64 << 30;
/// Managers that wait for each other in a chain of calls, at most.
pub(super) const MOST_DEPTH: u64 = 64;

const MAGIC: [u8; 8] = *b"fy-mngr1";
/// Bytes of a hello.
pub(super) const HELLO_BYTES: usize = 32;
/// Bytes before a call's chain.
pub(super) const CALL_BYTES: usize = 24;
/// Bytes before an answer's value.
pub(super) const ANSWER_BYTES: usize = 16;
/// Room for a buffer to be kept with a line; a larger one is given back after its call.
pub(super) const KEPT_BYTES: usize = 1 << 20;

/// What only processes of the manager's own program are told.
pub(super) type Token = [u8; 16];

/// The answer to a hello.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Welcome {
    /// Calls may come.
    Yes = 1,
    /// The caller runs another build.
    OtherBuild = 2,
    /// The token is another, or there was none.
    Stranger = 3,
    /// There is no thread to be had for the line.
    Full = 4,
}

impl Welcome {
    pub(super) fn from_byte(byte: u8) -> Option<Self> {
        [Self::Yes, Self::OtherBuild, Self::Stranger, Self::Full]
            .into_iter()
            .find(|welcome| *welcome as u8 == byte)
    }
}

/// An answer's status: the value follows, or a `Refusal`.
pub(super) const STATUS_VALUE: u64 = 0;
pub(super) const STATUS_REFUSAL: u64 = 1;

/// Who calls, in bytes.
pub(super) fn hello(token: &Token, exe_hash: u64) -> [u8; HELLO_BYTES] {
    let mut bytes = [0; HELLO_BYTES];
    bytes[..8].copy_from_slice(&MAGIC);
    bytes[8..24].copy_from_slice(token);
    bytes[24..].copy_from_slice(&exe_hash.to_le_bytes());
    bytes
}

/// Token and executable of a hello.
pub(super) fn read_hello(bytes: &[u8; HELLO_BYTES]) -> Option<(Token, u64)> {
    let rest = bytes.strip_prefix(&MAGIC)?;
    let (token, rest) = rest.split_first_chunk::<16>()?;
    Some((*token, u64::from_le_bytes(rest.try_into().ok()?)))
}

/// The `N` numbers at the front of a message.
pub(super) fn numbers<const N: usize>(bytes: &[u8]) -> [u64; N] {
    let mut numbers = [0; N];
    for (number, bytes) in numbers.iter_mut().zip(bytes.chunks_exact(8)) {
        *number = bytes.try_into().map_or(0, u64::from_le_bytes);
    }
    numbers
}

/// Reads exactly `len` bytes into the emptied `buffer`.
pub(super) fn read_bytes(from: &mut impl Read, len: u64, buffer: &mut Vec<u8>) -> io::Result<()> {
    buffer.clear();
    buffer.reserve(usize::try_from(len).unwrap_or(usize::MAX).min(KEPT_BYTES));
    let read = from.take(len).read_to_end(buffer)?;
    if read as u64 == len {
        Ok(())
    } else {
        Err(io::ErrorKind::UnexpectedEof.into())
    }
}

/// Empties a buffer, and gives it back when it has grown large.
pub(super) fn tidy(buffer: &mut Vec<u8>) {
    buffer.clear();
    buffer.shrink_to(KEPT_BYTES);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hello_is_read_back() {
        let token = [7; 16];
        let bytes = hello(&token, 99);
        assert_eq!(read_hello(&bytes), Some((token, 99)));
        assert_eq!(read_hello(&[0; HELLO_BYTES]), None);
    }

    #[test]
    fn a_length_reserves_nothing() {
        let mut buffer = Vec::new();
        let cut = read_bytes(&mut &[1, 2, 3][..], MOST_BYTES, &mut buffer);
        assert!(cut.is_err());
        assert!(buffer.capacity() <= 2 * KEPT_BYTES);
        read_bytes(&mut &[1, 2, 3][..], 2, &mut buffer).expect("they are there");
        assert_eq!(buffer, [1, 2]);
    }
}
