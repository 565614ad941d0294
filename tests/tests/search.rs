//! Promise: of all who find, exactly one wins; the others stop; no round disturbs the next.
#![forbid(unsafe_code)]

use tests::victim;

tests::on_every_way! {
    exactly_one_wins => |way| victim!(way, "search/one-winner").passes();
    a_death_in_a_search_is_told_unless_another_finds => |way| {
        victim!(way, "search/killed").passes();
    };
}

tests::on_both_paths! {
    nothing_found_is_an_answer => |way| victim!(way, "search/nothing").passes();
    whoever_searches_on_is_stopped => |way| victim!(way, "search/stops").passes();
    a_find_may_lie_in_shared_memory => |way| victim!(way, "search/shared-finds").passes();
    a_round_is_not_stopped_by_the_last => |way| victim!(way, "search/re-armed").passes();
    long_finds_arrive => |way| victim!(way, "search/long-finds").passes();
    a_panic_is_no_find => |way| victim!(way, "search/panics").passes();
    unchecked_searches_find_too => |way| victim!(way, "search/unchecked").passes();
}

/// A message that was not begun is taken back from a worker whose task does not end. (Only from
/// lanes: what is in a pipe is out of reach, and stays behind the task before it.)
#[test]
fn a_find_behind_an_endless_search_is_found() {
    let way = tests::Way::named("shared", "spawn");
    victim!(way, "search/behind").passes();
}
