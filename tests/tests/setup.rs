//! Promise: every worker, and every replacement, is set up as the builder says, or is not used,
//! and who builds or uses the pool is told why.
#![forbid(unsafe_code)]

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use tests::{census, victim};

tests::on_every_way! {
    an_initializer_runs_before_the_first_task => |way| victim!(way, "process/initializer").passes();
    case_11_an_initializer_that_fails_ends_the_build => |way| {
        victim!(way, "process/initializer-fails").passes();
    };
    case_11_an_initializer_that_fails_later_is_told_to_tasks => |way| {
        victim!(way, "process/initializer-fails-later").passes();
    };
    case_11_an_initializer_that_hangs_has_a_deadline => |way| {
        victim!(way, "process/initializer-hangs").passes();
    };
    a_finalizer_runs_at_an_end_in_good_order => |way| {
        let ended = victim!(way, "process/finalizer").run();
        ended.passed();
        assert!(ended.stdout.matches("[finished]").count() >= 2, "{}", ended.stdout);
        assert!(ended.stderr.contains("worker 0 of pool \"loud\": not tidy"), "{}", ended.stderr);
    };
    the_environment_is_the_workers => |way| victim!(way, "limits/environment").passes();
    limits_hold_in_workers_alone => |way| victim!(way, "limits/limits").passes();
    what_cannot_be_set_is_told => |way| victim!(way, "limits/refused").passes();
    workers_can_have_a_processor_each => |way| victim!(way, "limits/pinned").passes();
    a_pools_name_is_seen => |way| victim!(way, "limits/named").passes();
    values_are_provided => |way| victim!(way, "provided/provided").passes();
    what_cannot_be_provided_is_told => |way| victim!(way, "provided/provided-wrong").passes();
    tasks_say_how_far_they_are => |way| victim!(way, "provided/progress").passes();
    case_36_a_pool_in_a_task_is_allowed_to_a_depth => |way| victim!(way, "nested/depth").passes();
    case_36_the_outermost_pool_says_how_deep => |way| victim!(way, "nested/deeper").passes();
    case_36_a_worker_that_dies_takes_its_workers_along => |way| {
        victim!(way, "nested/outer-dies").passes();
    };
    case_36_an_aborted_pool_takes_those_in_its_tasks_along => |way| {
        victim!(way, "nested/aborted").passes();
    };
    case_36_values_are_at_home_in_one_pool => |way| victim!(way, "nested/values").passes();
    the_global_pool_in_a_task_is_the_workers_own => |way| {
        victim!(way, "nested/global-in-tasks").passes();
    };
    the_global_pool_is_what_the_program_says => |way| victim!(way, "nested/global-built").passes();
    a_preload_that_fails_is_told => |way| victim!(way, "nested/preload-fails").passes();
    case_37_workers_are_what_affinity_allows => |way| {
        victim!(way, "nested/cpus").arg(1).under(&["taskset", "-c", "0"]).passes();
    };
}

tests::on_both_paths! {
    /// Takes a second of CPU time.
    a_limit_of_cpu_time_ends_a_worker => |way| {
        victim!(way, "limits/cpu-time").deadline(Duration::from_secs(240)).passes();
    };
    the_global_pool_is_not_built_twice => |way| {
        victim!(way, "nested/global-built-late").passes();
    };
    the_global_pool_goes_with_its_process => |way| victim!(way, "nested/global").passes();
}

tests::on_ways! {
    /// One copy for all whom a zygote forks, and one for each who is spawned.
    what_is_preloaded_is_shared [spawn, fork, forkserver] |way| {
        if census::can_see() {
            let ended = victim!(way, "nested/preload").run();
            ended.passed();
            let said = ended.stdout.matches("[loading]").count();
            assert_eq!(said, usize::from(way.method != "spawn"), "{}", ended.stdout);
        }
    }
}

/// A child that the program itself forks has a global pool of its own.
#[test]
fn the_global_pool_is_each_processes_own() {
    let way = tests::Way::named("shared", "spawn");
    tests::Victim::new(env!("CARGO_BIN_EXE_rough"))
        .arg("fork-global")
        .on(way)
        .passes();
}

/// A cgroup of the test's own with a quota of one processor and a half, where one can be made.
struct Quota(PathBuf);

impl Quota {
    fn make(name: &str) -> Option<Self> {
        let name = format!("forkyard-test-{name}-{}", std::process::id());
        let version_1 = PathBuf::from("/sys/fs/cgroup/cpu").join(&name);
        if fs::create_dir(&version_1).is_ok() {
            let quota = Self(version_1);
            fs::write(quota.0.join("cpu.cfs_period_us"), "100000").ok()?;
            fs::write(quota.0.join("cpu.cfs_quota_us"), "150000").ok()?;
            return Some(quota);
        }
        let quota = Self(PathBuf::from("/sys/fs/cgroup").join(&name));
        fs::create_dir(&quota.0).ok()?;
        fs::write(quota.0.join("cpu.max"), "150000 100000").ok()?;
        Some(quota)
    }
}

impl Drop for Quota {
    fn drop(&mut self) {
        let _ = fs::remove_dir(&self.0);
    }
}

tests::on_every_way! {
    /// A quota of one processor and a half is one worker. Only where cgroups can be made, as root
    /// in most containers cannot.
    case_37_workers_are_what_the_cgroup_allows => |way| {
        match Quota::make(&format!("{}-{}", way.transport, way.method)) {
            Some(quota) => {
                let enter = format!("echo $$ > {}/cgroup.procs", quota.0.display());
                victim!(way, "nested/cpus").arg(1).after(&enter).passes();
            }
            None => eprintln!("skipped: no right to make a cgroup with a quota (run as root on Linux)"),
        }
    };
}
