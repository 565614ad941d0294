//! The death of a worker: how it ended, what it was at, what it had to say.

use std::fmt;
use std::sync::Arc;

use forkyard_os::process::ExitCause;

use crate::stats::short_name;

/// The end of a worker process that was not asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "worker {worker}{} (pid {pid}) died while it {}: {cause}{}{}{}",
    of_pool(.pool),
    at_work(.task),
    peak_memory(*.peak_rss_bytes),
    oom(*.out_of_memory),
    last_lines(.stderr_tail)
)]
#[non_exhaustive]
pub struct WorkerDeath {
    /// The name of the pool, if it has one.
    pub pool: Option<Arc<str>>,
    /// Index of the worker in the pool.
    pub worker: usize,
    /// Which incarnation of that worker: 0 for the first, one more for each replacement.
    pub generation: u32,
    /// Process id.
    pub pid: i32,
    /// How it ended.
    pub cause: ExitCause,
    /// What it ran; `None` when it had no task.
    pub task: Option<RunningTask>,
    /// Peak resident memory in bytes; 0 when nobody could say, as of a worker whose zygote had died, or, on
    /// Linux, of one that was spawned and had no more than this process: there the kernel tells of both as one.
    pub peak_rss_bytes: u64,
    /// Whether the kernel killed it because memory ran out, on the machine or in its cgroup: a SIGKILL
    /// for which the cgroup's count of such kills has risen. (When somebody else sends a SIGKILL at the
    /// same moment, the two may be told the wrong way round.) `None` where the kernel does not tell: not on
    /// Linux, or in the root of a cgroup hierarchy of version 2.
    pub out_of_memory: Option<bool>,
    /// The last 2 KiB that it, or a process that it started, wrote to standard error, what is no UTF-8
    /// replaced; empty if it wrote nothing or [inherited](crate::WorkerStderr) its standard error.
    /// Shared by the errors of all items of a message.
    pub stderr_tail: Arc<str>,
}

/// What a worker runs: a message, which is a task of a `submit` or a chunk of those of a `map`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct RunningTask {
    /// The function, by [`std::any::type_name`].
    pub function: &'static str,
    /// Index of the message's first item, in the order in which they were submitted; 0 in a `submit`.
    pub first: u64,
    /// How many items the message has. Which of them ran is not known.
    pub items: u32,
}

/// The function without the modules that lead to it, and which items: `resize (items 40 to 47)`.
impl fmt::Display for RunningTask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { first, items, .. } = *self;
        f.write_str(&short_name(self.function))?;
        match items {
            0 | 1 if first == 0 => Ok(()),
            0 | 1 => write!(f, " (item {first})"),
            _ => {
                let last = first.saturating_add(u64::from(items) - 1);
                write!(f, " (items {first} to {last})")
            }
        }
    }
}

fn at_work(task: &Option<RunningTask>) -> String {
    task.map_or_else(|| "had no task".to_owned(), |task| format!("ran {task}"))
}

fn peak_memory(bytes: u64) -> String {
    match bytes {
        0 => String::new(),
        bytes => format!("; peak memory {} MiB", bytes.div_ceil(1 << 20)),
    }
}

fn of_pool(pool: &Option<Arc<str>>) -> String {
    pool.as_ref()
        .map_or_else(String::new, |name| format!(" of pool {name:?}"))
}

fn oom(out_of_memory: Option<bool>) -> &'static str {
    match out_of_memory {
        Some(true) => "; the kernel killed it because memory had run out",
        Some(false) | None => "",
    }
}

/// Characters of a worker's last lines in a message.
const MOST_QUOTED: usize = 240;

/// The last two lines of what a worker wrote, in one: a crash is rarely told in more, and often in two.
fn last_lines(tail: &str) -> String {
    let mut lines = tail.lines().map(str::trim).filter(|line| !line.is_empty());
    let Some(last) = lines.next_back() else {
        return String::new();
    };
    let text = match lines.next_back() {
        Some(before) => format!("{before}; {last}"),
        None => last.to_owned(),
    };
    // A terminal is not to be told what to do by what a worker has written.
    let quoted: String = text.chars().filter(|c| !c.is_control()).collect();
    let cut = quoted.chars().count().saturating_sub(MOST_QUOTED);
    let quoted: String = quoted.chars().skip(cut).collect();
    format!("; it last wrote: {quoted}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_death_says_what_it_ran() {
        let ran = |first, items| {
            let function = "app::Image::load";
            RunningTask {
                function,
                first,
                items,
            }
        };
        for (task, text) in [
            (None, "had no task"),
            (Some(ran(0, 1)), "ran Image::load"),
            (Some(ran(7, 1)), "ran Image::load (item 7)"),
            (Some(ran(0, 8)), "ran Image::load (items 0 to 7)"),
            (
                Some(ran(u64::MAX, 2)),
                "ran Image::load (items 18446744073709551615 to 18446744073709551615)",
            ),
        ] {
            assert_eq!(at_work(&task), text);
        }
        let peaks = [0, 1, 5 << 20].map(peak_memory);
        assert_eq!(peaks, ["", "; peak memory 1 MiB", "; peak memory 5 MiB"]);
    }

    #[test]
    fn a_death_quotes_the_last_lines() {
        let mut death = WorkerDeath {
            pool: None,
            worker: 1,
            generation: 0,
            pid: 77,
            cause: ExitCause::Code(9),
            task: Some(RunningTask {
                function: "app::decode",
                first: 0,
                items: 1,
            }),
            peak_rss_bytes: 5 << 20,
            out_of_memory: None,
            stderr_tail: Arc::default(),
        };
        let plain = "worker 1 (pid 77) died while it ran decode: exit code 9; peak memory 5 MiB";
        assert_eq!(death.to_string(), plain);
        death.stderr_tail =
            "early\n\nthread main has overflowed its stack\r\n\nfatal\x1b[0m\n".into();
        let quoted = "; it last wrote: thread main has overflowed its stack; fatal[0m";
        assert_eq!(death.to_string(), format!("{plain}{quoted}"));
        death.stderr_tail = "y".repeat(2048).into();
        let text = death.to_string();
        assert!(text.ends_with(&format!(": {}", "y".repeat(MOST_QUOTED))));
        death.task = None;
        death.peak_rss_bytes = 0;
        death.stderr_tail = Arc::default();
        let idle = "worker 1 (pid 77) died while it had no task: exit code 9";
        assert_eq!(death.to_string(), idle);
        death.out_of_memory = Some(true);
        death.stderr_tail = "\n \n".into();
        assert!(
            death
                .to_string()
                .ends_with("code 9; the kernel killed it because memory had run out")
        );
    }
}
