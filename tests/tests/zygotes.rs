//! Promise: a zygote is ended only when it is of no use, and nothing hangs on what it says.
#![forbid(unsafe_code)]

use std::process::{Command, Stdio};

use tests::victim;

tests::on_ways! {
    a_zygote_that_told_of_a_death_is_kept [fork, forkserver] |way| {
        victim!(way, "zygotes/kept").passes();
    }
}

tests::on_ways! {
    a_child_of_the_preload_is_no_worker [fork, forkserver] |way| {
        victim!(way, "zygotes/preloaded-child").passes();
    }
}

tests::on_ways! {
    an_abort_does_not_wait_for_a_stopped_zygote [fork, forkserver] |way| {
        victim!(way, "zygotes/stopped").passes();
    }
}

tests::on_ways! {
    a_zygote_that_fails_takes_no_names_away [fork, forkserver] |way| {
        victim!(way, "zygotes/refused").passes();
    }
}

tests::on_ways! {
    process_1_knows_how_orphaned_workers_end [fork, forkserver] |way| {
        const ALONE: [&str; 5] = ["unshare", "--pid", "--fork", "--mount-proc", "--"];
        // Other tests do not see that it lives.
        const OWN_SHM: &str = "mount -t tmpfs tmpfs /dev/shm";
        let may = Command::new(ALONE[0])
            .args(&ALONE[1..])
            .args(["sh", "-c", OWN_SHM])
            .stderr(Stdio::null())
            .status();
        if may.is_ok_and(|status| status.success()) {
            victim!(way, "zygotes/adopted").under(&ALONE).after(OWN_SHM).passes();
        } else {
            eprintln!("skipped: no right to be process 1 (run as root on Linux)");
        }
    }
}
