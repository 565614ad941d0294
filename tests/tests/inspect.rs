//! Promise: what a pool is doing can be seen, by itself and from outside, and to look disturbs nobody.
#![forbid(unsafe_code)]

use std::process::Command;

use forkyard::inspect::{InspectError, attach, pools};
use forkyard::{PoolStats, WorkerState};
use forkyard_os::process::Signal;
use tests::patience::{LIVENESS, until};
use tests::{Running, victim};

fn running(stats: &PoolStats) -> usize {
    let workers = stats.workers.iter();
    workers
        .filter(|worker| worker.state == WorkerState::Running)
        .count()
}

fn user_signal(victim: &Running) {
    let pid = victim.pid().to_string();
    let status = Command::new("kill").args(["-s", "USR1", &pid]).status();
    assert!(status.is_ok_and(|status| status.success()));
}

tests::on_every_way! {
    a_pool_tells_what_it_is_doing => |way| victim!(way, "inspect/stats").passes();
    events_have_names_and_come_once => |way| victim!(way, "inspect/traced").passes();
}

tests::on_both_paths! {
    every_message_is_somewhere => |way| victim!(way, "inspect/queues").passes();
    the_pools_of_a_process_are_told_apart => |way| victim!(way, "inspect/several").passes();

    /// Another process sees the same, through a mapping that cannot write.
    an_onlooker_disturbs_nobody => |way| {
        let mut victim = victim!(way, "inspect/held").start();
        victim.hear("up");
        let pool = attach(victim.pid()).expect("it is up");
        assert!(pools().expect("a list").iter().any(|found| found.pid() == victim.pid()));
        if let Ok(maps) = std::fs::read_to_string("/proc/self/maps") {
            let file = pool.segment().trim_start_matches('/').to_owned();
            let mut lines = maps.lines().filter(|line| line.contains(&file)).peekable();
            assert!(lines.peek().is_some(), "{maps}");
            assert!(lines.all(|line| line.contains(" r--s ")), "{maps}");
        }
        // From the segment alone, a moment after it says so.
        let stats = until("it is at work", LIVENESS, || {
            let stats = pool.stats();
            (running(&stats) == 1 && stats.tasks == 101).then_some(stats)
        });
        let tasks = stats.workers.iter().filter_map(|worker| worker.task.as_deref());
        assert_eq!(tasks.collect::<Vec<_>>(), ["hold::{closure}"]);
        assert_eq!(stats.transport.to_string(), way.transport);
        assert_eq!(stats.start_method.to_string(), way.method);
        victim.say("enough", "");
        victim.wait().passed();
        assert!(!pool.is_alive());
    };
    /// Killed, it can still be read, as it was; and it is listed no more.
    a_killed_pool_is_seen_to_be_gone => |way| {
        let mut victim = victim!(way, "inspect/held").start();
        victim.hear("up");
        let pid = victim.pid();
        let pool = attach(pid).expect("it is up");
        victim.signal(Signal::Kill);
        victim.wait().was_killed_by(Signal::Kill);
        assert!(!pool.is_alive());
        let last = pool.stats();
        assert!(last.workers.iter().all(|worker| worker.state == WorkerState::Gone), "{last}");
        assert!(matches!(attach(pid), Err(InspectError::NoPool { .. })));
    };
    a_signal_prints_the_table_where_that_was_asked_for => |way| {
        let mut victim = victim!(way, "inspect/dump").start();
        victim.hear("up");
        user_signal(&victim);
        let stderr = victim.folder().join("stderr");
        let printed = |what: &str| {
            until(what, LIVENESS, || {
                let text = std::fs::read_to_string(&stderr).unwrap_or_default();
                text.contains(what).then_some(text)
            })
        };
        let text = printed("running");
        assert!(text.contains("hold::{clo… 25 %") || text.contains("hold::{closure} 25 %"), "{text}");
        assert!(text.starts_with(&format!("victim in process {}, 2 workers", victim.pid())), "{text}");
        assert_eq!(text.lines().filter(|line| line.starts_with("worker ")).count(), 1, "{text}");
        victim.say("enough", "");
        victim.hear("closed");
        user_signal(&victim);
        printed("no pool in process");
        victim.say("heard", "");
        victim.wait().passed();
    };
    /// Nobody's disposition is changed unasked: the signal does what it does to any program.
    a_signal_that_nobody_asked_for_is_left_alone => |way| {
        let mut victim = victim!(way, "inspect/held").start();
        victim.hear("up");
        user_signal(&victim);
        let ended = victim.wait();
        let signal = std::os::unix::process::ExitStatusExt::signal(&ended.status);
        assert_eq!(signal, Some(signal_hook::consts::SIGUSR1));
        ended.left_nothing();
    };
}
