//! Promise: shared memory is its user's alone, a place in it means one value or none, and a value
//! there is not copied.
#![forbid(unsafe_code)]

use tests::{census, victim};

tests::on_both_paths! {
    case_44_segments_are_private => |way| {
        if census::can_see() {
            victim!(way, "trust/private").passes();
        }
    };
    case_44_another_user_cannot_attach => |way| {
        if census::can_see() {
            victim!(way, "trust/other-user").passes();
        }
    };
    shared_values_are_not_copied => |way| victim!(way, "trust/not-copied").passes();
    shared_values_outlive_their_pool => |way| victim!(way, "trust/outlives").passes();
    another_pool_refuses_a_shared_value => |way| victim!(way, "trust/foreign").passes();
    shared_values_travel_in_messages_only => |way| victim!(way, "trust/outside").passes();
}
