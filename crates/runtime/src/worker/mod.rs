//! The other side: what a worker process does from its start to its end.
//!
//! ```text
//!   attach ─> refuse another build ─> watch the supervisor ─> set up ─> connect ─> initialize ─> Ready
//!     ─> serve: wait, decode, compute, encode, send, ... ─> pill, or abort ─> Leaving ─> _exit
//! ```
//!
//! `lane` and `pipe` are the two ways to serve; `ledger` keeps the counters; `watcher` ends
//! the process when its supervisor is gone.

mod lane;
mod ledger;
mod pipe;
mod watcher;

use std::io::Write;
use std::sync::atomic::Ordering;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use forkyard_os::clock::{now_ns, ticks};
use forkyard_os::process::{Pid, exit_now};
use forkyard_os::usage::peak_rss_bytes;
use forkyard_shm::lane::Message;
use forkyard_shm::layout::{Phase, Vitals, WorkerPage};
use forkyard_shm::{CheckEvery, OwnerIndex, Round};

use crate::bootstrap::Attachment;
use crate::context::{Context, WorkerSeat};
use crate::job::{ItemError, Job, STATUS_ERROR, STATUS_VALUE};
use crate::parcel::Parcel;
use crate::setup::{Received, preload_failed};
use crate::sink::{PutError, Sink};
use crate::start::{EXIT_NOT_ATTACHED, OsPark};
use crate::{Arena, mapped, trampoline};
use ledger::Ledger;

/// How long a worker or the supervisor spins before it sleeps, in turns of some 50 ns.
pub(crate) const MOST_SPIN_TURNS: u32 = 1000;

/// How many cores this process may keep busy. To ask takes some files, so it is asked once; a
/// zygote asks before it forks, for all its workers.
pub(crate) fn cores() -> u32 {
    static CORES: OnceLock<u32> = OnceLock::new();
    *CORES.get_or_init(|| u32::try_from(forkyard_os::cpus::available().get()).unwrap_or(u32::MAX))
}

/// Is worker `index` of the pool that `attachment` leads to, to the end of the process, which stands on
/// its own already.
pub(crate) fn run(attachment: Attachment, index: usize, generation: u32) -> ! {
    // To the end of the process: everything below borrows from it.
    let attachment: &'static Attachment = Box::leak(Box::new(attachment));
    let control = attachment.control;
    if index >= control.shape().workers as usize {
        exit_now(EXIT_NOT_ATTACHED);
    }
    let (Some(owner), Some(supervisor)) = (OwnerIndex::of_worker(index), attachment.supervisor())
    else {
        exit_now(EXIT_NOT_ATTACHED)
    };
    let page = attachment.control.page(index);
    if !attachment.is_same_build() {
        refuse(page, Phase::OtherBuild);
    }
    if let Some(why) = preload_failed() {
        give_up(page, Phase::NotPreloaded, why);
    }
    crate::trace::in_worker(&attachment.name);
    watcher::start(supervisor, attachment.name.clone(), control);
    crate::job::install_panic_hook();
    let arena = Arc::new(mapped::attach_arena(&control, &attachment.name, owner));
    let received = Received::from(page, &arena, index)
        .unwrap_or_else(|why| give_up(page, Phase::NotSetUp, &why));
    let check_every = match page.orders.check_every.load(Ordering::Relaxed) {
        0 => CheckEvery::Auto,
        n => CheckEvery::every(n),
    };
    let seat = WorkerSeat {
        index,
        owner,
        generation,
        control,
    };
    let of_worker = Arena::of_worker(Arc::clone(&arena));
    let context = Context::install(seat, of_worker, check_every, received);
    let copy_path = page.orders.copy_path.load(Ordering::Relaxed) == 1;
    let end = copy_path.then(|| {
        let name = page.link.get().unwrap_or_default();
        match forkyard_wire::link::connect(&name) {
            Ok(end) => end,
            Err(error) => {
                // A pool that ends does not wait for those that are still starting.
                if !control.header().stop.0.is_raised_for_ever() {
                    let_watcher_end();
                    complain(&format!("worker {index} cannot connect its pipe: {error}"));
                }
                refuse(page, Phase::NoLink)
            }
        }
    });
    initialize(page, context);
    let mut ledger = ready(page, generation, context);
    match end {
        Some(end) => {
            let ended = pipe::serve(end, page, context, &arena, &mut ledger);
            if ended == Ended::LineClosed && !control.header().stop.0.is_raised_for_ever() {
                let_watcher_end();
            }
        }
        None => {
            let lane = mapped::worker_lane(&control, index);
            lane::serve(lane, page, context, &arena, &mut ledger);
        }
    }
    leave(page, context, index)
}

/// Why a worker takes no more tasks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ended {
    /// It was told to end.
    Told,
    /// Its line to the supervisor is closed.
    LineClosed,
}

/// A line that closes without an order means that the supervisor has died, of which the
/// watching thread hears a moment later: it must be the one that ends this process, because it
/// takes the pool's names away.
fn let_watcher_end() {
    std::thread::park_timeout(WATCHER_DELAY);
}

/// How long after its descriptors a dying process itself may be there.
const WATCHER_DELAY: Duration = Duration::from_millis(500);

/// Says to standard error why a worker ends. Not with `eprintln!`, which panics when the supervisor,
/// who reads it, is gone.
fn complain(why: &str) {
    forkyard_os::stderr::write_all(format!("forkyard: {why}\n").as_bytes());
}

fn refuse(page: &WorkerPage, why: Phase) -> ! {
    page.vitals.enter(why);
    exit_now(EXIT_NOT_ATTACHED)
}

/// Refuses to work, and says why.
fn give_up(page: &WorkerPage, phase: Phase, why: &str) -> ! {
    page.refuse(phase, why);
    exit_now(EXIT_NOT_ATTACHED)
}

/// Runs the pool's initializer, if there is one.
fn initialize(page: &WorkerPage, context: &Context) {
    if !context.received.has_initializer() {
        return;
    }
    page.vitals.enter(Phase::Initializing);
    if let Err(why) = context.received.initialize() {
        // `_exit` does not flush what it may have printed about it.
        let _ = std::io::stdout().flush();
        give_up(page, Phase::NotInitialized, &why);
    }
}

/// Says that this worker is ready.
fn ready(page: &'static WorkerPage, generation: u32, context: &'static Context) -> Ledger {
    let vitals: &Vitals = &page.vitals;
    let pid = Pid::current().as_raw().cast_unsigned();
    vitals.pid.store(pid, Ordering::Relaxed);
    vitals.generation.store(generation, Ordering::Relaxed);
    vitals
        .check_ps
        .store(check_cost_ps(context), Ordering::Relaxed);
    let header = header(context);
    forkyard_shm::step();
    header.awake.0.fetch_add(1, Ordering::Relaxed);
    let mark = ticks();
    vitals.ready_ticks.store(mark, Ordering::Relaxed);
    vitals.ready_ns.store(now_ns(), Ordering::Relaxed);
    vitals.enter(Phase::Ready);
    header.doorbell.0.ring(&OsPark);
    Ledger::new(page, mark)
}

/// What one look at the stop flag costs, in picoseconds, measured over many.
fn check_cost_ps(context: &Context) -> u64 {
    const LOOKS: u64 = 512;
    let flag = &header(context).stop.0;
    let start = now_ns();
    for number in 0..LOOKS {
        std::hint::black_box(flag.is_raised(Round::from_number(number as u32 + 1)));
    }
    (now_ns() - start) * 1000 / LOOKS
}

fn header(context: &Context) -> &forkyard_shm::layout::Header {
    match &context.seat {
        Some(seat) => seat.control.header(),
        None => unreachable!("only a worker serves, and its context has a seat"),
    }
}

/// Ends this worker in good order.
fn leave(page: &WorkerPage, context: &Context, index: usize) -> ! {
    let vitals = &page.vitals;
    vitals.leaving_ns.store(now_ns(), Ordering::Relaxed);
    // An abort waits for nobody.
    if !header(context).stop.0.is_raised_for_ever() {
        context.received.finish(index);
    }
    vitals
        .peak_rss_bytes
        .store(peak_rss_bytes(), Ordering::Relaxed);
    vitals.enter(Phase::Leaving);
    // `_exit` runs no destructors: what tasks printed must not be lost with the buffer.
    let _ = std::io::stdout().flush();
    exit_now(0)
}

/// Runs the task of a message into `sink`; returns the status of its result.
#[inline]
fn run_job(
    message: Message,
    input: &[u8],
    sink: &mut Sink,
    ledger: &mut Ledger,
    context: &'static Context,
) -> u16 {
    Context::enter_message(ledger.begun(), message.round);
    let entry = trampoline::entry_of_message(message.entry);
    let mut job = Job {
        input,
        items: message.items,
        round: message.round,
        mode: message.status,
        out: sink,
        status: STATUS_VALUE,
        laps: &mut ledger.laps,
        context,
    };
    entry(&mut job);
    let status = job.status;
    ledger.tell_memory(&header(context).doorbell.0);
    status
}

/// The reply of a message whose results could not be packed: each item gets the reason.
#[cold]
fn cannot_pack(error: PutError, sink: &mut Sink, items: u32, parcel: &mut Parcel) {
    sink.clear();
    let error = match error {
        PutError::Codec(message) => ItemError::Encode(message),
        PutError::SharedMemory(message) => ItemError::SharedMemory(message),
    };
    // One error in place stands for the whole chunk.
    let short = match sink.put(&error) {
        Ok(()) if sink.len() <= forkyard_shm::lane::INLINE_BYTES => error,
        _ => ItemError::no_memory(),
    };
    sink.clear();
    let _ = sink.put(&short);
    let message = Message {
        items,
        status: STATUS_ERROR,
        ..Message::default()
    };
    if sink.take(message, parcel).is_err() {
        parcel.message = message;
    }
}
