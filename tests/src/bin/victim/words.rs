//! What workers write to standard error, and what is told of it when they die.

use std::io::{Read, Write};
use std::process::{Command, Stdio};
use std::time::Duration;

use forkyard::{Pool, TaskError, WorkerDeath, WorkerStderr};
use tests::patience::{LIVENESS, until};
use tests::victim::send;
use tests::{census, gate};

use crate::Scenario;
use crate::death::die;
use crate::setup::{Setup, kill_myself, works};

pub(crate) const SCENARIOS: &[Scenario] = &[
    ("words/told", told),
    ("words/panics", panics),
    ("words/inherited", inherited),
    ("words/live", live),
    ("words/many", many),
    ("words/writing", writing),
    ("words/unread", unread),
    ("words/unread-inside", unread_inside),
    ("words/left-behind", left_behind),
    ("words/few-files", few_files),
    ("words/over-the-limit", over_the_limit),
    ("words/out-of-memory", out_of_memory),
];

/// What a pool's tail holds at most, in bytes.
const TAIL_BYTES: usize = 2048;

#[track_caller]
fn death_of<T: std::fmt::Debug>(result: Result<T, TaskError>) -> Box<WorkerDeath> {
    match result {
        Err(TaskError::WorkerDied(death)) => death,
        other => panic!("{other:?}"),
    }
}

/// Writes a line in one piece.
fn write(text: &str) {
    std::io::stderr()
        .write_all(format!("{text}\n").as_bytes())
        .expect("standard error takes it");
}

/// Every way of dying has its last words, which come after all that was written before.
fn told(setup: &Setup) {
    let pool = setup.pool(2);
    let talk = |how: String| {
        write(&format!("about to {how}"));
        die(how)
    };
    let dies = |how: &str| death_of(pool.submit(talk, how.to_owned()).join());
    for how in ["kill", "abort", "segv", "3"] {
        let death = dies(how);
        let wanted = format!("about to {how}");
        assert!(death.stderr_tail.contains(&wanted), "{death:?}");
        assert!(death.to_string().contains(&wanted), "{death}");
    }
    let death = dies("overflow");
    assert!(
        death.to_string().contains("has overflowed its stack"),
        "{death}"
    );
    // Much more than a pipe holds, and the last of it.
    let lines = |count: usize| -> u64 {
        (0..count).for_each(|n| write(&format!("line {n}")));
        kill_myself()
    };
    let death = death_of(pool.submit(lines, 5000_usize).join());
    assert_eq!(death.stderr_tail.len(), TAIL_BYTES);
    assert!(death.stderr_tail.ends_with("line 4998\nline 4999\n"));
    // Each process has its own, also in the same seat.
    let silent = death_of(pool.submit(die, "kill".to_owned()).join());
    assert_eq!(&*silent.stderr_tail, "");
    works(&pool);
    let report = pool.close();
    assert_eq!(report.deaths.len(), 7);
    assert!(report.deaths[0].stderr_tail.contains("about to kill"));
}

/// Panics when it is dropped.
struct Fragile;

impl Drop for Fragile {
    fn drop(&mut self) {
        assert_eq!(std::process::id(), 0, "in the drop");
    }
}

/// What C would call back.
extern "C" fn called_back() {
    assert_eq!(std::process::id(), 0, "called back");
}

/// Panics that end the process say what and where; those that a task or its caller catches are silent.
fn panics(setup: &Setup) {
    let pool = setup.pool(1);
    let caught = |_: u64| {
        let caught =
            std::panic::catch_unwind(|| assert_eq!(std::process::id(), 0, "this is caught"));
        assert!(caught.is_err() && std::process::id() == 0, "this is told");
    };
    for result in pool.map(caught, 0..3) {
        let Err(TaskError::Panicked(panic)) = result else {
            panic!("{result:?}");
        };
        assert_eq!(panic.message, "this is told");
    }
    let twice = |()| -> u64 {
        let _fragile = Fragile;
        assert_eq!(std::process::id(), 0, "in the task");
        0
    };
    let from_c = |()| -> u64 {
        called_back();
        0
    };
    let death = death_of(pool.submit(twice, ()).join());
    let text = death.to_string();
    for part in ["in the drop", "words.rs:"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert!(death.stderr_tail.contains("in the task"), "{death:?}");
    let death = death_of(pool.submit(from_c, ()).join());
    let text = death.to_string();
    for part in ["called back", "words.rs:"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    works(&pool);
}

fn inherited(setup: &Setup) {
    let pool = setup.builder().workers(1).stderr(WorkerStderr::Inherit);
    let pool = pool.build().expect("a pool");
    let task = |()| {
        write("mine");
        kill_myself()
    };
    let death = death_of::<u64>(pool.submit(task, ()).join());
    assert_eq!(&*death.stderr_tail, "");
    works(&pool);
}

fn stderr_so_far() -> String {
    std::fs::read_to_string(gate::folder().join("stderr")).expect("the file of the run")
}

/// A task that waits until its line was passed on, its end of line or not.
fn live(setup: &Setup) {
    let pool = setup.pool(1);
    let task = |text: String| {
        std::io::stderr().write_all(text.as_bytes()).expect("taken");
        until("it is passed on", LIVENESS, || {
            stderr_so_far().ends_with(&text).then_some(())
        });
    };
    for text in ["a line\n", "half a line, "] {
        assert_eq!(pool.submit(task, text.to_owned()).join(), Ok(()));
    }
}

fn many(setup: &Setup) {
    let pool = setup.pool(3);
    let task = |name: u64| {
        for n in 0..2000 {
            write(&format!("from {name}: {n}"));
        }
    };
    assert!(
        pool.map(task, 0..3)
            .into_iter()
            .all(|result| result.is_ok())
    );
    // What was written is passed on before close comes back, without being asked for.
    let _ = pool.close();
    let text = stderr_so_far();
    let all = |name: u64| text.contains(&format!("from {name}: 1999"));
    assert!((0..3).all(all), "{text}");
}

/// Writes without an end.
#[expect(clippy::needless_pass_by_value, reason = "a task owns its argument")]
fn write_on(name: String) -> u64 {
    let line = "x".repeat(1000);
    let _ = writeln!(std::io::stderr(), "{line}");
    gate::say(&name, std::process::id());
    while writeln!(std::io::stderr(), "{line}").is_ok() {}
    // Its pool is gone.
    loop {
        std::thread::park();
    }
}

fn writing(setup: &Setup) {
    let pool = setup.pool(2);
    let handles: Vec<_> = (0..2)
        .map(|n| pool.submit(write_on, format!("writer{n}")))
        .collect();
    (0..2).for_each(|n| gate::wait(&format!("writer{n}")));
    gate::say("up", "");
    for handle in handles {
        let _ = handle.join();
    }
}

/// Another victim, whose standard error is a pipe that this one does not read until it has ended
/// its pools.
fn unread(setup: &Setup) {
    let mut inside = Command::new(std::env::current_exe().expect("this program"))
        .args(["words/unread-inside"])
        .args([setup.transport.to_string(), setup.method.to_string()])
        .stderr(Stdio::piped())
        .spawn()
        .expect("another victim");
    gate::wait("pools are gone");
    let mut pipe = inside.stderr.take().expect("its standard error");
    gate::say("now it is read", "");
    let mut bytes = Vec::new();
    pipe.read_to_end(&mut bytes).expect("all of it");
    assert!(bytes.starts_with(&[b'x'; 1000]));
    assert!(inside.wait().expect("its end").success());
}

/// Whether the thread that passes on what workers write is asleep in that.
fn is_unread() -> bool {
    let threads = census::whereabouts(std::process::id().cast_signed());
    threads.lines().any(|line| {
        let writes = ["pipe_write", " 1 0x2 ", " 64 0x2 "];
        line.contains("forkyard-stderr") && writes.iter().any(|sign| line.contains(sign))
    })
}

fn unread_inside(setup: &Setup) {
    let pool = setup.pool(2);
    let stuck = |pool: &Pool, name: &str| {
        let handle = pool.submit(write_on, name.to_owned());
        let pid: i32 = gate::hear(name).parse().expect("a pid");
        until("nobody reads", LIVENESS, || is_unread().then_some(()));
        (handle, pid)
    };
    for n in 0..3 {
        let (handle, pid) = stuck(&pool, &format!("stuck{n}"));
        send(pid, forkyard_os::process::Signal::Kill);
        let death = death_of(handle.join());
        assert!(death.stderr_tail.contains("xxx"), "{death}");
        works(&pool);
    }
    let (handle, _) = stuck(&pool, "stuck last");
    let _ = pool.abort(Duration::from_millis(10));
    assert_eq!(handle.join(), Err(TaskError::Aborted));
    gate::say("pools are gone", "");
    gate::wait("now it is read");
}

fn left_behind(setup: &Setup) {
    let pool = setup.pool(1);
    let task = |()| {
        let folder = gate::folder();
        let script = "echo before >&2; : > left; while [ ! -e dead ]; do sleep 0.01; done; echo after >&2; : > wrote";
        let child = Command::new("sh")
            .args(["-c", script])
            .current_dir(folder)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn();
        assert!(child.is_ok());
        gate::wait("left");
        kill_myself()
    };
    let death = death_of::<u64>(pool.submit(task, ()).join());
    assert_eq!(&*death.stderr_tail, "before\n");
    gate::say("dead", "");
    gate::wait("wrote");
    works(&pool);
}

/// Under a limit of descriptors: a pool of this many workers works, and quotes the dead if that
/// costs nobody else.
fn few_files(setup: &Setup) {
    let workers = setup.number() as usize;
    let pool = setup.pool(workers);
    let task = |()| {
        write("words");
        kill_myself()
    };
    for _ in 0..3 {
        let death = death_of::<u64>(pool.submit(task, ()).join());
        let wanted = if workers < 5 { "words\n" } else { "" };
        assert_eq!(&*death.stderr_tail, wanted);
    }
    works(&pool);
}

fn over_the_limit(setup: &Setup) {
    let pool = setup.pool(1);
    let task = |bytes: usize| {
        let block: Vec<u8> = Vec::with_capacity(bytes);
        std::hint::black_box(&block).capacity()
    };
    let death = death_of(pool.submit(task, 7_usize << 30).join());
    let wanted = format!("memory allocation of {} bytes failed", 7_usize << 30);
    assert!(death.to_string().contains(&wanted), "{death}");
    works(&pool);
}

/// Where no more than 256 MiB are to be had.
fn out_of_memory(setup: &Setup) {
    let pool = setup.pool(2);
    let eat = |bytes: usize| {
        // The kernel may take anybody in the cgroup, and is told whom.
        let chosen = std::fs::write("/proc/self/oom_score_adj", "1000");
        assert!(chosen.is_ok());
        let block = std::hint::black_box(vec![7_u8; bytes]);
        block.iter().map(|byte| u64::from(*byte)).sum::<u64>()
    };
    for _ in 0..2 {
        let death = death_of(pool.submit(eat, 700_usize << 20).join());
        assert_eq!(death.out_of_memory, Some(true), "{death}");
        assert!(death.to_string().contains("memory had run out"), "{death}");
        // Killed otherwise, and ended otherwise.
        for how in ["kill", "abort", "3"] {
            let death = death_of(pool.submit(die, how.to_owned()).join());
            assert_eq!(death.out_of_memory, Some(false), "{how}: {death}");
        }
    }
    works(&pool);
}
