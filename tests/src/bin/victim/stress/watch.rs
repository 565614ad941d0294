//! Nobody may stand still: every thread of the storm shows that it gets on, and whoever does not
//! for [`STANDSTILL`] is told, with all that can be seen of every process, as the hang it is.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use forkyard::Pool;
use tests::census;

/// No progress for so long is a hang.
const STANDSTILL: Duration = Duration::from_secs(20);
/// Between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// Exit code of a victim that hangs.
const EXIT_HANGS: i32 = 102;

/// The sign of life of one thread.
#[derive(Debug)]
pub(super) struct Pulse {
    name: &'static str,
    beats: AtomicU64,
    doing: Mutex<&'static str>,
    over: AtomicBool,
}

impl Pulse {
    /// Says that the thread got on, and what it does next.
    pub(super) fn beat(&self, doing: &'static str) {
        *self.doing.lock().unwrap_or_else(PoisonError::into_inner) = doing;
        self.beats.fetch_add(1, Ordering::Relaxed);
    }

    /// The thread has nothing more to do.
    pub(super) fn end(&self) {
        self.over.store(true, Ordering::Relaxed);
    }
}

/// Looks after pulses. Its thread ends with [`Watch::end`].
#[derive(Debug, Default)]
pub(super) struct Watch {
    pulses: Mutex<Vec<Arc<Pulse>>>,
    over: AtomicBool,
}

impl Watch {
    /// A pulse to be looked after.
    pub(super) fn pulse(&self, name: &'static str) -> Arc<Pulse> {
        let pulse = Arc::new(Pulse {
            name,
            beats: AtomicU64::new(0),
            doing: Mutex::new("beginning"),
            over: AtomicBool::new(false),
        });
        let mut pulses = self.pulses.lock().unwrap_or_else(PoisonError::into_inner);
        pulses.push(Arc::clone(&pulse));
        pulse
    }

    /// Lets the watching thread end.
    pub(super) fn end(&self) {
        self.over.store(true, Ordering::Relaxed);
    }

    /// Watches until the end; on a hang, or a panic of any thread, ends the process.
    pub(super) fn run(&self) {
        let mut last: Vec<(u64, Instant)> = Vec::new();
        while !self.over.load(Ordering::Relaxed) {
            tests::patience::observe_for(LOOK_EVERY);
            let pulses = self.pulses.lock().unwrap_or_else(PoisonError::into_inner);
            for (n, pulse) in pulses.iter().enumerate() {
                let beats = pulse.beats.load(Ordering::Relaxed);
                match last.get_mut(n) {
                    None => last.push((beats, Instant::now())),
                    Some(seen) if seen.0 != beats => *seen = (beats, Instant::now()),
                    Some((_, since)) => {
                        let still = !pulse.over.load(Ordering::Relaxed);
                        if still && since.elapsed() > STANDSTILL {
                            tell(&pulses, pulse);
                        }
                    }
                }
            }
        }
    }
}

/// Says who hangs and where everybody is, and ends the process.
fn tell(pulses: &[Arc<Pulse>], hanging: &Pulse) -> ! {
    eprintln!("{} has not got on for {STANDSTILL:?}", hanging.name);
    for pulse in pulses {
        eprintln!("  {pulse:?}");
    }
    let tag = std::env::var("FY_TEST_TAG").unwrap_or_default();
    for pid in census::tagged(&format!("FY_TEST_TAG={tag}")) {
        eprint!("{}", census::whereabouts(pid));
    }
    std::process::exit(EXIT_HANGS)
}

/// Ends the process when its thread panics: the others would go on for ever. Tells how the pool
/// is, where one is given.
pub(super) struct EndsTheProcess<'a>(pub(super) Option<&'a Pool>);

impl Drop for EndsTheProcess<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            if let Some(pool) = self.0 {
                eprintln!("{pool:#?}");
            }
            std::process::exit(101);
        }
    }
}
