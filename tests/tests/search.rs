//! Promise: of all who find, exactly one wins; the others stop; no round disturbs the next.
#![forbid(unsafe_code)]

use std::time::Duration;

use tests::{census, victim};

/// On each way; with all six ways 100,000.
const RACES: u64 = 16_667;

tests::on_every_way! {
    case_39_exactly_one_wins => |way| victim!(way, "search/one-winner").passes();
    case_39_of_two_at_the_same_instant_one_wins => |way| {
        let victim = victim!(way, "search/races").arg(RACES);
        victim.deadline(Duration::from_secs(240)).passes();
    };
    case_40_a_claim_that_died_is_given_back => |way| {
        if census::can_see() {
            victim!(way, "scribble/claimed").passes();
        }
    };
    a_death_in_a_search_is_told_unless_another_finds => |way| {
        victim!(way, "search/killed").passes();
    };
}

tests::on_both_paths! {
    searches_go_by_the_settings_of_their_task => |way| victim!(way, "search/of-a-task").passes();
    nothing_found_is_an_answer => |way| victim!(way, "search/nothing").passes();
    case_43_whoever_searches_on_is_stopped => |way| victim!(way, "search/stops").passes();
    a_find_may_lie_in_shared_memory => |way| victim!(way, "search/shared-finds").passes();
    case_41_a_round_is_not_stopped_by_the_last => |way| victim!(way, "search/re-armed").passes();
    long_finds_arrive => |way| victim!(way, "search/long-finds").passes();
    case_43_all_are_out_within_the_interval => |way| victim!(way, "search/within").passes();
    case_20_an_endless_search_keeps_its_memory => |way| {
        if census::can_see() {
            victim!(way, "search/endless").passes();
        }
    };
    /// A message that was not begun is taken back from a worker whose task does not end.
    a_find_behind_an_endless_search_is_found => |way| victim!(way, "search/behind").passes();
    a_panic_is_no_find => |way| victim!(way, "search/panics").passes();
}
