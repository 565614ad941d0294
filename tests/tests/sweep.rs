//! Promise: when everything is killed at once, the next start removes what is left; and it never
//! touches what belongs to somebody who lives.
#![forbid(unsafe_code)]

use forkyard_os::process::Signal;
use tests::victim::send;
use tests::{Way, census, victim};

/// Stops all processes of the run before it kills them, so that none sees another's end.
fn kill_at_once(running: &tests::Running) {
    let processes = running.processes();
    for signal in [Signal::Stop, Signal::Kill] {
        processes.iter().for_each(|pid| send(*pid, signal));
    }
}

fn next_start_sweeps(way: Way) {
    if !census::can_see() {
        return;
    }
    let mut neighbour = victim!(way, "shutdown/idle").start();
    neighbour.hear("up");
    let theirs = census::segments_of(neighbour.pid().cast_unsigned());
    assert!(!theirs.is_empty());

    let mut doomed = victim!(way, "shutdown/idle").start();
    doomed.hear("up");
    let pid = doomed.pid().cast_unsigned();
    assert!(!census::segments_of(pid).is_empty());
    kill_at_once(&doomed);
    let ended = doomed.wait();
    assert_eq!(ended.status.code(), None, "it was killed");
    tests::until(
        "no process of it is left",
        tests::patience::LIVENESS,
        || ended.processes().is_empty().then_some(()),
    );

    victim!(way, "start/plain").passes();
    assert_eq!(census::segments_of(pid).len(), 0, "they are swept");
    assert_eq!(census::segments_of(neighbour.pid().cast_unsigned()), theirs);
    neighbour.signal(Signal::Kill);
    neighbour.wait().was_killed_by(Signal::Kill);
}

tests::on_every_way! {
    case_27_the_next_start_sweeps_and_spares_the_living => |way| next_start_sweeps(way);
}
