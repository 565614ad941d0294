//! A progress bar for people who wait longer than half a second, for the work or for its end.

use std::fmt::Write;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use forkyard::{PoolStats, WorkerState};
use indicatif::{HumanDuration, ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};

/// A run shorter than this shows no bar.
const SILENT_FOR: Duration = Duration::from_millis(500);

/// How often the bar is brought up to date.
const REFRESH: Duration = Duration::from_millis(100);

/// The bar that is shown now. A terminal has one place for it, and a process one terminal.
static SHOWN: Mutex<Option<ProgressBar>> = Mutex::new(None);

/// Does `write` while there is no bar in its way: one that is shown makes room and comes back below
/// what was written.
pub fn beside_progress<R>(write: impl FnOnce() -> R) -> R {
    // Held meanwhile, so that no bar appears.
    match &*SHOWN.lock().unwrap_or_else(PoisonError::into_inner) {
        Some(bar) => bar.suspend(write),
        None => write(),
    }
}

fn show(bar: Option<ProgressBar>) {
    *SHOWN.lock().unwrap_or_else(PoisonError::into_inner) = bar;
}

/// What a bar shows.
pub(crate) struct Progress<'a> {
    /// Whether there is one at all.
    pub(crate) enabled: bool,
    /// What is being done now.
    pub(crate) label: &'a (dyn Fn() -> String + Sync),
    /// Tasks in all; without it the bar only shows that something goes on.
    pub(crate) total: Option<u64>,
    /// Tasks done so far.
    pub(crate) done: &'a (dyn Fn() -> u64 + Sync),
}

impl Progress<'_> {
    /// Does `work` while a thread keeps the bar. The thread has ended when this returns.
    pub(crate) fn during<R>(&self, work: impl FnOnce() -> R) -> R {
        if !self.enabled {
            return work();
        }
        std::thread::scope(|scope| {
            // Dropping `over`, at the end or in a panic, ends the thread.
            let (over, ended) = channel::<()>();
            let thread = scope.spawn(move || self.keep_bar(&ended));
            let result = work();
            drop(over);
            // A bar that panicked is no reason to lose the result.
            let _ = thread.join();
            result
        })
    }

    fn keep_bar(&self, ended: &Receiver<()>) {
        if ended.recv_timeout(SILENT_FOR) != Err(RecvTimeoutError::Timeout) {
            return;
        }
        let bar = match self.total {
            Some(total) => ProgressBar::new(total).with_style(style(
                "{msg} [{bar:30}] {human_pos}/{human_len} tasks, {elapsed}{left}",
            )),
            None => ProgressBar::new_spinner().with_style(style("{spinner} {msg}, {elapsed}")),
        };
        // It has been going on since before there was a bar, and how fast is told by what comes now:
        // what was done before is counted out of sight, or it would all count as done at once.
        let bar = bar.with_elapsed(SILENT_FOR);
        bar.set_draw_target(ProgressDrawTarget::hidden());
        bar.set_position((self.done)());
        bar.tick();
        bar.reset_eta();
        bar.set_draw_target(ProgressDrawTarget::stderr());
        show(Some(bar.clone()));
        loop {
            bar.set_message((self.label)());
            bar.set_position((self.done)());
            bar.tick();
            if ended.recv_timeout(REFRESH) != Err(RecvTimeoutError::Timeout) {
                break;
            }
        }
        show(None);
        bar.finish_and_clear();
    }
}

/// What a pool that ends waits for.
pub(crate) fn waited_for(stats: &PoolStats) -> String {
    let of = |state| {
        stats
            .workers
            .iter()
            .filter(move |worker| worker.state == state)
    };
    let mut parts = Vec::new();
    let longest = of(WorkerState::Running)
        .filter_map(|worker| worker.task_age)
        .max();
    if let Some(age) = longest {
        let age = HumanDuration(age);
        parts.push(match of(WorkerState::Running).count() {
            1 => format!("a worker at its task for {age:#}"),
            workers => format!("{workers} workers at their tasks, one for {age:#}"),
        });
    }
    for (state, what) in [
        (WorkerState::Starting, "to start"),
        (WorkerState::Ending, "to leave"),
    ] {
        match of(state).count() {
            0 => {}
            1 => parts.push(format!("a worker {what}")),
            workers => parts.push(format!("{workers} workers {what}")),
        }
    }
    let queued = stats.workers.iter().map(|worker| worker.queued);
    match queued.fold(stats.pending, u64::saturating_add) {
        0 => {}
        1 => parts.push("a message in line".to_owned()),
        messages => parts.push(format!("{messages} messages in line")),
    }
    match parts.is_empty() {
        true => "ending".to_owned(),
        false => format!("ending: waiting for {}", parts.join(", ")),
    }
}

fn style(template: &str) -> ProgressStyle {
    // The templates are constants of this file; a wrong one shows the default bar.
    ProgressStyle::with_template(template)
        .unwrap_or_else(|_| ProgressStyle::default_bar())
        .with_key("left", left)
}

/// How much longer it takes, once that can be told.
fn left(state: &ProgressState, out: &mut dyn Write) {
    // Zero also where nothing has been done since there is a bar.
    let left = state.eta();
    if !left.is_zero() {
        // A bar without this is no reason to fail.
        let _ = write!(out, ", {:#} left", HumanDuration(left));
    }
}

#[cfg(test)]
mod tests {
    use forkyard::{ArenaUse, PoolStage, Stages, StartMethod, Transport, WorkerStats};

    use super::*;

    fn stats(states: &[WorkerState]) -> PoolStats {
        let worker = |(worker, state)| WorkerStats {
            worker,
            generation: 0,
            pid: None,
            state,
            task: None,
            progress: None,
            task_age: None,
            queued: 0,
            tasks: 0,
            tasks_per_second: 0.0,
            bytes_in: 0,
            bytes_out: 0,
            age: Duration::ZERO,
            stages: Stages::default(),
            rss_bytes: None,
        };
        PoolStats {
            segment: String::new(),
            name: String::new(),
            pid: 1,
            start_method: StartMethod::Spawn,
            transport: Transport::Shared,
            stage: PoolStage::Closing,
            uptime: Duration::ZERO,
            tasks: 0,
            pending: 0,
            starts: 0,
            deaths: 0,
            arena: ArenaUse::default(),
            workers: states.iter().copied().enumerate().map(worker).collect(),
        }
    }

    #[test]
    fn the_work_is_done_with_and_without_a_bar() {
        for enabled in [false, true] {
            let progress = Progress {
                enabled,
                label: &|| "work".to_owned(),
                total: Some(1),
                done: &|| 0,
            };
            assert_eq!(progress.during(|| 7), 7);
        }
    }

    #[test]
    fn it_is_told_what_is_waited_for() {
        let mut stats = stats(&[WorkerState::Gone; 4]);
        assert_eq!(waited_for(&stats), "ending");
        stats.workers[0].state = WorkerState::Ending;
        assert_eq!(waited_for(&stats), "ending: waiting for a worker to leave");
        stats.workers[1].state = WorkerState::Running;
        stats.workers[1].task_age = Some(Duration::from_secs(7));
        stats.workers[1].queued = 2;
        assert_eq!(
            waited_for(&stats),
            "ending: waiting for a worker at its task for 7s, a worker to leave, 2 messages in line"
        );
        stats.workers[0].state = WorkerState::Running;
        stats.workers[0].task_age = Some(Duration::from_secs(200));
        stats.workers[1].queued = 0;
        stats.pending = 1;
        assert_eq!(
            waited_for(&stats),
            "ending: waiting for 2 workers at their tasks, one for 3m, a message in line"
        );
    }
}
