//! Promise: workers come and go as they are told to, and nobody hangs when one dies meanwhile.
#![forbid(unsafe_code)]

use std::time::Duration;

use forkyard_os::process::Signal;
use tests::victim::send;
use tests::{census, victim};

tests::on_every_way! {
    case_08_death_during_start => |way| {
        if !census::can_see() {
            return;
        }
        let mut victim = victim!(way, "lifecycle/building").start();
        let me = victim.pid();
        // Whoever it starts is killed at whatever point it has come to.
        while !victim.folder().join("built often").exists() {
            for pid in victim.processes().into_iter().filter(|pid| *pid != me) {
                send(pid, Signal::Kill);
            }
        }
        victim.hear("built often");
        victim.say("no more killing", "");
        victim.wait().passed();
    };
    case_08_death_during_replacement => |way| victim!(way, "lifecycle/replacing").passes();
    case_23_each_worker_does_its_share_of_tasks => |way| victim!(way, "lifecycle/shares").passes();
    case_23_everything_queued_at_once => |way| victim!(way, "lifecycle/shares-queued").passes();
    case_23_close_right_after => |way| victim!(way, "lifecycle/shares-closed").passes();
    case_23_chunks_are_part_of_the_share => |way| victim!(way, "lifecycle/shares-chunked").passes();
    case_23_workers_that_die_have_not_done_theirs => |way| victim!(way, "lifecycle/shares-deadly").passes();
    case_24_workers_that_grow_are_replaced => |way| victim!(way, "lifecycle/grown").passes();
    case_24_workers_that_were_large_from_the_start_stay => |way| {
        victim!(way, "lifecycle/not-grown").passes();
    };
    case_25_idle_workers_go_and_come_back => |way| victim!(way, "lifecycle/idle").passes();
    case_25_all_workers_may_go => |way| victim!(way, "lifecycle/all-idle").passes();
}

tests::on_both_paths! {
    /// A worker that does not end when it is told to is ended.
    a_worker_that_does_not_end_is_killed => |way| victim!(way, "lifecycle/stubborn").passes();
}

tests::on_ways! {
    case_35_workers_outlive_their_zygote [fork, forkserver] |way| {
        victim!(way, "lifecycle/zygote-killed").passes();
    }
}

tests::on_ways! {
    case_35_each_zygote_is_followed_by_one_like_it [fork, forkserver] |way| {
        victim!(way, "lifecycle/zygote-prepared").passes();
    }
}

tests::on_ways! {
    case_35_zygotes_are_killed_all_the_time [forkserver] |way| {
        let victim = victim!(way, "lifecycle/zygotes-killed");
        victim.deadline(Duration::from_secs(120)).passes();
    }
}

tests::on_ways! {
    case_35_the_last_zygote_is_missed [fork] |way| {
        victim!(way, "lifecycle/last-zygote").passes();
    }
}

tests::on_ways! {
    case_35_zygotes_that_all_die_are_given_up [fork, forkserver] |way| {
        victim!(way, "lifecycle/zygotes-hopeless").passes();
    }
}
