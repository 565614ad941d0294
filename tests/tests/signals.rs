//! Promise: signals are the supervisor's affair. Workers are out of the terminal's reach, and a
//! system call that is interrupted is taken up again.
#![forbid(unsafe_code)]

use std::process::Command;
use std::time::{Duration, Instant};

use forkyard_os::process::Signal;
use tests::patience::LIVENESS;
use tests::victim::send;
use tests::{Running, Victim, Way, census, victim};

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

fn is_stopped(pid: i32) -> bool {
    census::standing(pid).is_some_and(|now| now.state == 'T')
}

/// Stops a victim that does nothing about it, some times; all its work is done in the end.
fn stops_alone(way: Way, signal: &str) {
    if !census::can_see() {
        return;
    }
    let mut victim = victim!(way, "signals/stopped").start();
    victim.hear("working");
    for _ in 0..5 {
        victim.signal_group(signal);
        tests::until("it stops", LIVENESS, || {
            is_stopped(victim.pid()).then_some(())
        });
        let workers = victim.processes().into_iter();
        let stopped = workers.filter(|pid| is_stopped(*pid)).collect::<Vec<_>>();
        assert_eq!(stopped, [victim.pid()]);
        victim.signal_group("CONT");
        tests::until("it goes on", LIVENESS, || {
            (!is_stopped(victim.pid())).then_some(())
        });
    }
    victim.say("enough", "");
    victim.wait().passed();
}

/// The supervisor, and for each worker itself and the program that its task has started.
fn hear_job(victim: &mut Running) -> Vec<i32> {
    let mut job = vec![victim.pid()];
    for n in 0..2 {
        let pids = victim.hear(&format!("pids{n}"));
        job.extend(
            pids.split(' ')
                .map(|pid| pid.parse::<i32>().expect("a pid")),
        );
    }
    job
}

/// Presses Ctrl-Z, and waits until all of the job has stopped.
fn suspend(victim: &Running, job: &[i32]) {
    victim.signal_group("TSTP");
    tests::until("all stop", LIVENESS, || {
        job.iter().all(|pid| is_stopped(*pid)).then_some(())
    });
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
    /// Without a word from the program, Ctrl-Z stops the supervisor alone, and it goes on where it was.
    case_28_a_supervisor_stopped_by_ctrl_z_goes_on => |way| stops_alone(way, "TSTP");
    case_28_a_supervisor_that_is_halted_goes_on => |way| stops_alone(way, "STOP");
    /// One that asks for it stops with all its workers and with what their tasks have started,
    /// and no task's time runs meanwhile.
    case_28_ctrl_z_stops_the_whole_job => |way| {
        const LIMIT: Duration = Duration::from_secs(2);
        let mut victim = victim!(way, "signals/suspended").arg(LIMIT.as_millis()).start();
        let job = hear_job(&mut victim);
        suspend(&victim, &job);
        tests::patience::observe_for(LIMIT + Duration::from_millis(200));
        victim.signal_group("CONT");
        victim.say("go on", "");
        victim.wait().passed();
    };
    case_28_ctrl_z_again_and_again => |way| {
        let mut victim = victim!(way, "signals/suspended").arg(60_000).start();
        let job = hear_job(&mut victim);
        for _ in 0..10 {
            suspend(&victim, &job);
            victim.signal_group("CONT");
            tests::until("they go on", LIVENESS, || job.iter().all(|pid| !is_stopped(*pid)).then_some(()));
        }
        victim.say("go on", "");
        victim.wait().passed();
    };
    /// A suspended job that is killed leaves nothing, as any other.
    case_28_a_suspended_supervisor_is_killed => |way| {
        let mut victim = victim!(way, "signals/suspended").arg(60_000).start();
        let job = hear_job(&mut victim);
        suspend(&victim, &job);
        victim.signal(Signal::Kill);
        // What tasks have started is theirs to end.
        tests::until("the workers' end", LIVENESS, || {
            (victim.processes().len() <= 2).then_some(())
        });
        for sleeper in [job[2], job[4]] {
            send(sleeper, Signal::Kill);
        }
        victim.wait().was_killed_by(Signal::Kill);
    };
    /// Each thread of the supervisor is hit all the time, by a handler without SA_RESTART.
    case_31_interrupted_calls_change_nothing => |way| {
        let rough = Victim::new(env!("CARGO_BIN_EXE_rough"));
        let mut victim = rough.arg("interrupts").on(way).start();
        let pid = victim.hear("storm").parse().expect("a pid");
        victim.say("it storms", "");
        let calm = victim.folder().join("calm");
        let end = Instant::now() + LIVENESS;
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
