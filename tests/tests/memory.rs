//! Promise: shared memory that runs out is a typed error or a wait with a deadline, as the caller
//! chose; whoever gives some back, a worker, a death or a raised limit, serves who waits; and a
//! `/dev/shm` that is small, full or taken away leaves nothing half-made.
#![forbid(unsafe_code)]

use tests::shm::in_shm_of;
use tests::victim;

tests::on_both_paths! {
    a_worker_gives_back_what_is_waited_for => |way| victim!(way, "memory/freed-by-a-worker").passes();
    a_death_gives_back_what_is_waited_for => |way| victim!(way, "memory/freed-by-a-death").passes();
    a_worker_waits_as_well => |way| victim!(way, "memory/freed-for-a-worker").passes();
    who_waits_takes_results_meanwhile => |way| victim!(way, "memory/freed-by-driving").passes();
    an_idle_worker_keeps_no_results => |way| victim!(way, "memory/kept-by-the-idle").passes();
    a_raised_limit_serves_who_waits => |way| victim!(way, "memory/limit-raised").passes();
    a_wait_in_vain_ends_in_time => |way| victim!(way, "memory/time-up").passes();
    a_crowd_takes_turns => |way| victim!(way, "memory/crowd").passes();
    large_results_take_turns => |way| victim!(way, "memory/large-results").passes();
    a_full_arena_stops_no_item_that_needs_none => |way| victim!(way, "memory/full-arena").passes();
    case_21_a_small_shm_is_told => |way| in_shm_of("13m", victim!(way, "memory/small-shm"));
    case_21_a_full_shm_is_told => |way| in_shm_of("13m", victim!(way, "memory/full-shm"));
    case_21_a_shm_that_is_taken_away_is_told => |way| in_shm_of("20m", victim!(way, "memory/taken-away"));
}
