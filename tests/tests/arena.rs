//! Promise: a value in shared memory is in one place and never copied; it moves to one process or
//! is read by many; whatever becomes of its message or its worker, its memory is given back; and
//! who waits for memory gets it when it is given back, or is told in time.
#![forbid(unsafe_code)]

use tests::{census, victim};

tests::on_both_paths! {
    values_move_there_and_back => |way| victim!(way, "arena/there-and-back").passes();
    values_move_in_a_map => |way| victim!(way, "arena/map").passes();
    values_move_in_large_messages => |way| victim!(way, "arena/beside-large").passes();
    a_dead_workers_values_are_given_back => |way| victim!(way, "arena/killed-with-it").passes();
    an_unbegun_message_moves_its_values_elsewhere => |way| victim!(way, "arena/sent-again").passes();
    results_not_asked_for_are_given_back => |way| victim!(way, "arena/never-asked-for").passes();
    what_never_runs_is_given_back => |way| victim!(way, "arena/never-run").passes();
    a_failure_half_way_loses_nothing => |way| victim!(way, "arena/half-way").passes();
    what_somebody_keeps_does_not_move => |way| victim!(way, "arena/still-held").passes();
    values_travel_side_by_side => |way| victim!(way, "arena/side-by-side").passes();
    parts_text_and_single_values_are_read_in_place => |way| victim!(way, "arena/parts").passes();
    wrong_uses_are_told => |way| victim!(way, "arena/liars").passes();
    options_reach_every_process => |way| {
        if census::can_see() {
            victim!(way, "arena/prefault").passes();
        }
    };
}
