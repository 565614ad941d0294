//! Pools in tests, where `main` is the test harness's and calls no `init`.
//!
//! ```text
//!   test program                                 its worker, the same program
//!   Pool::build: init() has not run
//!     is the mark in this program? ──no──> MissingInit
//!     yes: start workers with the variable ──>   before main: the variable is there
//!          that says "before main"                 ─> init(), which never returns
//! ```
//!
//! The mark is a constant in the code of the test that the macro makes; it is found by reading
//! the program's own file, once, and only where `init` has not run. So the macro needs no code
//! that runs before `main` in the user's crate, which could not be had without `unsafe`.

use std::io::{self, Read};
use std::sync::OnceLock;

/// Makes pools work in the tests of this file, module or crate, which the test harness runs: put
/// it there once, outside of functions. It expands to a test.
///
/// ```
/// # mod tests { /*
/// forkyard::test_support!();
///
/// #[test]
/// fn squares() {
///     let pool = forkyard::Pool::builder().workers(2).build().unwrap();
///     assert_eq!(pool.submit(|n: u64| n * n, 12).join(), Ok(144));
/// }
/// # */ }
/// ```
///
/// Under `cargo test` and `cargo nextest` alike, as many pools in as many tests at once as there
/// are. Workers start from the test program and become workers before its `main`, so that they run
/// no test and print nothing. [`StartMethod::Spawn`](crate::StartMethod::Spawn) and
/// [`ForkServer`](crate::StartMethod::ForkServer) work;
/// [`Fork`](crate::StartMethod::Fork) is refused, since the harness runs tests in threads of a
/// process, and a process with threads cannot be forked safely. A test of one's own harness
/// (`harness = false`) has a `main`, and calls [`init`](crate::init) there.
#[macro_export]
macro_rules! test_support {
    () => {
        /// That pools can be built here; see `forkyard::test_support!`.
        #[cfg(test)]
        #[test]
        fn forkyard_test_support() {
            static MARK: $crate::test_support::Mark = $crate::test_support::Mark::new();
            assert!($crate::test_support::is_enabled(&MARK));
        }
    };
}

/// Stands in a program that uses the macro.
#[doc(hidden)]
#[derive(Debug)]
#[repr(C, align(64))]
pub struct Mark([u8; MARK_BYTES]);

const MARK_BYTES: usize = 32;
const MARK_ALIGN: usize = align_of::<Mark>();

/// The mark with every bit changed: the mark itself stands in no program but those that use it.
const INVERTED: [u8; MARK_BYTES] = inverted(*b"forkyard::test_support! was here");

const fn inverted(mut bytes: [u8; MARK_BYTES]) -> [u8; MARK_BYTES] {
    let mut at = 0;
    while at < MARK_BYTES {
        bytes[at] = !bytes[at];
        at += 1;
    }
    bytes
}

impl Mark {
    /// It.
    #[must_use]
    #[expect(clippy::new_without_default, reason = "the macro's alone")]
    pub const fn new() -> Self {
        Self(inverted(INVERTED))
    }
}

/// Whether the mark is found in this program.
#[doc(hidden)]
pub fn is_enabled(mark: &'static Mark) -> bool {
    std::hint::black_box(mark);
    is_marked()
}

/// Whether this program uses the macro.
pub(crate) fn is_marked() -> bool {
    static MARKED: OnceLock<bool> = OnceLock::new();
    *MARKED.get_or_init(|| {
        forkyard_os::exe::open()
            .map_err(io::Error::other)
            .and_then(find)
            .unwrap_or_else(|error| {
                crate::trace::program_unreadable(&error);
                false
            })
    })
}

/// Looks at every place in a file where the mark can begin: a program's file has data at
/// multiples of their alignment.
fn find(mut file: impl Read) -> io::Result<bool> {
    let wanted = INVERTED.map(|byte| !std::hint::black_box(byte));
    let mut chunk = vec![0; 1 << 20];
    loop {
        let len = fill(&mut file, &mut chunk)?;
        let places = chunk[..len].chunks(MARK_ALIGN);
        if places.into_iter().any(|place| place.starts_with(&wanted)) {
            return Ok(true);
        }
        if len < chunk.len() {
            return Ok(false);
        }
    }
}

/// Reads until there is no room, or no more.
fn fill(file: &mut impl Read, room: &mut [u8]) -> io::Result<usize> {
    let mut len = 0;
    while len < room.len() {
        match file.read(&mut room[len..]) {
            Ok(0) => break,
            Ok(read) => len += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(len)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mark_is_found_where_it_can_be() {
        // Not as a constant, which would stand in this program.
        let mark = INVERTED.map(|byte| !std::hint::black_box(byte));
        for at in [0, 64, (1 << 20) - 64, 1 << 20, (3 << 20) + 640] {
            let mut file = vec![7; at];
            file.extend(mark);
            assert!(find(file.as_slice()).unwrap(), "{at}");
            file.truncate(at + 31);
            assert!(!find(file.as_slice()).unwrap(), "{at}");
        }
        assert!(!find([].as_slice()).unwrap());
    }

    #[test]
    fn a_program_without_the_macro_is_not_marked() {
        assert!(!is_marked());
    }
}
