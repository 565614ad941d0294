//! Promise: a worker may write what it likes into the memory that it shares. The supervisor takes
//! it for a fault, or for nothing, and lives on.
#![forbid(unsafe_code)]

use tests::{Way, census, victim};

/// Runs a scenario whose workers write through the files in which shared memory is.
fn scribbled(way: Way, scenario: &str) {
    if census::can_see() {
        victim!(way, scenario).passes();
    }
}

tests::on_every_way! {
    case_45_random_bytes_in_lane_page_and_arena => |way| {
        if census::can_see() {
            for seed in [1, 2] {
                victim!(way, "scribble/random").arg(seed).passes();
            }
        }
    };
    /// A worker that is started anew compares what it attaches to, and its refusal has a name.
    case_46_another_version_is_refused => |way| {
        if census::can_see() {
            let ended = victim!(way, "scribble/version").run();
            ended.passed();
            let told = ended.stderr.contains("the segment has layout version 99");
            assert_eq!(told, way.method == "spawn", "{}", ended.stderr);
        }
    };
}

tests::on_both_paths! {
    case_45_a_result_slot_that_cannot_be => |way| scribbled(way, "scribble/result");
    case_45_rounds_are_the_supervisors_own => |way| scribbled(way, "scribble/rounds");
    case_45_a_directory_of_noise => |way| scribbled(way, "scribble/directory");
}

tests::on_one_path! { shared:
    case_45_states_that_cannot_be [spawn] |way| scribbled(way, "scribble/states");
    case_45_an_overwritten_task_is_run_by_nobody [spawn] |way| scribbled(way, "scribble/tasks");
    case_45_nor_does_it_give_others_its_argument [spawn] |way| scribbled(way, "scribble/youngest");
}

tests::on_one_path! { copy:
    case_45_counts_of_packets_that_cannot_be [spawn] |way| scribbled(way, "scribble/counts");
}
