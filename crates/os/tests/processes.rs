//! Real processes: this program starts itself, forks, kills, and reaps, from a single thread.
#![expect(
    unsafe_code,
    reason = "shared memory is handed out as pointers, and the test writes through them"
)]

use std::io::{Read, Write};
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use forkyard_os::control::{ChildEvents, ControlSocket, Either, MESSAGE_BYTES, wait_either};
use forkyard_os::death::DeathWatch;
use forkyard_os::process::{
    Environment, ExitCause, Forked, Pid, Signal, WORKER_ARG, become_worker, discard_stdin,
    exit_now, fork, kill, reap, reap_any, reap_blocking, spawn_self, spawn_self_with_control,
    start_time, thread_count,
};
use forkyard_os::segment::{Segment, SegmentName};
use forkyard_os::{exe, park};

const ROLE: &str = "FORKYARD_OS_TEST_ROLE";
const WANTED: &str = "FORKYARD_OS_TEST_WANTED";

fn main() {
    if std::env::args().any(|arg| arg == WORKER_ARG) {
        child_main();
    }
    type Case = (&'static str, fn());
    let cases: [Case; 10] = [
        ("a spawned child runs the same program", same_program),
        ("a killed child says so", killed),
        ("control crosses exec", control_crosses_exec),
        ("a forked child is a whole process", forked),
        ("a forked child does not unlink", forked_child_keeps_segment),
        ("a wake reaches another process", wake_across),
        ("a zygote hears of its children", zygote_hears),
        ("fork after a join", fork_after_join),
        ("a forked child reads nothing", reads_nothing),
        ("closed standard streams are no lines", closed_streams),
    ];
    for (name, case) in cases {
        assert_eq!(thread_count().unwrap(), 1, "before {name}");
        case();
        println!("test {name} ... ok");
    }
}

fn child_main() -> ! {
    become_worker();
    match std::env::var(ROLE).as_deref() {
        Ok("identity") => {
            let same = std::env::var(WANTED) == Ok(exe::identity().unwrap().hash().to_string());
            let leads = leads_its_group();
            exit_now(if same && leads { 42 } else { 1 })
        }
        Ok("sleep") => loop {
            std::thread::park();
        },
        Ok("echo") => {
            let line = ControlSocket::from_stdin().unwrap();
            let mut message = line.recv(None).unwrap();
            message.reverse();
            line.send(&message).unwrap();
            exit_now(0)
        }
        other => {
            eprintln!("no such role: {other:?}");
            exit_now(99)
        }
    }
}

fn same_program() {
    let hash = exe::identity().unwrap().hash().to_string();
    let pid = spawn_self(
        &[(ROLE, "identity"), (WANTED, &hash)],
        &Environment::default(),
    )
    .unwrap();
    let exit = reap_blocking(pid).unwrap();
    assert_eq!((exit.pid, exit.cause), (pid, ExitCause::Code(42)));
    assert!(exit.peak_rss_bytes > 0);
}

fn killed() {
    let pid = spawn_self(&[(ROLE, "sleep")], &Environment::default()).unwrap();
    let watch = DeathWatch::new().unwrap();
    watch.watch(pid, 1).unwrap();
    assert_eq!(reap(pid).unwrap(), None);
    assert!(start_time(pid) >= start_time(Pid::current()));
    assert!(kill(pid, Signal::Kill).unwrap());
    assert_eq!(watch.wait(None).unwrap().died, [1]);
    let exit = reap(pid)
        .unwrap()
        .expect("a death that is told can be reaped");
    assert_eq!(exit.cause.to_string(), "signal 9 (SIGKILL)");
    assert!(!kill(pid, Signal::Kill).unwrap());
}

fn control_crosses_exec() {
    let (near, far) = ControlSocket::pair().unwrap();
    let pid = spawn_self_with_control(&[(ROLE, "echo")], &Environment::default(), far).unwrap();
    let mut message = [0; MESSAGE_BYTES];
    message[0] = 9;
    near.send(&message).unwrap();
    message.reverse();
    assert_eq!(near.recv(Some(Duration::from_secs(20))).unwrap(), message);
    assert!(near.recv(None).is_err(), "the line closes with the child");
    assert!(reap_blocking(pid).unwrap().cause.is_success());
}

fn forked() {
    let Forked::Parent(pid) = fork().unwrap() else {
        let threads = std::thread::spawn(|| vec![1_u8; 100]).join();
        exit_now(i32::from(threads.unwrap()[99]) + 4);
    };
    assert_eq!(reap_blocking(pid).unwrap().cause, ExitCause::Code(5));
}

fn segment() -> Segment {
    let len = NonZeroUsize::new(4096).unwrap();
    Segment::create(&SegmentName::fresh().unwrap(), len).unwrap()
}

fn forked_child_keeps_segment() {
    let shared = segment();
    let Forked::Parent(pid) = fork().unwrap() else {
        drop(shared);
        exit_now(0);
    };
    assert!(reap_blocking(pid).unwrap().cause.is_success());
    let name = shared.name().clone();
    assert!(Segment::open(&name).is_ok());
    drop(shared);
    assert!(Segment::open(&name).is_err());
}

fn wake_across() {
    let shared = segment();
    // SAFETY: the mapping is page-aligned, zeroed, and lives to the end of this function; both processes use the word
    // as an atomic only.
    let word = unsafe { shared.as_ptr().cast::<AtomicU32>().as_ref() };
    let Forked::Parent(pid) = fork().unwrap() else {
        become_worker();
        // Acquire pairs with the Release store of the parent.
        while word.load(Ordering::Acquire) == 0 {
            let _ = park::wait(word, 0, None);
        }
        word.store(2, Ordering::Release);
        park::wake(word, 1);
        exit_now(0);
    };
    word.store(1, Ordering::Release);
    park::wake(word, 1);
    // Acquire pairs with the Release store of the child.
    while word.load(Ordering::Acquire) == 1 {
        let _ = park::wait(word, 1, Some(Duration::from_secs(20)));
    }
    assert!(reap_blocking(pid).unwrap().cause.is_success());
}

fn zygote_hears() {
    let (near, far) = ControlSocket::pair().unwrap();
    let children = ChildEvents::install().unwrap();
    let Forked::Parent(pid) = fork().unwrap() else {
        become_worker();
        exit_now(3);
    };
    assert_eq!(wait_either(&near, &children).unwrap(), Either::ChildChanged);
    let exit = reap_any().unwrap();
    assert_eq!((exit.pid, exit.cause), (pid, ExitCause::Code(3)));
    assert_eq!(reap_any(), None);
    drop(far);
    assert_eq!(wait_either(&near, &children).unwrap(), Either::PeerGone);
}

fn fork_after_join() {
    for _ in 0..50 {
        std::thread::spawn(|| ()).join().unwrap();
        let Forked::Parent(pid) = fork().unwrap() else {
            exit_now(0);
        };
        assert!(reap_blocking(pid).unwrap().cause.is_success());
    }
}

/// What its parent is to read is not for a forked child.
fn reads_nothing() {
    let (read, mut write) = std::io::pipe().unwrap();
    write.write_all(b"the parent's").unwrap();
    let Forked::Parent(pid) = fork().unwrap() else {
        become_worker();
        nix::unistd::dup2_stdin(&read).unwrap();
        discard_stdin().unwrap();
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text).unwrap();
        exit_now(i32::from(!text.is_empty()))
    };
    assert!(reap_blocking(pid).unwrap().cause.is_success());
}

/// A program may have closed its standard input before.
fn closed_streams() {
    let Forked::Parent(pid) = fork().unwrap() else {
        nix::unistd::close(0).unwrap();
        let (near, far) = ControlSocket::pair().unwrap();
        discard_stdin().unwrap();
        near.send(&[7; MESSAGE_BYTES]).unwrap();
        let whole = far.recv(None).unwrap() == [7; MESSAGE_BYTES];
        let mut text = String::new();
        let at_end = std::io::stdin().read_to_string(&mut text).is_ok();
        exit_now(i32::from(!(whole && at_end && text.is_empty())))
    };
    assert!(reap_blocking(pid).unwrap().cause.is_success());
}

/// Whether this process leads a process group, as ps tells it.
fn leads_its_group() -> bool {
    let output = std::process::Command::new("ps")
        .args(["-o", "pgid=", "-p", &Pid::current().to_string()])
        .output();
    match output {
        Ok(output) => String::from_utf8_lossy(&output.stdout).trim() == Pid::current().to_string(),
        Err(_) => true, // no ps on this machine
    }
}
