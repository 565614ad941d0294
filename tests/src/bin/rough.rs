//! What a program may do to its pool that safe Rust cannot: fork with a pool in its hands, and
//! let signals interrupt system calls.

#![expect(
    unsafe_code,
    reason = "fork and siginterrupt have no safe form, and no crate of ours needs them"
)]

use std::ffi::c_int;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use forkyard::{Manager, Pool};
use serde_bytes::ByteBuf;
use tests::{census, gate};

unsafe extern "C" {
    /// fork(2).
    safe fn fork() -> c_int;
    /// siginterrupt(3): with a flag of 1, the signal's handler ends system calls with EINTR.
    safe fn siginterrupt(signal: c_int, flag: c_int) -> c_int;
    /// _exit(2).
    safe fn _exit(code: c_int) -> !;
}

/// SIGINT, on every system.
const INTERRUPT: c_int = 2;

fn main() {
    forkyard::init();
    let mut words = std::env::args().skip(1);
    let mut word = || words.next().expect("rough SCENARIO TRANSPORT METHOD");
    let scenario = word();
    let builder = Pool::builder()
        .workers(2)
        .transport(word().parse().expect("a transport"))
        .start_method(word().parse().expect("a start method"));
    match scenario.as_str() {
        "fork" => forked(&builder.build().expect("a pool")),
        "manager" => forked_manager(&builder),
        "fork-global" => forked_global(),
        "interrupts" => interrupted(&builder),
        other => panic!("there is no scenario {other:?}"),
    }
    println!("{}", tests::victim::SCENARIO_DONE);
}

fn works(pool: &Pool) {
    for (n, result) in (0..).zip(pool.map(|n: u64| n + 1, 0..2000)) {
        assert_eq!(result, Ok(n + 1));
    }
}

/// The global pool is each process's own: a child that the program itself forks gets another.
fn forked_global() {
    works(Pool::global());
    let child = fork();
    if child == 0 {
        works(Pool::global());
        let workers = Pool::global().timings();
        let pids: Vec<String> = workers.iter().map(|row| row.pid.to_string()).collect();
        gate::say("child", pids.join(" "));
        gate::wait("seen");
        // As any process that ends with the pool in its hands.
        _exit(0)
    }
    let theirs = gate::hear("child");
    let ours = Pool::global().timings();
    assert!(!theirs.is_empty());
    for pid in theirs
        .split(' ')
        .map(|pid| pid.parse::<i32>().expect("a pid"))
    {
        assert!(ours.iter().all(|row| row.pid != pid));
    }
    gate::say("seen", "");
    works(Pool::global());
    tests::until(
        "the child's segments are gone",
        tests::patience::LIVENESS,
        || {
            census::segments_of(child.cast_unsigned())
                .is_empty()
                .then_some(())
        },
    );
}

/// A child that the program itself forks drops its copies; nothing of it is the parent's.
fn forked(pool: &Pool) {
    works(pool);
    let block = pool.arena().copy_from(&[3_u64; 10_000]).expect("a block");
    let handle = pool.submit(|n: u64| n, 5);
    let segments = census::segments_of(std::process::id()).len();
    let names = (pool.abort_handle(), block.clone());
    let child = fork();
    if child == 0 {
        // What is used is refused, before anything of it is touched.
        std::panic::set_hook(Box::new(|_| {}));
        let uses: [&dyn Fn(); 3] = [
            &|| drop(pool.submit(|n: u64| n, 1)),
            &|| drop(pool.map(|n: u64| n, 0..10)),
            &|| drop(pool.timings()),
        ];
        for used in uses {
            let refused = std::panic::catch_unwind(std::panic::AssertUnwindSafe(used));
            assert!(refused.is_err(), "the pool is not this process's");
        }
        // Everything that a child's end of scope drops, in its order.
        drop(names);
        drop(handle);
        drop(block);
        // SAFETY: this process is a copy; its parent's pool is never reached through it again.
        let copy = unsafe { std::ptr::read(pool) };
        drop(copy);
        gate::say("child", "dropped");
        _exit(0)
    }
    gate::wait("child");
    assert_eq!(census::segments_of(std::process::id()).len(), segments);
    assert!(
        pool.arena().stats().live_blocks >= 1,
        "the child freed the block"
    );
    let others = (0..64).map(|_| pool.arena().copy_from(&[4_u64; 10_000]));
    let others: Vec<_> = others.map(|other| other.expect("a block")).collect();
    assert!(block.iter().all(|n| *n == 3), "the block was given away");
    drop(others);
    assert_eq!(handle.join(), Ok(5));
    works(pool);
}

/// A child that the program itself forks calls by lines of its own, at the same time as its
/// parent does, and ends nothing.
fn forked_manager(builder: &forkyard::PoolBuilder) {
    let manager = Manager::start_on(builder.clone(), |n: u64| n, 1).expect("a manager");
    let echo = |manager: &Manager<u64>, from: u64| {
        (from..from + 500).all(|n| manager.call(|_, n: u64| n, n) == Ok(n))
    };
    assert!(echo(&manager, 0), "a line is kept");
    let child = fork();
    if child == 0 {
        let is_right = echo(&manager, 1000);
        // SAFETY: this process is a copy; its parent's manager is not reached by it again.
        let copy = unsafe { std::ptr::read(&manager) };
        drop(copy);
        gate::say("child", is_right);
        _exit(0)
    }
    assert!(echo(&manager, 2000));
    assert_eq!(gate::hear("child"), "true");
    assert!(echo(&manager, 3000));
}

/// Everything that a pool does, in a storm of signals that interrupt system calls.
fn interrupted(builder: &forkyard::PoolBuilder) {
    let heard = Arc::new(AtomicBool::new(false));
    signal_hook::flag::register(INTERRUPT, heard).expect("a handler");
    assert_eq!(siginterrupt(INTERRUPT, 1), 0);
    gate::say("storm", std::process::id());
    gate::wait("it storms");
    for _ in 0..3 {
        let pool = builder.clone().build().expect("a pool");
        for _ in 0..20 {
            works(&pool);
            let large = pool.map(
                |bytes: ByteBuf| bytes,
                (0..4).map(|_| ByteBuf::from(vec![1; 1 << 20])),
            );
            assert!(
                large
                    .iter()
                    .all(|bytes| bytes.as_ref().is_ok_and(|b| b.len() == 1 << 20))
            );
            let slow = |n: u64| {
                std::thread::park_timeout(std::time::Duration::from_millis(5));
                n
            };
            assert_eq!(pool.submit(slow, 1).join(), Ok(1));
            let mut slow = pool.submit(slow, 2);
            let early = slow.join_timeout(std::time::Duration::from_millis(1));
            assert_eq!(early.unwrap_or_else(|| slow.join()), Ok(2));
        }
        let died: Result<(), _> = pool.submit(|()| std::process::abort(), ()).join();
        assert!(
            matches!(died, Err(forkyard::TaskError::WorkerDied(_))),
            "{died:?}"
        );
        works(&pool);
        pool.close();
    }
    gate::say("calm", "");
}
