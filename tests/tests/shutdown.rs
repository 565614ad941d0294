//! Promise: a pool ends when it is told to, and with its supervisor, whatever its workers do.
//! Within a second no process and no segment is left.
#![forbid(unsafe_code)]

use std::time::Duration;

use forkyard_os::process::Signal;
use tests::{Ended, Victim, Way, victim};

/// Runs until the scenario says that all is set, then kills the supervisor.
fn killed(way: Way, scenario: &str) {
    let mut victim = victim!(way, scenario).start();
    victim.hear("up");
    victim.signal(Signal::Kill);
    victim.wait().was_killed_by(Signal::Kill);
}

/// The same at several moments, which the scenario does not choose.
fn killed_at_any_moment(way: Way, scenario: &str) -> impl Iterator<Item = Ended> {
    (0..6).map(move |moment| {
        let mut victim = victim!(way, scenario).start();
        victim.hear("up");
        tests::patience::observe_for(Duration::from_millis(3 * moment));
        victim.signal(Signal::Kill);
        victim.wait()
    })
}

tests::on_every_way! {
    case_26_idle_workers_end_with_their_supervisor => |way| killed(way, "shutdown/idle");
    case_26_busy_workers_end_with_their_supervisor => |way| killed(way, "shutdown/busy");
    case_26_workers_in_a_message_end_with_their_supervisor => |way| {
        for ended in killed_at_any_moment(way, "shutdown/mid-message") {
            ended.was_killed_by(Signal::Kill);
        }
    };
    case_26_starting_workers_end_with_their_supervisor => |way| {
        for ended in killed_at_any_moment(way, "shutdown/building") {
            ended.was_swept_after(Signal::Kill, victim!(way, "start/plain"));
        }
    };
    exit_ends_the_workers => |way| victim!(way, "shutdown/exit").passes();
    close_finishes_and_keeps_results => |way| victim!(way, "shutdown/unjoined").passes();
    a_dropped_handle_lets_its_task_run => |way| victim!(way, "shutdown/unwanted").passes();
    abort_ends_endless_tasks => |way| victim!(way, "shutdown/abort-busy").passes();
    abort_ends_workers_deaf_to_term => |way| victim!(way, "shutdown/abort-deaf").passes();
    a_close_that_takes_too_long_is_cut_short => |way| victim!(way, "ending/timeout").passes();
    abort_ends_a_map => |way| victim!(way, "shutdown/abort-map").passes();
    kill_ends_a_map => |way| victim!(way, "shutdown/kill-map").passes();
    case_14_a_wait_that_times_out_loses_nothing => |way| victim!(way, "shutdown/timeouts").passes();
    case_29_drop_ends_endless_tasks => |way| victim!(way, "shutdown/drop").passes();
    case_29_drop_in_a_panic_ends_endless_tasks => |way| victim!(way, "shutdown/panic").passes();
    case_29_a_forked_child_takes_nothing_with_it => |way| {
        Victim::new(env!("CARGO_BIN_EXE_rough")).arg("fork").on(way).passes();
    };
}

tests::on_both_paths! {
    abort_ends_a_close => |way| victim!(way, "shutdown/abort-close").passes();
    a_close_that_has_time_is_a_close => |way| victim!(way, "ending/timeout-in-time").passes();
    a_worker_that_does_not_leave_is_cut_short => |way| {
        victim!(way, "ending/timeout-leaving").passes();
    };
    a_close_is_over_in_time_while_others_wait => |way| {
        victim!(way, "ending/timeout-while-joined").passes();
    };
    a_close_can_be_watched => |way| victim!(way, "ending/watched-close").passes();
    an_abort_can_be_watched => |way| victim!(way, "ending/watched-abort").passes();
    abort_ends_a_search => |way| victim!(way, "shutdown/first-abort").passes();
}
