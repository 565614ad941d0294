//! Promise: whatever the way in which a pool is handed work, each task has its one result, in the
//! order and at the time that the way says, and nothing waits for ever.
#![forbid(unsafe_code)]

use tests::victim;

tests::on_every_way! {
    handles_are_asked => |way| victim!(way, "calls/asked").passes();
    handles_call_back => |way| victim!(way, "calls/callbacks").passes();
    handles_are_futures => |way| victim!(way, "calls/awaited").passes();
    case_14_a_wait_that_gives_up_loses_nothing => |way| victim!(way, "calls/timeout").passes();
    imap_yields_in_order => |way| victim!(way, "calls/imap").passes();
}

tests::on_both_paths! {
    case_17_as_completed_yields_in_order_of_completion => |way| {
        victim!(way, "calls/as-completed").passes();
    };
    case_17_a_timeout_in_the_middle_of_an_imap => |way| victim!(way, "calls/imap-timeout").passes();
    case_20_an_endless_imap_uses_bounded_memory => |way| {
        victim!(way, "calls/imap-endless").passes();
    };
    case_20_large_results_are_bounded_by_their_bytes => |way| {
        victim!(way, "calls/imap-large").passes();
    };
    nothing_waits_behind_a_long_task => |way| victim!(way, "calls/behind-a-long-task").passes();
    nothing_waits_behind_a_long_task_though_nobody_waits => |way| {
        victim!(way, "calls/behind-unwatched").passes();
    };
    what_is_queued_can_be_cancelled => |way| victim!(way, "calls/cancelled-queue").passes();
    what_is_awaited_at_the_end_is_resolved => |way| {
        victim!(way, "calls/awaited-at-the-end").passes();
    };
    handles_of_two_pools_are_waited_for_together => |way| victim!(way, "calls/of-two-pools").passes();
    waiting_ends_with_the_first_all_or_an_error => |way| victim!(way, "calls/wait").passes();
    tasks_are_timed => |way| victim!(way, "calls/timed").passes();
    who_watches_a_task_is_told_of_a_death => |way| victim!(way, "calls/watched-deaths").passes();
    a_slow_first_item_bounds_what_is_ahead => |way| victim!(way, "calls/imap-slow-head").passes();
    an_imap_can_be_left => |way| victim!(way, "calls/imap-left").passes();
    items_of_an_imap_fail_alone => |way| victim!(way, "calls/imap-errors").passes();
    a_queue_is_no_deeper_than_said => |way| victim!(way, "calls/queue-depth").passes();
    functions_of_several_parameters => |way| victim!(way, "calls/starmap").passes();
    what_is_lent_is_decoded_once_a_worker => |way| victim!(way, "calls/map-with").passes();
    any_and_all_stop_early => |way| victim!(way, "calls/any-all").passes();
    a_reduction_is_in_order => |way| victim!(way, "calls/reduce").passes();
    a_reduction_fails_with_its_first_error => |way| victim!(way, "calls/reduce-fails").passes();
    parts_are_written_in_place => |way| victim!(way, "calls/parts").passes();
    parts_fail_alone => |way| victim!(way, "calls/parts-fail").passes();
    parts_are_never_run_again_half_written => |way| {
        victim!(way, "calls/parts-retried-never").passes();
    };
    an_abort_waits_for_those_who_write => |way| victim!(way, "calls/parts-aborted").passes();
}
