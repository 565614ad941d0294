//! Deaths are told, once, whoever waits and whenever they come.

use std::io::Write;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::{DeathWatch, wait_for_exit};
use crate::process::{self, Pid};

/// A child that lives until its standard input closes.
fn cat() -> (Child, Pid) {
    let child = Command::new("cat").stdin(Stdio::piped()).spawn().unwrap();
    let pid = Pid::from_raw(child.id().cast_signed()).unwrap();
    (child, pid)
}

const SOON: Option<Duration> = Some(Duration::from_secs(20));

#[test]
fn a_death_is_told_once_and_before_reaping() {
    let watch = DeathWatch::new().unwrap();
    let (mut child, pid) = cat();
    watch.watch(pid, 7).unwrap();
    assert!(watch.wait(Some(Duration::ZERO)).unwrap().is_empty());
    drop(child.stdin.take());
    assert_eq!(watch.wait(SOON).unwrap().died, [7]);
    assert!(watch.wait(Some(Duration::ZERO)).unwrap().is_empty());
    child.wait().unwrap();
    watch.watch(pid, 8).unwrap();
    assert_eq!(watch.wait(SOON).unwrap().died, [8], "dead on arrival");
}

#[test]
fn a_waiting_thread_sees_watches_added_meanwhile_and_wakes() {
    let watch = DeathWatch::new().unwrap();
    let (mut child, pid) = cat();
    std::thread::scope(|scope| {
        let waiter = scope.spawn(|| {
            let mut seen = (false, false);
            while seen != (true, true) {
                let events = watch.wait(None).unwrap();
                seen.0 |= events.woken;
                seen.1 |= events.died == [3];
            }
        });
        watch.waker().wake();
        watch.watch(pid, 3).unwrap();
        drop(child.stdin.take());
        waiter.join().unwrap();
    });
    child.wait().unwrap();
}

#[test]
fn a_descriptor_is_told_while_it_is_readable() {
    let watch = DeathWatch::new().unwrap();
    let (near, mut far) = UnixStream::pair().unwrap();
    watch.watch_fd(near.as_fd(), 5).unwrap();
    assert!(watch.wait(Some(Duration::ZERO)).unwrap().is_empty());
    far.write_all(b"x").unwrap();
    assert_eq!(watch.wait(SOON).unwrap().readable, [5]);
    assert_eq!(watch.wait(SOON).unwrap().readable, [5], "level triggered");
    watch.unwatch_fd(near.as_fd());
    assert!(watch.wait(Some(Duration::ZERO)).unwrap().is_empty());
}

#[test]
fn another_process_of_the_same_pid_is_not_waited_for() {
    let own = Pid::current();
    let started = process::start_time(own).unwrap();
    wait_for_exit(own, started + 1).unwrap();
    let (mut child, pid) = cat();
    let started = process::start_time(pid).unwrap();
    drop(child.stdin.take());
    wait_for_exit(pid, started).unwrap();
    child.wait().unwrap();
    wait_for_exit(pid, started).unwrap();
}
