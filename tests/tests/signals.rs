//! Promise: signals are the supervisor's affair. Workers are out of the terminal's reach, and a
//! system call that is interrupted is taken up again.
#![forbid(unsafe_code)]

use std::process::Command;
use std::time::{Duration, Instant};

use forkyard_os::process::Signal;
use tests::victim::send;
use tests::{Victim, census, victim};

/// Runs what follows in a terminal of its own that stops jobs in the background for writing to it.
const TERMINAL: [&str; 4] = [
    "sh",
    "-c",
    "exec script -qec \"stty tostop; exec $*\" /dev/null",
    "sh",
];

/// Whether terminals can be made here: by util-linux's program, not by others of that name.
fn has_script() -> bool {
    let version = Command::new("script").arg("--version").output();
    version.is_ok_and(|said| String::from_utf8_lossy(&said.stdout).contains("util-linux"))
}

tests::on_every_way! {
    /// Ctrl-C reaches the supervisor alone; it aborts, and every worker leaves by itself.
    case_28_a_supervisor_that_handles_ctrl_c_ends_in_order => |way| {
        let mut victim = victim!(way, "signals/handled").start();
        victim.hear("searching");
        victim.signal_group("INT");
        victim.wait().passed();
    };
    /// A second one, at any time after the first, changes nothing.
    case_28_ctrl_c_twice_in_a_row_is_as_once => |way| {
        for pause in [0, 1, 4] {
            let mut victim = victim!(way, "signals/handled").start();
            victim.hear("searching");
            victim.signal_group("INT");
            tests::patience::observe_for(Duration::from_millis(pause));
            victim.signal_group("INT");
            victim.wait().passed();
        }
    };
    /// While `close` waits for tasks that take long.
    case_28_ctrl_c_while_draining_ends_everything => |way| {
        for (name, signal) in [("INT", Signal::Int), ("TERM", Signal::Term)] {
            let mut victim = victim!(way, "shutdown/draining").start();
            victim.hear("up");
            victim.signal_group(name);
            victim.wait().was_killed_by(signal);
        }
    };
    /// One that does not handle it dies of it, and its workers with it.
    case_28_ctrl_c_ends_everything => |way| {
        for scenario in ["shutdown/idle", "shutdown/busy"] {
            let mut victim = victim!(way, scenario).start();
            victim.hear("up");
            victim.signal_group("INT");
            victim.wait().was_killed_by(Signal::Int);
        }
    };
    case_28_term_ends_everything => |way| {
        for scenario in ["shutdown/idle", "shutdown/busy"] {
            let mut victim = victim!(way, scenario).start();
            victim.hear("up");
            victim.signal_group("TERM");
            victim.wait().was_killed_by(Signal::Term);
        }
    };
    case_28_ctrl_c_while_starting_ends_everything => |way| {
        let mut victim = victim!(way, "shutdown/building").start();
        victim.hear("up");
        victim.signal_group("INT");
        victim.wait().was_swept_after(Signal::Int, victim!(way, "start/plain"));
    };
    tasks_read_nothing_of_what_is_piped_in => |way| {
        let words = "all of it ";
        let victim = victim!(way, "signals/input").arg(words);
        victim.reading(words.repeat(1000)).passes();
    };
    a_terminal_stops_no_worker => |way| {
        if has_script() {
            let victim = victim!(way, "signals/terminal").under(&TERMINAL);
            let ended = victim.run();
            ended.passed();
            for n in 0..20 {
                let line = format!("task {n}");
                assert_eq!(ended.stdout.lines().filter(|found| *found == line).count(), 1, "{line}");
            }
        }
    };
    /// Ctrl-Z stops the supervisor alone, and it goes on where it was.
    case_28_a_stopped_supervisor_goes_on => |way| {
        let mut victim = victim!(way, "signals/stopped").start();
        victim.hear("working");
        for _ in 0..5 {
            victim.signal_group("TSTP");
            victim.signal_group("STOP");
            tests::patience::observe_for(Duration::from_millis(10));
            victim.signal_group("CONT");
        }
        victim.say("enough", "");
        victim.wait().passed();
    };
    /// Each thread of the supervisor is hit all the time, by a handler without SA_RESTART.
    case_31_interrupted_calls_change_nothing => |way| {
        let rough = Victim::new(env!("CARGO_BIN_EXE_rough"));
        let mut victim = rough.arg("interrupts").on(way).start();
        let pid = victim.hear("storm").parse().expect("a pid");
        victim.say("it storms", "");
        let calm = victim.folder().join("calm");
        let end = Instant::now() + tests::patience::LIVENESS;
        while !calm.exists() && Instant::now() < end {
            let threads = census::threads_of(pid);
            if threads.is_empty() {
                break;
            }
            for thread in threads {
                send(thread, Signal::Int);
            }
            // Without a pause the victim would do nothing but handle signals.
            tests::patience::observe_for(Duration::from_micros(50));
        }
        victim.wait().passed();
    };
}
