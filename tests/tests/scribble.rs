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
}

tests::on_both_paths! {
    case_45_a_result_slot_that_cannot_be => |way| scribbled(way, "scribble/result");
    case_45_rounds_are_the_supervisors_own => |way| scribbled(way, "scribble/rounds");
    case_45_a_directory_of_noise => |way| scribbled(way, "scribble/directory");
}

/// A worker that is started anew compares what it attaches to, and its refusal has a name.
#[test]
fn case_46_another_version_is_refused() {
    if census::can_see() {
        for method in ["spawn", "fork", "forkserver"] {
            let ended = victim!(Way::named("shared", method), "scribble/version").run();
            ended.passed();
            let told = ended.stderr.contains("the segment has layout version 99");
            assert_eq!(told, method == "spawn", "{}", ended.stderr);
        }
    }
}

#[test]
fn case_45_states_that_cannot_be() {
    scribbled(Way::named("shared", "spawn"), "scribble/states");
}

#[test]
fn case_45_an_overwritten_task_is_run_by_nobody() {
    scribbled(Way::named("shared", "spawn"), "scribble/tasks");
}

#[test]
fn case_45_counts_of_packets_that_cannot_be() {
    scribbled(Way::named("copy", "spawn"), "scribble/counts");
}
