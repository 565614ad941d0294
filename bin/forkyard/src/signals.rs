//! Ctrl-C, SIGTERM, Ctrl-Z and SIGUSR1.

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};

use forkyard_measure::{Interrupts, Listener, Reaction, Style, pools_to_text};
use signal_hook::consts::{SIGCONT, SIGINT, SIGTERM, SIGTSTP, SIGUSR1};
use signal_hook::flag;
use signal_hook::low_level::pipe;

use crate::exit::Exit;
use crate::output;

/// What [`Line::stop`] writes. Signal handlers write another byte.
const END: u8 = b'.';

/// What the last of the signals of job control was: to stop, or to go on.
const TO_STOP: usize = 1;
const TO_GO_ON: usize = 0;

/// Passes signals on to a run: Ctrl-C and SIGTERM end it, Ctrl-Z stops it with its workers, SIGUSR1
/// has it say what it is doing.
pub(crate) struct Signals {
    interrupts: Arc<Interrupts>,
    job: Arc<AtomicUsize>,
    ends: Line,
    stops: Line,
    dumps: Line,
}

impl Signals {
    /// Takes the signals over.
    pub(crate) fn register(interrupts: Arc<Interrupts>) -> io::Result<Self> {
        let job = Arc::new(AtomicUsize::new(TO_GO_ON));
        flag::register_usize(SIGTSTP, Arc::clone(&job), TO_STOP)?;
        flag::register_usize(SIGCONT, Arc::clone(&job), TO_GO_ON)?;
        Ok(Self {
            interrupts,
            job,
            stops: Line::register(&[SIGTSTP])?,
            ends: Line::register(&[SIGINT, SIGTERM])?,
            dumps: Line::register(&[SIGUSR1])?,
        })
    }
}

impl Listener for Signals {
    fn start(&mut self) {
        let interrupts = Arc::clone(&self.interrupts);
        self.ends.start("signals", move || interrupt(&interrupts));
        let job = Arc::clone(&self.job);
        self.stops.start("job control", move || suspend(&job));
        self.dumps.start("dumps", dump);
    }

    fn stop(&mut self) {
        self.ends.stop();
        self.stops.stop();
        self.dumps.stop();
    }
}

/// Some signals that mean the same, and a thread that acts on them.
///
/// The handlers are there from [`register`](Self::register) on and write to a socket, which
/// keeps what comes while no thread reads. The thread exists only while a run wants it.
struct Line {
    read: UnixStream,
    write: UnixStream,
    thread: Option<JoinHandle<()>>,
}

impl Line {
    fn register(signals: &[i32]) -> io::Result<Self> {
        let (read, write) = UnixStream::pair()?;
        for signal in signals {
            pipe::register(*signal, write.try_clone()?)?;
        }
        Ok(Self {
            read,
            write,
            thread: None,
        })
    }

    fn start(&mut self, name: &str, act: impl Fn() + Send + 'static) {
        // Without a thread there are no signals, which is better than no run.
        self.thread = self.read.try_clone().ok().and_then(|mut read| {
            let listen = move || {
                let mut byte = [0];
                while read.read_exact(&mut byte).is_ok() && byte[0] != END {
                    act();
                }
            };
            thread::Builder::new()
                .name(name.to_owned())
                .spawn(listen)
                .ok()
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

fn interrupt(interrupts: &Interrupts) {
    match interrupts.interrupt() {
        Reaction::Asked => {
            output::complain("interrupted: stopping; once more to kill the workers");
        }
        Reaction::Killed => output::complain("killed the workers"),
        Reaction::NothingToKill => std::process::exit(i32::from(Exit::Interrupted as u8)),
    }
}

/// Stops this process and its workers, unless it was told to go on since it was told to stop.
fn suspend(job: &AtomicUsize) {
    // Sequentially consistent, as the handlers' stores are: there is nothing to go with it.
    if job.load(Ordering::SeqCst) == TO_STOP
        && let Err(error) = forkyard::suspend()
    {
        output::complain(format!("cannot be suspended: {error}"));
    }
}

/// What the pools of this process are doing, as `forkyard inspect` shows it.
fn dump() {
    let pools = forkyard::inspect::here();
    if pools.is_empty() {
        output::complain("no pool at the moment");
    } else {
        let style = Style::for_stream(&io::stderr(), None);
        output::write_stderr(&pools_to_text(&pools, style));
    }
}
