//! Shared state: what holds while processes use it, and what the others see when one of them
//! dies, or the pool does.
#![expect(clippy::needless_pass_by_value, reason = "a task owns its argument")]

mod crossing;
mod ending;
mod locks;
mod meeting;
mod progress;
mod queue;

use std::thread::JoinHandle;
use std::time::Duration;

use forkyard::{Pool, TaskError};
use forkyard_os::process::Signal;
use tests::gate;
use tests::patience::{LIVENESS, observe_for, until};
use tests::victim::send;

use crate::Scenario;

pub(crate) const SCENARIOS: &[Scenario] = &[
    ("state/counter", locks::counter),
    ("state/case-42", locks::case_42),
    ("state/panic", locks::panic),
    ("state/lock-deaths", locks::deaths),
    ("state/semaphore", locks::semaphore),
    ("state/permits", locks::permits),
    ("state/lock-stage", locks::lock_stage),
    ("state/event", meeting::event),
    ("state/promise", meeting::promise),
    ("state/barrier", meeting::barrier),
    ("state/broken-barrier", meeting::broken_barrier),
    ("state/queue", queue::sums),
    ("state/queue-deaths", queue::deaths),
    ("state/closed-queue", queue::closed),
    ("state/crossing", crossing::crossing),
    ("state/foreign", crossing::foreign),
    ("state/forged", crossing::forged),
    ("state/limits", crossing::limits),
    ("state/dropped", crossing::dropped),
    ("state/many", crossing::many),
    ("state/idle", progress::idle),
    ("state/behind-pending", progress::behind_pending),
    ("state/behind-waiting", progress::behind_waiting),
    ("state/behind-result", progress::behind_result),
    ("state/in-a-chunk", progress::in_a_chunk),
    ("state/abort", ending::abort),
    ("state/drop", ending::drop_pool),
    ("state/close", ending::close),
    ("state/after-the-end", ending::after_the_end),
];

/// The index and the pid of the calling task's worker, said under `name`.
fn say_who(name: &str) {
    let worker = forkyard::context().worker().expect("in a worker");
    gate::say(name, format!("{worker} {}", std::process::id()));
}

/// Who has said so: worker and pid.
fn who_said(name: &str) -> (usize, i32) {
    let said = gate::hear(name);
    let mut words = said.split(' ');
    let mut word = || words.next().expect("worker and pid");
    (
        word().parse().expect("a worker"),
        word().parse().expect("a pid"),
    )
}

/// Kills the worker that has said who it is; says which it was.
fn kill_who_said(name: &str) -> usize {
    let (worker, pid) = who_said(name);
    send(pid, Signal::Kill);
    worker
}

/// Never comes back.
fn hold_on() -> ! {
    loop {
        std::thread::park();
    }
}

/// Kills a worker at whatever it does, after a time that is another one each time.
fn kill_one(pool: &Pool, round: u64) {
    observe_for(Duration::from_micros(100 + 173 * round % 2000));
    let rows = pool.timings();
    let live: Vec<i32> = rows
        .iter()
        .filter(|row| row.exit.is_none() && row.pid > 0)
        .map(|row| row.pid)
        .collect();
    if let Some(pid) = live.get(round as usize % live.len().max(1)) {
        send(*pid, Signal::Kill);
    }
}

/// Runs `wait` in a thread. It will mostly wait when this comes back; whether it does, or is
/// only about to, must make no difference.
fn waiting<R: Send + 'static>(wait: impl FnOnce() -> R + Send + 'static) -> JoinHandle<R> {
    let (started, starts) = std::sync::mpsc::channel();
    let thread = std::thread::spawn(move || {
        started.send(()).expect("heard");
        wait()
    });
    starts.recv().expect("the thread starts");
    observe_for(Duration::from_millis(3));
    thread
}

#[track_caller]
fn died<T: std::fmt::Debug>(result: &Result<T, TaskError>) {
    assert!(
        matches!(result, Err(TaskError::WorkerDied(_))),
        "{result:?}"
    );
}

/// The results of tasks of which none fails.
#[track_caller]
fn all_ok<T>(results: Vec<Result<T, TaskError>>) -> Vec<T> {
    let results = results.into_iter();
    results.map(|result| result.expect("its result")).collect()
}

/// No block is left in the arena, once workers have let go of what results spoke of.
fn no_block_is_left(pool: &Pool) {
    until("all blocks are back", LIVENESS, || {
        // A worker lets go when its next task begins.
        let _ = pool.map(|n: u64| n, 0..50);
        (pool.arena().stats().live_blocks == 0).then_some(())
    });
}
