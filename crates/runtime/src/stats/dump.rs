//! Printing what the pools of this process are doing, when it is sent a signal.

use std::collections::BTreeSet;
use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::{Mutex, PoisonError};

use signal_hook::consts::FORBIDDEN;
use signal_hook::low_level::pipe;

use crate::inspect;

/// The signals that are listened to.
static SIGNALS: Mutex<BTreeSet<i32>> = Mutex::new(BTreeSet::new());

/// From now on, whenever this process is sent `signal`, writes the state of all its pools to
/// standard error, as the table that `forkyard inspect` prints. `signal` is a number such as
/// `signal_hook::consts::SIGUSR1`, or `libc`'s; without this call, no signal's disposition is changed.
///
/// Handlers that others have installed for the signal go on working. The handler itself writes
/// one byte to a socket; a thread, which sleeps there, does the rest. It takes no lock of a pool, so
/// that it also tells of one that hangs. Being a thread it stands in the way of a later pool with
/// [`StartMethod::Fork`](crate::StartMethod::Fork): call this after such a pool is built.
///
/// It lasts as long as the process does; to call it again for the same signal changes nothing.
///
/// # Errors
/// When the signal cannot be handled (SIGKILL, SIGSTOP, SIGSEGV, SIGILL, SIGFPE), or a socket or
/// a thread is not to be had.
///
/// # Example
/// ```no_run
/// forkyard::init();
/// let pool = forkyard::Pool::builder().build()?;
/// forkyard::dump_stats_on(signal_hook::consts::SIGUSR1)?; // kill -USR1 PID
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn dump_stats_on(signal: i32) -> io::Result<()> {
    if FORBIDDEN.contains(&signal) {
        let why = format!("signal {signal} cannot be handled; take another, such as SIGUSR1");
        return Err(io::Error::new(io::ErrorKind::InvalidInput, why));
    }
    let mut signals = SIGNALS.lock().unwrap_or_else(PoisonError::into_inner);
    if signals.contains(&signal) {
        return Ok(());
    }
    let (read, write) = UnixStream::pair()?;
    std::thread::Builder::new()
        .name("forkyard-dump".to_owned())
        .spawn(move || listen(read))?;
    // Should this fail, the thread sees its socket's end.
    pipe::register(signal, write)?;
    signals.insert(signal);
    Ok(())
}

fn listen(mut read: UnixStream) {
    // What has come meanwhile is answered once.
    let mut bytes = [0; 64];
    loop {
        match read.read(&mut bytes) {
            Ok(0) => return,
            Ok(_) => dump(),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => return,
        }
    }
}

fn dump() {
    let tables: Vec<String> = inspect::here().iter().map(ToString::to_string).collect();
    let text = if tables.is_empty() {
        format!("no pool in process {}\n", std::process::id())
    } else {
        tables.join("\n")
    };
    // In one piece, or nowhere when nobody listens.
    let _ = io::stderr().lock().write_all(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_handled_is_refused() {
        for signal in FORBIDDEN {
            let error = dump_stats_on(*signal).expect_err("it cannot be");
            assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
        }
        assert!(dump_stats_on(100_000).is_err());
        assert!(!SIGNALS.lock().expect("sound").contains(&100_000));
    }
}
