//! Promise: what a manager owns is changed by one call at a time, wholly; nobody waits for a
//! manager that is gone; and whoever is killed, no process, segment or folder is left.
#![forbid(unsafe_code)]

use std::os::unix::net::UnixStream;
use std::time::Duration;

use forkyard_os::process::Signal;
use tests::victim::send;
use tests::{Ended, Victim, Way, census, patience, victim};

fn temporary_files(ended: &Ended) -> Vec<std::ffi::OsString> {
    census::entries(ended.folder().join("t"))
}

/// Within a second the folder of the socket is gone, too.
fn left_no_folder(ended: &Ended) {
    let gone = patience::within(Duration::from_secs(1), || {
        temporary_files(ended).is_empty().then_some(())
    });
    assert!(gone.is_some(), "{:?}", temporary_files(ended));
}

fn owner_killed(way: Way) {
    let mut victim = victim!(way, "manager/up").start();
    victim.hear("up");
    victim.signal(Signal::Kill);
    let ended = victim.wait();
    ended.was_killed_by(Signal::Kill);
    left_no_folder(&ended);
}

/// The manager first, then its owner at once: nobody is left to take the folder away but the
/// next that starts one.
fn all_killed(way: Way) {
    let mut victim = victim!(way, "manager/up").start();
    let manager = victim.hear("up").parse().expect("a pid");
    send(manager, Signal::Kill);
    victim.signal(Signal::Kill);
    let ended = victim.wait();
    ended.was_killed_by(Signal::Kill);
    let tmp = ended.folder().join("t");
    // A process of several threads that was killed can be heard for a moment after it is no
    // longer seen, and then it is no leftover.
    let silent = patience::within(Duration::from_secs(1), || {
        let mut folders = census::entries(&tmp).into_iter();
        folders
            .all(|folder| UnixStream::connect(tmp.join(folder).join("s")).is_err())
            .then_some(())
    });
    assert!(silent.is_some(), "a dead manager answers");
    victim!(way, "manager/dict")
        .env("TMPDIR", tmp.display())
        .passes();
    assert!(
        temporary_files(&ended).is_empty(),
        "{:?}",
        temporary_files(&ended)
    );
}

fn interrupted(way: Way) {
    let mut victim = victim!(way, "manager/interrupt").start();
    victim.hear("interrupt me");
    victim.signal_group("INT");
    victim.wait().passed();
}

tests::on_every_way! {
    tasks_of_any_pool_call => |way| victim!(way, "manager/words").passes();
    no_update_is_lost => |way| victim!(way, "manager/callers").passes();
    a_panic_is_its_callers => |way| victim!(way, "manager/panic").passes();
    a_manager_that_is_killed_is_told => |way| victim!(way, "manager/killed").passes();
    a_caller_that_is_killed_disturbs_nobody => |way| victim!(way, "manager/caller-dies").passes();
    a_manager_ends_with_its_owners_handle => |way| victim!(way, "manager/dropped").passes();
    an_endless_call_ends_with_its_manager => |way| victim!(way, "manager/dropped-busy").passes();
    a_task_may_own_one => |way| victim!(way, "manager/owned").passes();
    settings_of_tasks_are_not_for_managers => |way| victim!(way, "manager/settings").passes();
    a_start_that_fails_says_why => |way| victim!(way, "manager/bad-start").passes();
    a_manager_ends_with_its_owner => owner_killed;
    what_all_who_are_killed_leave_is_swept => all_killed;
    exit_ends_a_manager => |way| {
        let ended = victim!(way, "manager/exit").run();
        assert!(ended.status.success(), "{}", ended.stderr);
        ended.left_nothing();
        left_no_folder(&ended);
    };
    case_29_a_forked_child_calls_by_lines_of_its_own => |way| {
        Victim::new(env!("CARGO_BIN_EXE_rough")).arg("manager").on(way).passes();
    };
    an_interrupt_is_the_programs_own => interrupted;
}

tests::on_both_paths! {
    a_dict_is_a_map => |way| victim!(way, "manager/dict").passes();
    a_list_is_a_list => |way| victim!(way, "manager/list").passes();
    what_does_not_cross_says_where => |way| victim!(way, "manager/errors").passes();
    a_call_within_a_call_is_refused => |way| victim!(way, "manager/nested").passes();
    large_values_cross => |way| victim!(way, "manager/large").passes();
    a_call_can_be_given_up => |way| victim!(way, "manager/timeout").passes();
    everybody_gets_a_turn => |way| victim!(way, "manager/order").passes();
    callers_are_told_at_any_moment => |way| victim!(way, "manager/killed-under-load").passes();
    thousands_of_lines_leave_nothing => |way| victim!(way, "manager/many").passes();
    garbage_is_refused => |way| victim!(way, "manager/garbage").passes();
    stalled_lines_keep_nobody_waiting => |way| victim!(way, "manager/stalled").passes();
    forged_handles_lead_nowhere => |way| victim!(way, "manager/forged").passes();
}

/// Shared memory needs no folder for temporary files, so that only the socket is at fault.
#[test]
fn a_long_tmpdir_is_an_error() {
    let folder = tempfile::tempdir().expect("a folder");
    let long = folder.path().join("x".repeat(90));
    std::fs::create_dir(&long).expect("a folder");
    let way = Way::named("shared", "spawn");
    victim!(way, "manager/long-tmpdir")
        .env("TMPDIR", long.display())
        .passes();
}
