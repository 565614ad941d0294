//! Ctrl-C and SIGTERM.

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use forkyard_measure::{Interrupts, Listener, Reaction};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::low_level::pipe;

use crate::exit::Exit;
use crate::output;

/// What [`Signals::stop`] writes. Signal handlers write another byte.
const END: u8 = b'.';

/// Passes signals on to a run.
///
/// The handlers are there from [`register`](Self::register) on and write to a socket, which
/// keeps what comes while no thread reads. The thread exists only while a run wants it.
pub(crate) struct Signals {
    interrupts: Arc<Interrupts>,
    read: UnixStream,
    write: UnixStream,
    thread: Option<JoinHandle<()>>,
}

impl Signals {
    /// Takes the signals over.
    pub(crate) fn register(interrupts: Arc<Interrupts>) -> io::Result<Self> {
        let (read, write) = UnixStream::pair()?;
        for signal in [SIGINT, SIGTERM] {
            pipe::register(signal, write.try_clone()?)?;
        }
        Ok(Self {
            interrupts,
            read,
            write,
            thread: None,
        })
    }
}

impl Listener for Signals {
    fn start(&mut self) {
        let interrupts = Arc::clone(&self.interrupts);
        // Without a thread there are no interrupts, which is better than no run.
        self.thread = self.read.try_clone().ok().and_then(|read| {
            let listen = move || listen(read, &interrupts);
            let name = "signals".to_owned();
            thread::Builder::new().name(name).spawn(listen).ok()
        });
    }

    fn stop(&mut self) {
        let Some(thread) = self.thread.take() else {
            return;
        };
        if self.write.write_all(&[END]).is_ok() {
            // It does not panic, and if it did the run would be none the worse.
            let _ = thread.join();
        }
    }
}

fn listen(mut read: UnixStream, interrupts: &Interrupts) {
    let mut byte = [0];
    while read.read_exact(&mut byte).is_ok() && byte[0] != END {
        match interrupts.interrupt() {
            Reaction::Asked => {
                output::complain("interrupted: stopping; once more to kill the workers");
            }
            Reaction::Killed => output::complain("killed the workers"),
            Reaction::NothingToKill => std::process::exit(i32::from(Exit::Interrupted as u8)),
        }
    }
}
