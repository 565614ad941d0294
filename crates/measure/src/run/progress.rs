//! A progress bar for people who wait longer than half a second.

use std::fmt::Write;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use indicatif::{HumanDuration, ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};

/// A run shorter than this shows no bar.
const SILENT_FOR: Duration = Duration::from_millis(500);

/// How often the bar is brought up to date.
const REFRESH: Duration = Duration::from_millis(100);

/// What a bar shows.
pub(crate) struct Progress<'a> {
    /// Whether there is one at all.
    pub(crate) enabled: bool,
    /// What is being done.
    pub(crate) label: String,
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
        bar.set_draw_target(ProgressDrawTarget::stderr());
        bar.set_message(self.label.clone());
        loop {
            bar.set_position((self.done)());
            bar.tick();
            if ended.recv_timeout(REFRESH) != Err(RecvTimeoutError::Timeout) {
                break;
            }
        }
        bar.finish_and_clear();
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
    if state.pos() > 0 {
        // A bar without this is no reason to fail.
        let _ = write!(out, ", {:#} left", HumanDuration(state.eta()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_work_is_done_with_and_without_a_bar() {
        for enabled in [false, true] {
            let progress = Progress {
                enabled,
                label: "work".to_owned(),
                total: Some(1),
                done: &|| 0,
            };
            assert_eq!(progress.during(|| 7), 7);
        }
    }
}
