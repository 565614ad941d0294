//! Who talks to a manager's socket without being a caller, or lies.

use std::io::{Read, Write};
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use forkyard::{Manager, ManagerError};
use forkyard_wire::codec;

use crate::setup::Setup;

type Crossed = (Vec<u8>, i32, [u8; 16]);

/// What a handle says of its manager.
fn spelt<T>(manager: &Manager<T>) -> Crossed {
    let mut bytes = Vec::new();
    codec::encode_to_vec(manager, &mut bytes).expect("it can be sent");
    codec::decode(&bytes).expect("it is spelt so")
}

fn handle_of<T>(crossed: &Crossed) -> Manager<T> {
    let mut bytes = Vec::new();
    codec::encode_to_vec(crossed, &mut bytes).expect("bytes");
    codec::decode(&bytes).expect("a handle")
}

fn dial(folder: &Path) -> UnixStream {
    UnixStream::connect(folder.join("s")).expect("it listens")
}

fn hello(token: [u8; 16]) -> Vec<u8> {
    [&b"fy-mngr1"[..], &token, &[0; 8]].concat()
}

/// All that comes until the line is closed.
fn rest(line: &mut UnixStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    // A line that is reset is closed, too.
    let _ = line.read_to_end(&mut bytes);
    bytes
}

fn started(setup: &Setup) -> (Manager<u64>, PathBuf, [u8; 16]) {
    let manager = Manager::start_on(setup.builder(), |n| n, 1_u64).expect("a manager");
    let (folder, pid, token) = spelt(&manager);
    assert_eq!(pid, manager.pid());
    let folder = PathBuf::from(std::ffi::OsString::from_vec(folder));
    let mode = std::fs::metadata(&folder).expect("it is there").mode();
    assert_eq!(mode & 0o777, 0o700, "nobody else may enter");
    (manager, folder, token)
}

/// Garbage is refused, its line closed, and nobody else notices.
pub(super) fn garbage(setup: &Setup) {
    let (manager, folder, token) = started(setup);
    let get = || manager.call(|n, ()| *n, ());
    assert_eq!(get(), Ok(1));
    for bytes in [
        Vec::new(),
        b"GET / HTTP/1.1\r\n\r\n".repeat(4),
        vec![0; 1 << 16],
    ] {
        let mut line = dial(&folder);
        let _ = line.write_all(&bytes);
        let _ = line.shutdown(std::net::Shutdown::Write);
        assert!(!rest(&mut line).contains(&1), "it is no welcome");
        assert_eq!(get(), Ok(1));
    }
    let mut stranger = dial(&folder);
    stranger.write_all(&hello([9; 16])).expect("it listens");
    assert_eq!(rest(&mut stranger), [3]);
    let mut other_build = dial(&folder);
    let mut words = hello(token);
    words[24..].fill(7);
    other_build.write_all(&words).expect("it listens");
    assert_eq!(rest(&mut other_build), [2]);
    // Lengths and depths that cannot be.
    for head in [
        [u64::MAX, 0, 0],
        [1 << 60, 64, 0],
        [0, 64, u64::MAX],
        [0, 64, 65],
    ] {
        let mut line = dial(&folder);
        line.write_all(&hello(token)).expect("it listens");
        let head: Vec<u8> = head.iter().flat_map(|n| n.to_le_bytes()).collect();
        line.write_all(&head).expect("it listens");
        let answer = rest(&mut line);
        let words = String::from_utf8_lossy(&answer);
        assert!(answer[0] == 1 && words.contains("deep"), "{words}");
        assert_eq!(get(), Ok(1));
    }
}

/// Lines that stop in the middle of a message keep nobody waiting, nor does their end.
pub(super) fn stalled(setup: &Setup) {
    let (manager, folder, token) = started(setup);
    let lines: Vec<_> = [0, 5, 31, 32, 40, 56, 60]
        .into_iter()
        .map(|count| {
            let head = [100_u64, 64, 1, 7].map(u64::to_le_bytes).concat();
            let whole = [hello(token), head, vec![0; 50]].concat();
            let mut line = dial(&folder);
            line.write_all(&whole[..count]).expect("it listens");
            line
        })
        .collect();
    for n in 1..200 {
        assert_eq!(manager.call(|n, m: u64| (*n, m).1, n), Ok(n));
    }
    drop(lines);
    assert_eq!(manager.call(|n, ()| *n, ()), Ok(1));
}

/// Handles that lie lead to errors.
pub(super) fn forged(setup: &Setup) {
    let (manager, _, _) = started(setup);
    let (folder, pid, token) = spelt(&manager);
    let stranger = handle_of::<u64>(&(folder.clone(), pid, [9; 16]));
    let refused = stranger.call(|n, ()| *n, ());
    assert!(
        matches!(refused, Err(ManagerError::Refused(_))),
        "{refused:?}"
    );
    let texts = handle_of::<String>(&(folder.clone(), pid, token));
    let expected = "alloc::string::String".to_owned();
    let other = texts.call(|text, ()| text.len(), ());
    assert_eq!(other, Err(ManagerError::OtherType { expected }));
    assert_eq!(manager.call(|n, ()| *n, ()), Ok(1));
    for nowhere in ["/tmp", "relative/fy-1-1-123456789", ""] {
        let mut bytes = Vec::new();
        let crossed: Crossed = (nowhere.into(), pid, token);
        codec::encode_to_vec(&crossed, &mut bytes).expect("bytes");
        assert!(codec::decode::<Manager<u64>>(&bytes).is_err(), "{nowhere}");
    }
    let gone: Crossed = (b"/tmp/fy-1-1-123456789".to_vec(), pid, [1; 16]);
    let ended = handle_of::<u64>(&gone).call(|n, ()| *n, ());
    assert_eq!(ended, Err(ManagerError::Ended));
}
