//! Shared memory that runs out: who waits, who is told, and what is left.

use std::num::NonZeroUsize;
use std::process::Command;
use std::time::{Duration, Instant};

use forkyard::{ArenaError, ChunkSize, Owned, Pool, Shared, TaskError};
use forkyard_os::process::Signal;
use serde_bytes::ByteBuf;
use tests::gate;
use tests::patience::LIVENESS;
use tests::victim::send;

use crate::Scenario;
use crate::setup::{Setup, works};

pub(crate) const SCENARIOS: &[Scenario] = &[
    ("memory/freed-by-a-worker", freed_by_a_worker),
    ("memory/freed-by-a-death", freed_by_a_death),
    ("memory/freed-for-a-worker", freed_for_a_worker),
    ("memory/freed-by-driving", freed_by_driving),
    ("memory/kept-by-the-idle", kept_by_the_idle),
    ("memory/limit-raised", limit_raised),
    ("memory/time-up", time_up),
    ("memory/crowd", crowd),
    ("memory/large-results", large_results),
    ("memory/full-arena", full_arena),
    ("memory/small-shm", small_shm),
    ("memory/full-shm", full_shm),
    ("memory/taken-away", taken_away),
];

const LIMIT: u64 = 8 << 20;
/// More than half of the limit.
const LARGE: usize = 5 << 20;

fn limited(setup: &Setup, workers: usize) -> Pool {
    let builder = setup.builder().workers(workers).arena_limit(LIMIT);
    builder.build().expect("a pool")
}

fn large(pool: &Pool) -> Result<Owned<[u8]>, ArenaError> {
    pool.arena().waiting(LIVENESS).alloc::<u8>(LARGE)
}

#[track_caller]
fn is_over_the_limit(pool: &Pool) {
    let refused = pool.arena().alloc::<u8>(LARGE).expect_err("no room");
    let over = matches!(
        refused,
        ArenaError::OverLimit {
            limit_bytes: LIMIT,
            ..
        }
    );
    assert!(over && refused.may_pass(), "{refused}");
}

/// A task that has a large block until it is told to let go.
#[expect(clippy::needless_pass_by_value, reason = "a task owns its argument")]
fn have_one(name: String) -> u64 {
    let arena = forkyard::context().arena().expect("a worker has one");
    // Another worker may be about to let go of its last result.
    let block = arena.waiting(LIVENESS).alloc::<u8>(LARGE).expect("room");
    gate::say(&name, std::process::id());
    gate::wait(&format!("{name} is done"));
    block.len() as u64
}

/// A worker's task drops a block: the supervisor, which waits, has it.
fn freed_by_a_worker(setup: &Setup) {
    let pool = limited(setup, 1);
    for round in 0..20 {
        let name = format!("worker{round}");
        let task = pool.submit(have_one, name.clone());
        gate::wait(&name);
        is_over_the_limit(&pool);
        // Told before the wait begins, or while it lasts: either way it ends.
        let told = std::thread::spawn(move || gate::say(&format!("{name} is done"), ""));
        let block = large(&pool).expect("it was given back");
        assert_eq!(block.len(), LARGE);
        told.join().expect("no panic");
        assert_eq!(task.join(), Ok(LARGE as u64));
    }
}

/// A worker dies with a block: who waits has it.
fn freed_by_a_death(setup: &Setup) {
    let pool = limited(setup, 1);
    for round in 0..3 {
        let name = format!("death{round}");
        let task = pool.submit(have_one, name.clone());
        let pid = gate::hear(&name).parse().expect("a pid");
        is_over_the_limit(&pool);
        let killer = std::thread::spawn(move || send(pid, Signal::Kill));
        drop(large(&pool).expect("it was given back"));
        killer.join().expect("no panic");
        let result = task.join();
        assert!(
            matches!(result, Err(TaskError::WorkerDied(_))),
            "{result:?}"
        );
    }
}

/// A worker's task waits for what the supervisor, or another worker, gives back.
fn freed_for_a_worker(setup: &Setup) {
    let pool = limited(setup, 2);
    let wait = |name: String| {
        let arena = forkyard::context().arena().expect("a worker has one");
        let refused = arena.alloc::<u8>(LARGE).expect_err("no room");
        assert!(refused.may_pass(), "{refused}");
        gate::say(&name, "");
        let block = arena.waiting(LIVENESS).alloc::<u8>(LARGE).expect("room");
        block.into_shared()
    };
    for round in 0..20 {
        let held = pool.arena().alloc::<u8>(LARGE).or_else(|_| large(&pool));
        let held = held.expect("room");
        let name = format!("wait{round}");
        let task = pool.submit(wait, name.clone());
        gate::wait(&name);
        drop(held);
        assert_eq!(task.join().expect("room").len(), LARGE);
    }
    let name = "other".to_owned();
    let other = pool.submit(have_one, name.clone());
    gate::wait(&name);
    let task = pool.submit(wait, "one".to_owned());
    gate::wait("one");
    gate::say("other is done", "");
    assert_eq!(task.join().expect("room").len(), LARGE);
    assert_eq!(other.join(), Ok(LARGE as u64));
}

/// What stands in the way are arguments of tasks that are done, whose results nobody has
/// taken yet: the thread that waits takes them.
fn freed_by_driving(setup: &Setup) {
    let pool = limited(setup, 1);
    for _ in 0..20 {
        let block = large(&pool).expect("room").into_shared();
        let task = pool.submit(|block: Shared<[u8]>| block.len(), block);
        let next = large(&pool).expect("it was given back");
        assert_eq!((task.join(), next.len()), (Ok(LARGE), LARGE));
    }
}

/// A worker that has nothing to do does not keep the block of its last result.
fn kept_by_the_idle(setup: &Setup) {
    let pool = limited(setup, 1);
    let make = |n: usize| {
        let arena = forkyard::context().arena().expect("a worker has one");
        arena.alloc::<u8>(n).expect("room").into_shared()
    };
    for _ in 0..10 {
        let made = pool.submit(make, LARGE).join().expect("room");
        assert_eq!(made.len(), LARGE);
        drop(made);
        drop(large(&pool).expect("nobody needs it"));
    }
}

/// A limit that is raised serves who waits.
fn limit_raised(setup: &Setup) {
    let pool = limited(setup, 1);
    let _held = large(&pool).expect("room");
    is_over_the_limit(&pool);
    let arena = pool.arena().clone();
    assert_eq!(arena.limit_bytes(), LIMIT);
    let raising = std::thread::spawn(move || arena.set_limit_bytes(4 * LIMIT));
    drop(large(&pool).expect("the limit was raised"));
    raising.join().expect("no panic");
}

/// A wait in vain ends in time, and says that there was one.
fn time_up(setup: &Setup) {
    let pool = limited(setup, 1);
    let held = large(&pool).expect("room");
    let brief = Duration::from_millis(30);
    let start = Instant::now();
    let refused = pool.arena().waiting(brief).alloc::<u8>(LARGE);
    let refused = refused.expect_err("nobody gives any back");
    assert!(start.elapsed() >= brief);
    let ArenaError::OverLimit { waited, .. } = &refused else {
        panic!("{refused}");
    };
    assert_eq!(waited.0, brief);
    assert!(refused.to_string().contains("after waiting 30ms"));
    let in_worker = |()| {
        let arena = forkyard::context().arena().expect("a worker has one");
        let patient = arena.waiting(Duration::from_millis(30));
        let refused = patient.alloc::<u8>(LARGE).expect_err("no room");
        refused.to_string()
    };
    let text = pool.submit(in_worker, ()).join().expect("a text");
    assert!(text.contains("after waiting 30ms"), "{text}");
    // What cannot be is not waited for.
    let never = pool.arena().waiting(LIVENESS).alloc::<u64>(usize::MAX / 2);
    assert!(matches!(never, Err(ArenaError::TooLarge { .. })));
    drop(held);
    works(&pool);
}

/// Many who want more than there is, in turns: all get it.
fn crowd(setup: &Setup) {
    let pool = limited(setup, 3);
    let turn = |n: u64| {
        let arena = forkyard::context().arena().expect("a worker has one");
        let mut block = arena
            .waiting(LIVENESS)
            .alloc::<u8>(LARGE)
            .expect("its turn");
        block[0] = n as u8;
        u64::from(block[0])
    };
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                for _ in 0..20 {
                    drop(large(&pool).expect("its turn"));
                }
            });
        }
        let results = pool.map(turn, 0..60);
        assert_eq!(results, (0..60).map(Ok).collect::<Vec<_>>());
    });
    assert_eq!(pool.arena().stats().live_blocks, 0);
}

/// The results of a map are together far more than there is room for: none fails, whichever worker
/// is ahead, and also when whoever takes them is slow.
fn large_results(setup: &Setup) {
    const RESULT_BYTES: usize = 1 << 20;
    let pool = limited(setup, 3);
    let make = |n: u64| ByteBuf::from(vec![n as u8; RESULT_BYTES]);
    let is_right = |n: usize, result: Result<ByteBuf, TaskError>| {
        let bytes = result.expect("room");
        assert_eq!((bytes.len(), bytes[77]), (RESULT_BYTES, n as u8));
    };
    for (n, result) in pool.map(make, 0..200).into_iter().enumerate() {
        is_right(n, result);
    }
    let slowly = (0..40).inspect(|_| crate::setup::spin(2_000));
    for (n, result) in pool.map(make, slowly).into_iter().enumerate() {
        is_right(n, result);
    }
    for (n, result) in pool.imap(make, 0..100).enumerate() {
        is_right(n, result);
    }
    works(&pool);
}

/// The program keeps all of the arena: each item that fits a slot gets to its task, whatever stands
/// beside it in its chunk; one that does not fails alone.
fn full_arena(setup: &Setup) {
    let chunk = NonZeroUsize::new(100).expect("not zero");
    let builder = setup.builder().workers(2).arena_limit(1 << 20);
    let builder = builder.chunk_size(ChunkSize::Items(chunk));
    let pool = builder.build().expect("a pool");
    let arena = pool.arena();
    let shared = arena.copy_from(b"kept by all").expect("room");
    let moved: Vec<_> = (0..300)
        .map(|n: u16| {
            let mut block = arena.alloc::<u16>(1).expect("room");
            block[0] = n;
            (!n.is_multiple_of(3)).then_some(block)
        })
        .collect();
    let mut held = Vec::new();
    for bytes in [100 << 10, 1 << 10, 64] {
        while let Ok(block) = pool.arena().alloc::<u8>(bytes) {
            held.push(block);
        }
    }
    let len = |text: String| text.len();
    let text = |n: usize| "x".repeat(n * 7 % 80);
    for (n, result) in pool.map(len, (0..1000).map(text)).into_iter().enumerate() {
        assert_eq!(result, Ok(text(n).len()));
    }
    assert_eq!(pool.map(|()| (), [(); 1000]), vec![Ok(()); 1000]);
    let handles = vec![shared; 300];
    let read = |block: Shared<[u8]>| block.len();
    assert_eq!(pool.map(read, handles), vec![Ok(11); 300]);
    let at_once = ChunkSize::Items(NonZeroUsize::new(1 << 20).expect("not zero"));
    let numbers = pool.task(|n: u64| n).chunk_size(at_once).map(0..2000);
    assert_eq!(numbers, (0..2000).map(Ok).collect::<Vec<_>>());
    let uneven = [10, 2000, 3, 90, 40];
    for (bytes, result) in uneven
        .into_iter()
        .zip(pool.map(len, uneven.map(|n| "x".repeat(n))))
    {
        match result {
            Err(TaskError::SharedMemory(_)) => assert!(setup.is_shared() && bytes > 80),
            result => assert_eq!(result, Ok(bytes)),
        }
    }
    // What is whose is not mixed up, and what moves is the task's.
    let take = |block: Option<Owned<[u16]>>| block.map(|block| block[0]);
    for (n, result) in (0..).zip(pool.map(take, moved)) {
        assert_eq!(result, Ok((n % 3 > 0).then_some(n)));
    }
    // Nothing of what failed is kept.
    drop(held);
    assert_eq!(pool.arena().stats().live_blocks, 0);
    works(&pool);
}

/// A `/dev/shm` with room for one large block.
fn small_shm(setup: &Setup) {
    let pool = setup.pool(1);
    let held = pool.arena().alloc::<u8>(LARGE).expect("room");
    let before = pool.arena().stats();
    let refused = pool.arena().alloc::<u8>(2 * LARGE).expect_err("no room");
    let ArenaError::SystemFull {
        wanted_bytes,
        free_bytes,
        total_bytes,
        ..
    } = refused
    else {
        panic!("{refused}");
    };
    assert!(wanted_bytes >= 2 * LARGE as u64 && free_bytes < wanted_bytes);
    assert!(total_bytes > LARGE as u64);
    // Nothing half-made: as many bytes are reserved as before, and as many objects are there.
    let after = pool.arena().stats();
    assert_eq!(
        (after.reserved_bytes, after.extents),
        (before.reserved_bytes, before.extents)
    );
    let segments = tests::census::segments_of(std::process::id());
    assert_eq!(segments.len(), 1 + after.extents);
    // Given back in a worker, it serves who waits for it here.
    let task = |mut held: Owned<[u8]>| {
        held[0] = 1;
        held.len()
    };
    let task = pool.submit(task, held);
    drop(
        pool.arena()
            .waiting(LIVENESS)
            .alloc::<u8>(2 * LARGE)
            .expect("room"),
    );
    assert_eq!(task.join(), Ok(LARGE));
    works(&pool);
}

/// Another program fills `/dev/shm`, and empties it again while somebody waits.
fn full_shm(setup: &Setup) {
    const FILLER: &str = "/dev/shm/filler";
    let pool = setup.pool(1);
    // What is needed for the messages themselves is there before.
    works(&pool);
    let filled = Command::new("sh")
        .args(["-c", &format!("head -c 1G /dev/zero > {FILLER}")])
        .stderr(std::process::Stdio::null())
        .status();
    assert!(filled.is_ok_and(|status| !status.success()), "it is full");
    let refused = pool.arena().alloc::<u8>(1 << 20).expect_err("no room");
    assert!(
        matches!(refused, ArenaError::SystemFull { .. }),
        "{refused}"
    );
    assert!(refused.to_string().contains("--shm-size"), "{refused}");
    // Small tasks need none of it.
    works(&pool);
    let emptying = std::thread::spawn(|| std::fs::remove_file(FILLER));
    let block = pool.arena().waiting(LIVENESS).alloc::<u8>(1 << 20);
    assert_eq!(block.expect("room again").len(), 1 << 20);
    emptying.join().expect("no panic").expect("it was there");
}

/// `/dev/shm` is replaced under a running pool: what is mapped stays, what is not is told.
fn taken_away(setup: &Setup) {
    let pool = setup.pool(1);
    let sum = |block: Shared<[u8]>| block.iter().map(|n| u64::from(*n)).sum::<u64>();
    let known = pool.arena().copy_from(&vec![1_u8; LARGE]).expect("room");
    assert_eq!(pool.submit(sum, known.clone()).join(), Ok(LARGE as u64));
    let unknown = pool.arena().copy_from(&vec![1_u8; 2 << 20]).expect("room");
    let mount = ["-t", "tmpfs", "-o", "size=4m", "tmpfs", "/dev/shm"];
    let covered = Command::new("mount").args(mount).status();
    assert!(covered.is_ok_and(|status| status.success()), "mount");
    assert_eq!(pool.submit(sum, known).join(), Ok(LARGE as u64));
    let result = pool.submit(sum, unknown).join();
    let Err(TaskError::DecodeArgument(why)) = result else {
        panic!("{result:?}");
    };
    assert!(why.contains("cannot be mapped"), "{why}");
    // There is room elsewhere now, though less.
    let block = pool.arena().copy_from(&[2_u8; 1 << 20]).expect("room");
    assert_eq!(pool.submit(sum, block).join(), Ok(2 << 20));
    let refused = pool.arena().alloc::<u8>(4 * LARGE).expect_err("no room");
    assert!(
        matches!(refused, ArenaError::SystemFull { .. }),
        "{refused}"
    );
    works(&pool);
}
