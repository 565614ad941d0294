//! Ctrl-C, SIGTERM, Ctrl-Z and SIGUSR1.

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};

use forkyard_measure::{Interrupts, Listener, Reaction, Style, beside_progress, pools_to_text};
use signal_hook::consts::{SIGCONT, SIGINT, SIGTERM, SIGTSTP, SIGUSR1};
use signal_hook::low_level::{pipe, unregister};
use signal_hook::{SigId, flag};

use crate::exit::Exit;
use crate::output;

/// What [`Line::stop`] writes. Signal handlers write another byte.
const END: u8 = b'.';

/// What asks a run to end.
const ENDING: [i32; 2] = [SIGINT, SIGTERM];

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
    unheard: Unheard,
    ending: Vec<i32>,
    over: Arc<AtomicBool>,
}

impl Signals {
    /// Takes the signals over.
    pub(crate) fn register(interrupts: Arc<Interrupts>) -> io::Result<Self> {
        // Asked before there is a handler, which would hide it.
        let ignored = Ignored::now();
        let ending = ignored.others(&ENDING);
        let stopping = ignored.others(&[SIGTSTP]);
        let job = Arc::new(AtomicUsize::new(TO_GO_ON));
        for &signal in &stopping {
            flag::register_usize(signal, Arc::clone(&job), TO_STOP)?;
        }
        flag::register_usize(SIGCONT, Arc::clone(&job), TO_GO_ON)?;
        let over = Arc::new(AtomicBool::new(false));
        for &signal in &ending {
            let exit = i32::from(Exit::Interrupted as u8);
            flag::register_conditional_shutdown(signal, exit, Arc::clone(&over))?;
        }
        for &signal in &stopping {
            flag::register_conditional_default(signal, Arc::clone(&over))?;
        }
        Ok(Self {
            interrupts,
            job,
            stops: Line::register(&stopping)?,
            ends: Line::register(&ending)?,
            dumps: Line::register(&ignored.others(&[SIGUSR1]))?,
            unheard: Unheard::register(&ending)?,
            ending,
            over,
        })
    }

    /// No run will listen any more: what is left is output, which the first signal ends at once.
    /// Whether one had come that no run has heard.
    pub(crate) fn end(&self) -> bool {
        self.over.store(true, Ordering::SeqCst);
        self.unheard.came.load(Ordering::SeqCst)
    }
}

impl Listener for Signals {
    fn start(&mut self) {
        let interrupts = Arc::clone(&self.interrupts);
        if self.ends.start("signals", move || interrupt(&interrupts)) {
            self.unheard.unregister();
        }
        let job = Arc::clone(&self.job);
        self.stops.start("job control", move || suspend(&job));
        self.dumps.start("dumps", dump);
    }

    fn stop(&mut self) {
        self.ends.stop();
        self.stops.stop();
        self.dumps.stop();
        // Only now: what the thread still heard is not to count. Without it there are the lines,
        // which lose nothing.
        if let Ok(unheard) = Unheard::register(&self.ending) {
            self.unheard.unregister();
            self.unheard = unheard;
        }
    }
}

/// The signals that this process was started to ignore, as a shell does with SIGINT for what it runs
/// in the background. They stay ignored.
pub(crate) struct Ignored(u64);

impl Ignored {
    /// Those of this moment. None where there is no /proc to tell.
    pub(crate) fn now() -> Self {
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        Self(ignored_in(&status))
    }

    /// Those of `signals` that are not among them.
    pub(crate) fn others(&self, signals: &[i32]) -> Vec<i32> {
        let signals = signals.iter().copied();
        signals
            .filter(|signal| self.0 >> (signal - 1) & 1 == 0)
            .collect()
    }
}

/// The mask of ignored signals in a `status` of /proc: bit 0 is signal 1.
fn ignored_in(status: &str) -> u64 {
    let mut lines = status.lines();
    let mask = lines.find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        .unwrap_or(0)
}

/// What is to end while no thread listens, as a pool is built: the lines keep the first signal for
/// the thread to come, and a second one ends the process, for a start that hangs. The workers see
/// that their supervisor is gone.
struct Unheard {
    came: Arc<AtomicBool>,
    actions: Vec<SigId>,
}

impl Unheard {
    fn register(signals: &[i32]) -> io::Result<Self> {
        let came = Arc::new(AtomicBool::new(false));
        let mut actions = Vec::new();
        for signal in signals {
            let exit = i32::from(Exit::Interrupted as u8);
            // They act in this order, so that the first only leaves its mark.
            let second = flag::register_conditional_shutdown(*signal, exit, Arc::clone(&came))?;
            actions.push(second);
            actions.push(flag::register(*signal, Arc::clone(&came))?);
        }
        Ok(Self { came, actions })
    }

    fn unregister(&mut self) {
        for action in self.actions.drain(..) {
            unregister(action);
        }
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

    /// Whether there is a thread now. Without one there are no signals, which is better than no run.
    fn start(&mut self, name: &str, act: impl Fn() + Send + 'static) -> bool {
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
        self.thread.is_some()
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
        // Nobody else would take the bar away.
        Reaction::NothingToKill => {
            beside_progress(|| std::process::exit(i32::from(Exit::Interrupted as u8)));
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_ignored_is_left_out() {
        let mask = ignored_in("SigBlk:\t0000000000000000\nSigIgn:\t0000000000001002\nSigCgt:\t4\n");
        assert_eq!(mask, 0x1002);
        assert_eq!(Ignored(mask).others(&[SIGINT, SIGTERM]), [SIGTERM]);
        assert_eq!(ignored_in("nothing of that"), 0);
    }
}
