//! Each workload gives the right answer on both paths.

use crate::common::run;
use serde_json::Value;

const TRANSPORTS: [&str; 2] = ["shared", "copy"];

fn json(args: &str) -> Value {
    let args: Vec<&str> = args.split(' ').chain(["--json", "-", "--quiet"]).collect();
    let run = run(&args).expect_code(0);
    assert_eq!(run.stderr, "", "quiet means quiet");
    run.json()
}

#[test]
fn primes_finds_one_and_one_only() {
    for transport in TRANSPORTS {
        for protocol in ["claim", "lock"] {
            let report = json(&format!(
                "run primes 1e12..1e13 --workers 2 --transport {transport} --protocol {protocol}"
            ));
            assert_eq!(report["schema"], "forkyard.run/1");
            assert_eq!(report["transport"], transport);
            let result = &report["result"];
            assert_eq!(result["found"], true);
            assert_eq!(result["winners"], 1);
            // Each worker begins at the start of its half.
            let firsts = [1_000_000_000_039_u64, 5_500_000_000_057];
            let value = result["value"].as_u64().expect("a number");
            assert!(firsts.contains(&value), "{value}");
            assert_eq!(report["processes"].as_array().map(Vec::len), Some(2));
        }
    }
}

/// Both workers search the same range, and a test of a number near 10^14 takes milliseconds: so
/// both are in the middle of the same prime when one of them raises the flag.
#[test]
fn without_the_second_check_there_are_double_winners_and_with_it_there_are_none() {
    let winners = |protocol: &str| {
        let report = json(&format!(
            "run primes 1e14..1e15 1e14..1e15 --workers 2 --test trial --protocol {protocol}"
        ));
        report["result"]["winners"].as_u64().expect("a number")
    };
    assert!((0..20).any(|_| winners("unchecked") > 1));
    for protocol in ["claim", "lock"] {
        assert!((0..5).all(|_| winners(protocol) == 1), "{protocol}");
    }
}

#[test]
fn a_range_without_a_prime_ends_with_code_1() {
    let run = run(&["run", "primes", "24..29", "--workers", "2"]).expect_code(1);
    assert!(
        run.text().starts_with("no prime in 24..=28\n"),
        "{}",
        run.text()
    );
}

#[test]
fn one_number_and_more_workers_than_numbers() {
    let report = json("run primes 7..=7 --workers 4");
    assert_eq!(report["result"]["value"], 7);
}

#[test]
fn count_primes_counts_pi_and_every_iteration() {
    for transport in TRANSPORTS {
        let report = json(&format!(
            "run count-primes 1e5 --workers 2 --check-every 10 --pieces 1 --transport {transport}"
        ));
        let result = &report["result"];
        assert_eq!(result["primes"], 9_592);
        assert_eq!(result["iterations"], 99_999);
        assert_eq!(result["checks"], 9_999);
    }
}

#[test]
fn spin_verifies_payloads_and_results_of_every_size() {
    for transport in TRANSPORTS {
        for sizes in [
            "",
            " --payload-bytes 1000",
            " --result-bytes 9",
            " --payload-bytes 300KiB --result-bytes 70KiB",
        ] {
            let report = json(&format!(
                "run spin --task-us 1 --tasks 60 --workers 2 --transport {transport}{sizes}"
            ));
            assert_eq!(report["result"]["verified"], 60, "{transport}{sizes}");
            assert_eq!(report["tasks"], 60);
        }
    }
}

#[test]
fn no_task_and_one_task() {
    for tasks in [0, 1] {
        let report = json(&format!("run spin --tasks {tasks} --workers 3"));
        assert_eq!(report["result"]["verified"], tasks);
        assert_eq!(report["tasks"], tasks);
    }
}

#[test]
fn a_comparison_has_its_verdict() {
    for kind in ["sequential", "threads"] {
        let report = json(&format!(
            "run spin --task-us 20 --tasks 200 --workers 2 --against {kind} --pairs 2"
        ));
        let against = &report["against"];
        assert_eq!(against["kind"], kind);
        assert!(against["wall_ns"].as_u64() > Some(0));
        let speedup = against["speedup"].as_f64().expect("a number");
        let expected = match speedup {
            s if s < 1.0 => "does not pay",
            s if s < 1.2 => "question it",
            _ => "pays",
        };
        assert_eq!(against["verdict"], expected);
    }
}

#[test]
fn every_start_method_does_the_same_also_in_a_comparison() {
    for start in ["spawn", "fork", "forkserver"] {
        let report = json(&format!(
            "run spin --task-us 20 --tasks 200 --start {start} --against threads --pairs 3"
        ));
        assert_eq!(report["start_method"], start);
        assert_eq!(report["result"]["verified"], 200);
        assert!(report["against"].is_object(), "{start}");
    }
}

#[test]
fn the_report_has_answer_table_bars_and_the_limit() {
    let run = run(&["run", "spin", "--tasks", "100", "--workers", "2"]).expect_code(0);
    let text = run.text();
    assert!(
        text.starts_with("100 tasks of 50.0 µs, every answer right\n"),
        "{text}"
    );
    for part in [
        "2 workers (spawn, shared)",
        "compute",
        "worker 0",
        "worker 1",
        "Limit: ",
    ] {
        assert!(text.contains(part), "no {part} in {text}");
    }
    assert!(
        text.lines().all(|line| line.chars().count() <= 80),
        "{text}"
    );
    assert_eq!(run.stderr, "");
}
