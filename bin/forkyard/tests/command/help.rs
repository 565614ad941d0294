//! What the command says about itself.

use crate::common::run;

#[test]
fn help_of_the_command() {
    insta::assert_snapshot!(run(&["--help"]).expect_code(0).text());
}

#[test]
fn help_of_run() {
    insta::assert_snapshot!(run(&["run", "--help"]).expect_code(0).text());
}

#[test]
fn short_help_of_each_workload() {
    for workload in ["primes", "count-primes", "hash-files", "spin"] {
        let help = run(&["run", workload, "-h"]).expect_code(0);
        // What all workloads have in common is in the snapshot of `run`.
        let own = help.text().split("How it is run:").next();
        let examples = help.text().split("Examples:").nth(1).expect("examples");
        let text = format!("{}Examples:{examples}", own.expect("its own options"));
        insta::assert_snapshot!(workload, text);
    }
}

#[test]
fn list_of_workloads() {
    insta::assert_snapshot!(run(&["workloads"]).expect_code(0).text());
    let names = run(&["workloads", "--list"]).expect_code(0);
    assert_eq!(names.text(), "primes\ncount-primes\nhash-files\nspin\n");
}

#[test]
fn completions_know_subcommands_and_values() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = run(&["completions", shell]).expect_code(0);
        for word in ["hash-files", "check-every"] {
            assert!(script.text().contains(word), "{shell} knows no {word}");
        }
        if ["bash", "zsh", "fish"].contains(&shell) {
            for value in ["forkserver", "sophie-germain"] {
                assert!(script.text().contains(value), "{shell} knows no {value}");
            }
        }
    }
}

#[test]
fn the_manual_has_a_page_for_each_subcommand() {
    let manual = run(&["man"]).expect_code(0);
    let titles = manual
        .text()
        .lines()
        .filter(|line| line.starts_with(".TH "));
    let titles: Vec<&str> = titles.filter_map(|line| line.split(' ').nth(1)).collect();
    let workloads = ["forkyard-run-primes", "forkyard-run-count-primes"];
    for page in [
        "forkyard",
        "forkyard-run",
        "forkyard-workloads",
        "forkyard-man",
    ]
    .iter()
    .chain(&workloads)
    {
        assert!(titles.contains(page), "no {page} among {titles:?}");
    }
    let dir = tempfile::tempdir().expect("temporary directory");
    let pages = dir.path().join("man1");
    run(&["man".as_ref(), "--dir".as_ref(), pages.as_os_str()]).expect_code(0);
    assert!(pages.join("forkyard-run-hash-files.1").exists());
}

#[test]
fn version() {
    let version = run(&["--version"]).expect_code(0);
    assert_eq!(
        version.text(),
        concat!("forkyard ", env!("CARGO_PKG_VERSION"), "\n")
    );
}

#[test]
fn bad_usage_is_code_2_and_says_what_to_do() {
    for (args, part) in [
        (vec!["run", "primes", "5..5"], "write 5..=5 for the one"),
        (vec!["run", "primes", "9..5"], "did you mean 5..9?"),
        (
            vec!["run", "primes", "0..2^65"],
            "numbers go up to 2^64 - 1",
        ),
        (vec!["run", "primes", "12"], "write A..B"),
        (vec!["run", "primes"], "<RANGE>..."),
        (
            vec!["run", "primes", "0..9", "--workers", "0"],
            "at least one worker",
        ),
        (
            vec!["run", "primes", "0..9", "--workers", "256"],
            "from 1 to 255",
        ),
        (
            vec!["run", "spin", "--task-us", "-1"],
            "unexpected argument",
        ),
        (vec!["run", "spin", "--task-us=-1"], "write microseconds"),
        (vec!["run", "spin", "--payload-bytes", "much"], "64KiB"),
        (vec!["run", "spin", "--chunk-size", "0"], "auto"),
        (vec!["run", "count-primes", "many"], "not a whole number"),
        (vec!["run", "hash-files"], "<PATH>..."),
        (vec!["run", "nothing"], "unrecognized subcommand"),
        (vec![], "Usage"),
    ] {
        let run = run(&args).expect_code(2);
        assert!(run.stderr.contains(part), "{args:?}: {}", run.stderr);
        assert!(run.stdout.is_empty(), "{args:?}");
    }
}
