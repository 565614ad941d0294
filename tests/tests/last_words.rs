//! Promise: the report of a worker's death quotes what it wrote to standard error last, and says when memory had run
//! out; all of it reaches the supervisor's standard error, at once and once; and nobody waits for whoever reads that.
#![forbid(unsafe_code)]

use forkyard_os::process::Signal;
use tests::cgroup::in_memory_of;
use tests::{census, victim};

/// So many lines and all of them, whatever their order.
#[track_caller]
fn has_each_once(text: &str, name: &str, count: usize) {
    let mut found: Vec<usize> = text
        .lines()
        .filter_map(|line| line.strip_prefix(name)?.parse().ok())
        .collect();
    found.sort_unstable();
    assert!(found.into_iter().eq(0..count), "{text}");
}

tests::on_every_way! {
    case_04_what_the_dead_wrote_last_is_told => |way| {
        let ended = victim!(way, "words/told").run();
        ended.passed();
        has_each_once(&ended.stderr, "line ", 5000);
        assert_eq!(ended.stderr.matches("has overflowed its stack").count(), 1);
    };
    case_04_panics_that_end_a_worker_are_told => |way| {
        let ended = victim!(way, "words/panics").run();
        ended.passed();
        for silent in ["this is told", "this is caught"] {
            assert!(!ended.stderr.contains(silent), "{}", ended.stderr);
        }
    };
    standard_error_may_be_inherited => |way| {
        let ended = victim!(way, "words/inherited").run();
        ended.passed();
        assert_eq!(ended.stderr, "mine\n");
    };
    what_workers_write_is_passed_on_at_once => |way| victim!(way, "words/live").passes();
    all_of_what_many_write_arrives => |way| {
        let ended = victim!(way, "words/many").run();
        ended.passed();
        for worker in 0..3 {
            has_each_once(&ended.stderr, &format!("from {worker}: "), 2000);
        }
    };
    writers_end_with_their_supervisor => |way| {
        let mut victim = victim!(way, "words/writing").start();
        victim.hear("up");
        victim.signal(Signal::Kill);
        victim.wait().was_killed_by(Signal::Kill);
    };
}

tests::on_both_paths! {
    /// Whoever reads the supervisor's standard error has stopped: workers are replaced and pools end all the same.
    nobody_waits_for_who_reads_standard_error => |way| victim!(way, "words/unread").passes();
    a_process_left_behind_writes_on => |way| {
        let ended = victim!(way, "words/left-behind").run();
        ended.passed();
        assert_eq!(ended.stderr, "before\nafter\n");
    };
    without_descriptors_to_spare_workers_inherit => |way| {
        victim!(way, "words/few-files").arg(10).after("ulimit -n 64").passes();
    };
    with_descriptors_enough_workers_are_quoted => |way| {
        victim!(way, "words/few-files").arg(2).after("ulimit -n 64").passes();
    };
    an_allocation_over_the_limit_is_told => |way| {
        victim!(way, "words/over-the-limit").after("ulimit -v 6000000").passes();
    };
    running_out_of_memory_is_told => |way| {
        if census::can_see() {
            in_memory_of(256 << 20, victim!(way, "words/out-of-memory"));
        }
    };
}
