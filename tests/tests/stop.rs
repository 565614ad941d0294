//! Promise: a single task can be ended, by a limit or by hand, or be run again when its worker
//! died; and all others go on as if nothing had happened.
#![forbid(unsafe_code)]

use std::time::Duration;

use tests::{Way, victim};

tests::on_every_way! {
    case_13_retry_runs_again_and_gives_up_with_the_history => |way| {
        victim!(way, "stop/retry").passes();
    };
    case_13_items_of_a_map_are_retried_one_by_one => |way| victim!(way, "stop/retry-in-map").passes();
    case_13_arguments_are_there_again => |way| victim!(way, "stop/retry-arguments").passes();
    case_13_what_was_stopped_is_not_retried => |way| victim!(way, "stop/retry-not").passes();
    case_14_time_in_line_does_not_count => |way| victim!(way, "stop/limit-begins").passes();
    case_15_flag_then_term_then_kill => |way| victim!(way, "stop/limit").passes();
    case_15_one_item_of_a_map_is_over_its_limit => |way| victim!(way, "stop/limit-in-map").passes();
    case_15_a_search_has_a_limit => |way| victim!(way, "stop/limit-of-search").passes();
    case_15_what_stands_behind_runs_once => |way| victim!(way, "stop/limit-behind").passes();
    case_15_a_worker_that_begins_nothing_is_replaced => |way| {
        victim!(way, "stop/begins-nothing").passes();
    };
    case_15_a_worker_that_lies_does_not_escape => |way| victim!(way, "stop/liar").passes();
    case_16_cancelled_in_line_it_never_runs => |way| victim!(way, "stop/cancel-queued").passes();
    case_16_cancelled_half_way_in_the_pipe => |way| victim!(way, "stop/cancel-large").passes();
    case_16_cancelled_running_it_is_asked_then_killed => |way| {
        victim!(way, "stop/cancel-running").passes();
    };
    case_16_cancelled_while_somebody_waits_for_it => |way| {
        victim!(way, "stop/cancel-while-waited-for").passes();
    };
    case_16_cancelled_too_late_nobody_else_is => |way| victim!(way, "stop/cancel-too-late").passes();
    case_16_cancelled_with_its_handle_if_so_wanted => |way| {
        victim!(way, "stop/cancel-dropped").passes();
    };
    case_16_cancelled_with_all_that_is_left => |way| victim!(way, "stop/cancel-rest").passes();
    case_16_cancelled_at_any_moment => |way| victim!(way, "stop/cancel-many").passes();
    everything_at_once_has_one_end_each => |way| storm(way, "stop/storm");
    so_it_has_while_workers_come_and_go => |way| storm(way, "stop/storm-and-turnover");
}

/// The seed is new each time; a failure prints it.
fn storm(way: Way, scenario: &str) {
    let seed = std::env::var("FORKYARD_STRESS_SEED").unwrap_or_else(|_| {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        now.unwrap_or_default().subsec_nanos().to_string()
    });
    let victim = victim!(way, scenario).arg(seed);
    victim.deadline(Duration::from_secs(180)).passes();
}
