//! Lines as `sha256sum` prints them.

use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use super::digest::Digest;

/// Appends the line for one file. A name with a backslash, newline or carriage return is
/// escaped, and the line then begins with a backslash, so that each file stays on one line.
pub(crate) fn push_line(listing: &mut Vec<u8>, digest: &Digest, path: &Path) {
    let name = path.as_os_str().as_bytes();
    let escape = name.iter().any(|b| matches!(b, b'\\' | b'\n' | b'\r'));
    if escape {
        listing.push(b'\\');
    }
    for byte in digest {
        // Writing to a vector does not fail.
        let _ = write!(listing, "{byte:02x}");
    }
    listing.extend_from_slice(b"  ");
    for &byte in name {
        match byte {
            b'\\' => listing.extend_from_slice(b"\\\\"),
            b'\n' => listing.extend_from_slice(b"\\n"),
            b'\r' => listing.extend_from_slice(b"\\r"),
            _ => listing.push(byte),
        }
    }
    listing.push(b'\n');
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;

    use super::*;

    fn line(name: &[u8]) -> Vec<u8> {
        let mut listing = Vec::new();
        push_line(
            &mut listing,
            &[0xab; 32],
            Path::new(OsStr::from_bytes(name)),
        );
        listing
    }

    #[test]
    fn plain_and_non_utf8_names_stay_as_they_are() {
        let digest = "ab".repeat(32);
        assert_eq!(line(b"a b"), format!("{digest}  a b\n").into_bytes());
        assert!(line(b"\xff\xfe").ends_with(b"  \xff\xfe\n"));
    }

    #[test]
    fn names_that_would_break_the_line_are_escaped() {
        let digest = "ab".repeat(32);
        assert_eq!(
            line(b"a\\b\nc\rd"),
            format!("\\{digest}  a\\\\b\\nc\\rd\n").into_bytes()
        );
    }
}
