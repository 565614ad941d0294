//! Promise: what tasks share stays whole whoever dies, nobody waits for the dead, and the task
//! that somebody waits for is run.
#![forbid(unsafe_code)]

use tests::victim;

tests::on_every_way! {
    no_increment_is_lost => |way| victim!(way, "state/counter").passes();
    case_42_the_holder_of_a_lock_is_killed => |way| victim!(way, "state/case-42").passes();
    a_mutex_that_only_workers_have_hears_of_a_death => |way| victim!(way, "state/dropped").passes();
    phases_meet_at_a_barrier => |way| victim!(way, "state/barrier").passes();
    a_dead_participant_breaks_the_barrier => |way| victim!(way, "state/broken-barrier").passes();
    a_queue_gives_each_item_once => |way| victim!(way, "state/queue").passes();
}

tests::on_both_paths! {
    a_panic_breaks_a_mutex => |way| victim!(way, "state/panic").passes();
    locks_and_permits_outlive_random_deaths => |way| victim!(way, "state/lock-deaths").passes();
    waiting_takes_no_cpu => |way| {
        if tests::census::can_see() {
            victim!(way, "state/idle").passes();
        }
    };
    a_semaphore_is_a_limit => |way| victim!(way, "state/semaphore").passes();
    permits_of_the_dead_come_back => |way| victim!(way, "state/permits").passes();
    waiting_counts_to_the_lock_stage => |way| victim!(way, "state/lock-stage").passes();
    events_go_both_ways => |way| victim!(way, "state/event").passes();
    a_setter_that_dies_is_told => |way| victim!(way, "state/promise").passes();
    a_queue_loses_only_what_the_dead_had => |way| victim!(way, "state/queue-deaths").passes();
    a_closed_queue_wakes_all => |way| victim!(way, "state/closed-queue").passes();
    handles_cross_in_any_value => |way| victim!(way, "state/crossing").passes();
    another_pool_refuses_a_handle => |way| victim!(way, "state/foreign").passes();
    a_forged_handle_is_an_error => |way| victim!(way, "state/forged").passes();
    what_cannot_be_made_says_why => |way| victim!(way, "state/limits").passes();
    thousands_leave_nothing => |way| victim!(way, "state/many").passes();
    who_is_waited_for_may_be_pending => |way| victim!(way, "state/behind-pending").passes();
    who_is_waited_for_stands_behind_nobody_who_waits => |way| victim!(way, "state/behind-waiting").passes();
    who_is_waited_for_may_stand_behind_a_large_result => |way| victim!(way, "state/behind-result").passes();
    items_that_wait_for_each_other_share_no_chunk => |way| victim!(way, "state/in-a-chunk").passes();
    an_abort_ends_all_waits => |way| victim!(way, "state/abort").passes();
    a_drop_ends_all_waits => |way| victim!(way, "state/drop").passes();
    a_close_ends_all_waits => |way| victim!(way, "state/close").passes();
    state_outlives_its_pool => |way| victim!(way, "state/after-the-end").passes();
}
