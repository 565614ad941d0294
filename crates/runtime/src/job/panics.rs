//! Panics of tasks: silent, since they are reported to the supervisor, unless they end the process.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::io::Write;
use std::panic::PanicHookInfo;

use super::{ItemError, Panic};

/// What the hook has seen of a panic.
#[derive(Debug)]
struct Note {
    message: String,
    location: Option<String>,
    backtrace: Option<String>,
}

/// Notes that a thread keeps: a panic, and one of a `Drop` while it unwinds.
const MOST_NOTES: usize = 2;

thread_local! {
    /// Panics of this thread that no result has told, the latest last.
    static NOTES: RefCell<Vec<Note>> = const { RefCell::new(Vec::new()) };
    /// Whether this thread, though not the worker's first, reports its panics to a caller.
    static REPORTS: Cell<bool> = const { Cell::new(false) };
}

/// A panic that was caught, as it is told to the supervisor.
#[cold]
pub(crate) fn panicked(payload: &(dyn Any + Send)) -> ItemError {
    // Those before it were caught on the way.
    let (location, backtrace) = match NOTES.take().pop() {
        Some(note) => (note.location, note.backtrace),
        None => (None, None),
    };
    ItemError::Panicked(Box::new(Panic {
        message: message(payload),
        location,
        backtrace,
    }))
}

fn message(payload: &(dyn Any + Send)) -> String {
    if let Some(text) = payload.downcast_ref::<&str>() {
        (*text).to_owned()
    } else if let Some(text) = payload.downcast_ref::<String>() {
        text.clone()
    } else {
        "(a panic whose payload is no text)".to_owned()
    }
}

/// From now on panics of this thread, too, are silent and noted: it runs what others sent.
pub(crate) fn report_panics_of_this_thread() {
    REPORTS.set(true);
}

/// Makes panics of tasks silent in this worker (they are reported to the supervisor) and
/// notes where they happened. Panics of threads that tasks started go to the hook before, and so
/// do those with which the process ends: nobody catches them, and the death's report has only
/// what is written here.
pub(crate) fn install_panic_hook() {
    let before = std::panic::take_hook();
    let worker_thread = std::thread::current().id();
    std::panic::set_hook(Box::new(move |info| {
        if std::thread::current().id() != worker_thread && !REPORTS.get() {
            before(info);
        } else if ends_the_process(info) {
            before(info);
            let mut panics = NOTES.take();
            let mut last = Note::of(info, None);
            if !panics.is_empty() && !cfg!(panic = "abort") {
                last.location = None; // within the standard library
            }
            panics.push(last);
            // Behind a backtrace, which is longer than the tail that is quoted.
            let _ = writeln!(std::io::stderr(), "{}", in_one_line(&panics));
        } else {
            let trace = std::backtrace::Backtrace::capture();
            let trace = (trace.status() == std::backtrace::BacktraceStatus::Captured)
                .then(|| trace.to_string());
            let note = Note::of(info, trace);
            NOTES.with_borrow_mut(|notes| {
                if notes.len() == MOST_NOTES {
                    notes.remove(0);
                }
                notes.push(note);
            });
        }
    }));
}

/// Whether nothing can catch the panic: where panics abort; or where it must not unwind, as out of
/// an `extern "C"` function, or out of a `Drop` while another one unwinds.
fn ends_the_process(info: &PanicHookInfo<'_>) -> bool {
    // `PanicHookInfo::can_unwind` is not stable, what `Debug` prints of it is there. Should that
    // change, a test of last words fails, and such panics are as silent as others.
    cfg!(panic = "abort") || format!("{info:?}").contains("can_unwind: false")
}

impl Note {
    fn of(info: &PanicHookInfo<'_>, backtrace: Option<String>) -> Self {
        Self {
            message: message(info.payload()),
            location: info.location().map(ToString::to_string),
            backtrace,
        }
    }
}

/// Each with its place, in their order.
fn in_one_line(panics: &[Note]) -> String {
    let mut line = String::from("this worker panicked: ");
    for (index, panic) in panics.iter().enumerate() {
        if index > 0 {
            line.push_str(", then: ");
        }
        let mut words = panic.message.split_whitespace();
        line.extend(words.next());
        for word in words {
            line.push(' ');
            line.push_str(word);
        }
        if let Some(location) = &panic.location {
            line.push_str(" at ");
            line.push_str(location);
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn panics_are_told_in_one_line() {
        let note = |message: &str, location: Option<&str>| Note {
            message: message.to_owned(),
            location: location.map(str::to_owned),
            backtrace: None,
        };
        let panics = [note("left\n  right", Some("a.rs:1:2")), note("", None)];
        let line = "this worker panicked: left right at a.rs:1:2, then: ";
        assert_eq!(in_one_line(&panics), line);
    }
}
