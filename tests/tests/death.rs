//! Promise: a worker may die at any moment. Exactly the task that it ran is lost, and told so by
//! what killed it; all others end as if nothing had happened.
#![forbid(unsafe_code)]

use tests::victim;

tests::on_every_way! {
    case_03_an_exit_with_0_is_a_death => |way| victim!(way, "death/exits").passes();
    case_04_each_way_of_dying_is_told => |way| victim!(way, "death/each-way").passes();
    case_04_each_call_says_what_the_dead_ran => |way| victim!(way, "death/each-call").passes();
    the_peak_of_a_worker_is_its_own => |way| victim!(way, "death/peaks").passes();
    case_09_the_rest_of_a_map_is_done => |way| victim!(way, "death/one-of-many").passes();
    case_09_results_written_before_a_death_are_kept => |way| victim!(way, "death/earlier-results").passes();
    case_10_workers_may_die_all_at_once => |way| victim!(way, "death/at-once").passes();
    tasks_that_all_kill_are_all_told => |way| victim!(way, "death/in-a-loop").passes();
    an_idle_worker_that_dies_costs_no_task => |way| victim!(way, "death/while-idle").passes();
    workers_that_die_young_cost_no_seat => |way| victim!(way, "death/young").passes();
    case_07_a_full_lane_goes_to_the_next_worker => |way| victim!(way, "death/full-lane").passes();
    case_07_a_large_message_goes_to_the_next_worker => |way| victim!(way, "death/receiving").passes();
    case_07_a_large_result_may_stop_half_way => |way| victim!(way, "death/sending").passes();
    case_08_a_death_after_close_is_like_any_other => |way| victim!(way, "death/after-close").passes();
    case_08_an_idle_worker_may_die_while_closing => |way| victim!(way, "death/in-drain").passes();
    case_08_the_last_worker_may_die_while_closing => |way| victim!(way, "death/all-in-drain").passes();
}

tests::on_both_paths! {
    a_stopped_worker_dies_like_any_other => |way| victim!(way, "death/stopped").passes();
}
