//! The first line of a program that uses pools.

use std::sync::atomic::{AtomicBool, Ordering};

use forkyard_os::control::ControlSocket;
use forkyard_os::process::{become_worker, exit_now, set_name};

use crate::bootstrap::Attachment;
use crate::setup::Preparation;
use crate::start::{EARLY_VARIABLE, EXIT_NOT_ATTACHED, WORKER_VARIABLE, ZYGOTE_VARIABLE};
use crate::{test_support, worker, zygote};

static CALLED: AtomicBool = AtomicBool::new(false);
/// This process became a worker before `main`, and so must what it starts.
static EARLY: AtomicBool = AtomicBool::new(false);

/// Where a program that is started again becomes a worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Entry {
    /// In [`init`].
    Main,
    /// Before `main`, which is the test harness's.
    BeforeMain,
}

/// Makes this process a worker if it was started as one, and then never returns; else does
/// nothing but note that it was called.
///
/// Call it first in `main`, before threads, arguments and output: a worker started with
/// [`StartMethod::Spawn`](crate::StartMethod::Spawn) is the same program from its beginning.
///
/// With `#[tokio::main]` the first line of `main` comes too late: the runtime's threads are there
/// already, in each worker, too, and [`StartMethod::Fork`](crate::StartMethod::Fork) and
/// [`ForkServer`](crate::StartMethod::ForkServer) refuse to fork a process that has threads. Write a
/// plain `main`, call `init`, and build the runtime then:
///
/// ```no_run
/// fn main() -> Result<(), Box<dyn std::error::Error>> {
///     forkyard::init();
///     let pool = forkyard::Pool::builder().build()?; // before threads, if it forks
///     let runtime = tokio::runtime::Builder::new_current_thread().build()?;
///     let twelve = runtime.block_on(pool.submit(|n: u64| n * 3, 4))?;
///     assert_eq!(twelve, 12);
///     Ok(())
/// }
/// ```
///
/// In tests, whose `main` is the harness's, [`test_support!`](crate::test_support!) takes its
/// place.
pub fn init() {
    CALLED.store(true, Ordering::Relaxed);
    if let Some(orders) = take_variable(WORKER_VARIABLE) {
        set_name("forkyard-worker");
        let mut words = orders.split(' ');
        let segment = words.next().unwrap_or_default();
        let index = words.next().and_then(|word| word.parse().ok());
        let generation = words.next().and_then(|word| word.parse().ok());
        let (Some(index), Some(generation)) = (index, generation) else {
            fail(&format!("{WORKER_VARIABLE}={orders:?} is not understood"));
        };
        match Attachment::open(segment) {
            Ok(attachment) => {
                become_worker();
                worker::run(attachment, index, generation)
            }
            Err(error) => fail(&error.to_string()),
        }
    }
    if let Some(orders) = take_variable(ZYGOTE_VARIABLE) {
        set_name("forkyard-zygote");
        let mut words = orders.split(' ');
        let segment = words.next().unwrap_or_default();
        let Some(preload) = words.next().and_then(|word| word.parse().ok()) else {
            fail(&format!("{ZYGOTE_VARIABLE}={orders:?} is not understood"));
        };
        let preparation = Preparation {
            preload,
            ..Preparation::default()
        };
        let socket = ControlSocket::from_stdin();
        match (Attachment::open(segment), socket) {
            (Ok(attachment), Ok(socket)) => zygote::run(socket, attachment, &preparation),
            (Err(error), _) => fail(&error.to_string()),
            (_, Err(error)) => fail(&error.to_string()),
        }
    }
}

/// Runs in every program before its `main`: in all but the workers of tests it does nothing.
pub(crate) fn before_main() {
    // Not taken out by name alone: other processes' environments are none of our business.
    if std::env::var_os(EARLY_VARIABLE).is_some() && was_skipped() {
        crate::mapped::remove_variable(EARLY_VARIABLE);
        EARLY.store(true, Ordering::Relaxed);
        init();
    }
}

/// Where workers of this program become workers; `None` when they would not.
pub(crate) fn entry() -> Option<Entry> {
    if EARLY.load(Ordering::Relaxed) {
        return Some(Entry::BeforeMain);
    }
    if CALLED.load(Ordering::Relaxed) {
        return Some(Entry::Main);
    }
    test_support::is_marked().then_some(Entry::BeforeMain)
}

/// Whether this process was started as a worker and has not noticed.
pub(crate) fn was_skipped() -> bool {
    std::env::var_os(WORKER_VARIABLE).is_some() || std::env::var_os(ZYGOTE_VARIABLE).is_some()
}

/// Reads a variable, and takes it out of the environment that this process hands on.
fn take_variable(name: &str) -> Option<String> {
    let value = std::env::var(name).ok()?;
    crate::mapped::remove_variable(name);
    Some(value)
}

fn fail(why: &str) -> ! {
    eprintln!("forkyard: this worker cannot start: {why}");
    exit_now(EXIT_NOT_ATTACHED)
}
