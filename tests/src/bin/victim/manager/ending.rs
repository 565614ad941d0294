//! What becomes of calls, and of what a manager has, when somebody dies or lets go.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use forkyard::{
    ExitCause, Manager, ManagerError, ManagerStartError, OnCrash, StartMethod, TaskError,
};
use forkyard_os::process::Signal;
use tests::patience::{LIVENESS, observe_for, until};
use tests::victim::send;
use tests::{census, gate};

use super::{beside, never, pool_beside};
use crate::setup::{Setup, holdings, kill_myself, works};

type Number = Manager<u64>;

fn number(setup: &Setup) -> Number {
    Manager::start_on(setup.builder(), |n| n, 1).expect("a manager")
}

fn get(number: &Number) -> Result<u64, ManagerError> {
    number.call(|n, ()| *n, ())
}

const BY_KILL: Option<ExitCause> = Some(ExitCause::Signal {
    signal: 9,
    core: false,
});

/// Who waits when the manager is killed is told, in every process, and so is who calls later.
pub(super) fn killed(setup: &Setup) {
    let number = number(setup);
    let pool = pool_beside(setup, 2);
    assert_eq!(
        pool.submit(|number| get(&number), number.clone()).join(),
        Ok(Ok(1))
    );
    let running = pool.submit(
        |number: Number| number.call(|_, ()| -> u64 { never("runs") }, ()),
        number.clone(),
    );
    gate::wait("runs");
    let queued = pool.submit(
        |number: Number| {
            gate::say("waits", "");
            get(&number)
        },
        number.clone(),
    );
    gate::wait("waits");
    let mine = number.clone();
    let thread = std::thread::spawn(move || get(&mine));
    observe_for(Duration::from_millis(20));
    send(number.pid(), Signal::Kill);
    let pid = number.pid();
    let elsewhere = ManagerError::Died { pid, cause: None };
    assert_eq!(running.join(), Ok(Err(elsewhere.clone())));
    assert_eq!(queued.join(), Ok(Err(elsewhere.clone())));
    let here = ManagerError::Died {
        pid,
        cause: BY_KILL,
    };
    assert_eq!(thread.join().expect("no panic"), Err(here.clone()));
    for _ in 0..3 {
        assert_eq!(get(&number), Err(here.clone()));
        let late = pool.submit(|number| get(&number), number.clone()).join();
        assert_eq!(late, Ok(Err(elsewhere.clone())));
    }
    assert!(here.to_string().contains("SIGKILL"), "{here}");
    // Nobody takes its place.
    drop(number);
    works(&pool);
}

/// What a builder says of tasks, and of workers that come and go, ends no manager.
pub(super) fn settings(setup: &Setup) {
    let short = Duration::from_millis(50);
    let builder = beside(setup)
        .workers(3)
        .task_timeout(short)
        .task_grace(short)
        .on_crash(OnCrash::Retry { max: 3 })
        .max_tasks_per_child(1)
        .recycle_after_growth(1)
        .min_workers(0)
        .idle_timeout(short);
    let numbers = Manager::start_on(builder, |n: u64| vec![n], 0).expect("a manager");
    let pid = numbers.pid();
    let grow = |numbers: &mut Vec<u64>, more: usize| {
        numbers.extend(vec![1; more]);
        (numbers.len(), std::process::id().cast_signed())
    };
    assert_eq!(numbers.call(grow, 1_000_000), Ok((1_000_001, pid)));
    observe_for(4 * short);
    assert_eq!(numbers.call(grow, 1), Ok((1_000_002, pid)));
    // Nor is one started again in another process.
    send(pid, Signal::Kill);
    let died = ManagerError::Died {
        pid,
        cause: BY_KILL,
    };
    assert_eq!(numbers.call(grow, 1), Err(died));
}

/// Killed at whatever it does, with callers in this process and in others.
pub(super) fn killed_under_load(setup: &Setup) {
    let pool = pool_beside(setup, 2);
    for round in 0..8 {
        let number = Manager::start_on(beside(setup), |n| n, 1_u64).expect("a manager");
        let hammer = |number: Number| loop {
            match number.call(|n, bytes: Vec<u8>| (*n, bytes), vec![1; 3000]) {
                Ok((1, bytes)) if bytes.len() == 3000 => {}
                other => return other.map(|(n, _)| n),
            }
        };
        let tasks: Vec<_> = (0..2)
            .map(|_| pool.submit(hammer, number.clone()))
            .collect();
        let mine = number.clone();
        let thread = std::thread::spawn(move || hammer(mine));
        observe_for(Duration::from_micros(700 * round));
        send(number.pid(), Signal::Kill);
        let pid = number.pid();
        for task in tasks {
            assert_eq!(
                task.join(),
                Ok(Err(ManagerError::Died { pid, cause: None }))
            );
        }
        let here = thread.join().expect("no panic");
        assert_eq!(
            here,
            Err(ManagerError::Died {
                pid,
                cause: BY_KILL
            })
        );
    }
}

/// A caller that is killed in the middle of a call disturbs nobody.
pub(super) fn caller_dies(setup: &Setup) {
    let number = number(setup);
    let pool = pool_beside(setup, 2);
    for round in 0..3 {
        let doomed = pool.submit(
            |(number, round): (Number, u64)| {
                gate::say(&format!("caller {round}"), std::process::id());
                number.call(
                    |n, round: u64| {
                        gate::say(&format!("called {round}"), "");
                        gate::wait(&format!("go on {round}"));
                        *n += 1;
                        vec![0_u8; 1 << 20]
                    },
                    round,
                )
            },
            (number.clone(), round),
        );
        let caller: i32 = gate::hear(&format!("caller {round}"))
            .parse()
            .expect("a pid");
        gate::wait(&format!("called {round}"));
        let queued = pool.submit(|number| get(&number), number.clone());
        send(caller, Signal::Kill);
        let result = doomed.join();
        assert!(
            matches!(result, Err(TaskError::WorkerDied(_))),
            "{:?}",
            result.map(|_| ())
        );
        gate::say(&format!("go on {round}"), "");
        assert_eq!(queued.join(), Ok(Ok(round + 2)));
        assert_eq!(get(&number), Ok(round + 2));
    }
}

/// A value that says when it is dropped.
struct Tells(u64);

impl Drop for Tells {
    fn drop(&mut self) {
        gate::say("dropped", self.0);
    }
}

/// The owner lets go: the value is dropped, the process ends, and handles elsewhere are told.
pub(super) fn dropped(setup: &Setup) {
    let manager = Manager::start_on(setup.builder(), Tells, 7).expect("a manager");
    let pool = pool_beside(setup, 1);
    let echo = pool.submit(|m: Manager<Tells>| m, manager.clone()).join();
    let received = echo.expect("it crosses");
    assert_eq!(received.call(|value, ()| value.0, ()), Ok(7));
    let pid = manager.pid();
    drop(manager.clone());
    assert_eq!(received.call(|value, ()| value.0, ()), Ok(7));
    drop(manager);
    assert_eq!(gate::hear("dropped"), "7");
    assert!(census::standing(pid).is_none());
    for _ in 0..2 {
        assert_eq!(
            received.call(|value, ()| value.0, ()),
            Err(ManagerError::Ended)
        );
        let there = |m: Manager<Tells>| m.call(|value, ()| value.0, ());
        let late = pool.submit(there, received.clone()).join();
        assert_eq!(late, Ok(Err(ManagerError::Ended)));
    }
}

/// The same with a call under way that never ends, and others behind it.
pub(super) fn dropped_busy(setup: &Setup) {
    let number = number(setup);
    let pool = pool_beside(setup, 2);
    let endless = |number: Number| number.call(|_, ()| -> u64 { never("endless") }, ());
    let running = pool.submit(endless, number.clone());
    gate::wait("endless");
    let behind = |number: Number| {
        gate::say("behind", "");
        get(&number)
    };
    let queued = pool.submit(behind, number.clone());
    gate::wait("behind");
    drop(number);
    assert_eq!(running.join(), Ok(Err(ManagerError::Ended)));
    assert_eq!(queued.join(), Ok(Err(ManagerError::Ended)));
    works(&pool);
}

/// A task may be an owner, too: what it started ends with its handle.
pub(super) fn owned(setup: &Setup) {
    let pool = setup.pool(1);
    if setup.method != StartMethod::Spawn {
        return works(&pool);
    }
    let task = |()| {
        let number = Manager::start(|| 5_u64).map_err(|error| error.to_string())?;
        let pid = number.pid();
        Ok::<_, String>((get(&number), pid))
    };
    let (five, pid) = pool
        .submit(task, ())
        .join()
        .expect("a task")
        .expect("a manager");
    assert_eq!(five, Ok(5));
    assert!(census::standing(pid).is_none());
}

/// A start that fails says why, and leaves nothing.
pub(super) fn bad_start(setup: &Setup) {
    let panics = |()| -> u64 { panic!("no value") };
    let error = Manager::start_on(setup.builder(), panics, ()).map(|_| ());
    let Err(ManagerStartError::Value(TaskError::Panicked(panic))) = error else {
        panic!("{error:?}");
    };
    assert_eq!(panic.message, "no value");
    let dies = |()| -> u64 { kill_myself() };
    // The last of the pool before has ended with it, so that a fork is allowed again.
    let error = Manager::start_on(setup.builder(), dies, ()).map(|_| ());
    let died = matches!(
        &error,
        Err(ManagerStartError::Value(TaskError::WorkerDied(_)))
    );
    assert!(died, "{error:?}");
    assert_eq!(get(&number(setup)), Ok(1));
}

/// To be killed, with a manager that is called all the time.
pub(super) fn up(setup: &Setup) {
    let number = number(setup);
    let pool = pool_beside(setup, 1);
    let task = |number: Number| while get(&number).is_ok() {};
    let _busy = pool.submit(task, number.clone());
    assert_eq!(get(&number), Ok(1));
    gate::say("up", number.pid());
    gate::wait("never said");
    unreachable!("the test kills this process")
}

/// `exit` runs no destructor.
pub(super) fn exit(setup: &Setup) {
    let number = number(setup);
    assert_eq!(get(&number), Ok(1));
    println!("{}", tests::victim::SCENARIO_DONE);
    // The test looks at once for what is left: the manager takes its folder away itself.
    let pid = number.pid();
    let folder = census::entries(std::env::temp_dir());
    assert_eq!(folder.len(), 1, "{pid}: {folder:?}");
    std::process::exit(0)
}

/// One after another, called from here and from tasks: nothing is left of them.
pub(super) fn many(setup: &Setup) {
    let pool = pool_beside(setup, 1);
    let round = || {
        let number = Manager::start_on(beside(setup), |n| n, 1_u64).expect("a manager");
        assert_eq!(
            pool.submit(|number| get(&number), number.clone()).join(),
            Ok(Ok(1))
        );
        std::thread::scope(|threads| {
            for _ in 0..3 {
                threads.spawn(|| assert_eq!(get(&number), Ok(1)));
            }
        });
    };
    let files = || {
        pool.submit(|()| census::open_files(), ())
            .join()
            .expect("a count")
    };
    (0..20).for_each(|_| round());
    let (before, there) = (holdings(), files());
    (0..20).for_each(|_| round());
    assert_eq!(holdings(), before);
    assert!(files() <= there, "{} after {there}", files());
    assert!(census::entries(std::env::temp_dir()).is_empty());
}

/// The folder for temporary files has a name that is too long for a socket.
pub(super) fn long_tmpdir(setup: &Setup) {
    let error = Manager::start_on(setup.builder(), |()| 1_u64, ()).map(|_| ());
    let Err(error @ ManagerStartError::PathTooLong { .. }) = error else {
        panic!("{error:?}");
    };
    assert!(error.to_string().contains("TMPDIR"), "{error}");
    works(&setup.pool(1));
}

/// Ctrl-C is the program's own business: the manager is out of the terminal's reach.
pub(super) fn interrupt(setup: &Setup) {
    let number = number(setup);
    let heard = Arc::new(AtomicBool::new(false));
    signal_hook::flag::register(2, Arc::clone(&heard)).expect("a handler");
    gate::say("interrupt me", "");
    until("the signal", LIVENESS, || {
        heard
            .load(std::sync::atomic::Ordering::Relaxed)
            .then_some(())
    });
    assert_eq!(get(&number), Ok(1));
}
