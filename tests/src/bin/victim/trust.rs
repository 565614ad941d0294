//! Shared memory: who may touch it, and what a place in it is worth elsewhere.

use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use forkyard::Shared;
use tests::census;

use crate::Scenario;
use crate::setup::{Setup, works};

pub(crate) const SCENARIOS: &[Scenario] = &[
    ("trust/private", private),
    ("trust/other-user", other_user),
    ("trust/not-copied", not_copied),
    ("trust/outlives", outlives),
    ("trust/foreign", foreign),
    ("trust/outside", outside),
];

/// Every segment is this user's alone.
fn private(setup: &Setup) {
    let pool = setup.pool(1);
    let _block = pool.arena().copy_from(&[0_u8; 1 << 20]).expect("a block");
    let segments = census::segments_of(std::process::id());
    assert!(segments.len() >= 2, "{segments:?}");
    for path in segments {
        let mode = path.metadata().expect("a segment").permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{}", path.display());
    }
}

/// Any user but this one and root.
const NOBODY: u32 = 65_534;

/// Another user can neither read, nor write, nor take away a segment.
fn other_user(setup: &Setup) {
    let pool = setup.pool(1);
    let _block = pool.arena().copy_from(&[0_u8; 1 << 20]).expect("a block");
    let may = |script: &str| {
        let mut command = Command::new("sh");
        command.args(["-c", script]).uid(NOBODY).gid(NOBODY);
        command.stdout(Stdio::null()).stderr(Stdio::null());
        command
            .current_dir("/")
            .status()
            .map(|status| status.success())
    };
    if !matches!(may("true"), Ok(true)) {
        println!("skipped: no right to become another user (run as root)");
        return;
    }
    for path in census::segments_of(std::process::id()) {
        let path = path.display();
        for script in [
            format!("head -c 1 {path}"),
            format!("printf x >> {path}"),
            format!("mv {path} {path}.x"),
            format!("rm -f {path}"),
        ] {
            let done = may(&script).expect("a shell");
            assert!(!done, "another user may: {script}");
        }
    }
    works(&pool);
}

const VALUES: usize = 8 << 20;

/// A shared value crosses as a descriptor, there and back, and to several at once.
fn not_copied(setup: &Setup) {
    let pool = setup.pool(2);
    let mut owned = pool.arena().alloc::<u64>(VALUES).expect("a block");
    for (i, value) in owned.iter_mut().enumerate() {
        *value = i as u64;
    }
    let shared = owned.into_shared();
    let sum = |values: Shared<[u64]>| values.iter().sum::<u64>();
    let wanted = (VALUES as u64 - 1) * VALUES as u64 / 2;
    let sums = pool.map(sum, (0..4).map(|_| shared.clone()));
    assert_eq!(sums, vec![Ok(wanted); 4]);
    // What a worker gives back is the same place, which this process can tell.
    let back = pool.submit(|values: Shared<[u64]>| values, shared.clone());
    let back = back.join().expect("the same block");
    assert_eq!(back.as_ptr(), shared.as_ptr());
    assert_eq!(back.len(), VALUES);
    // And what a worker made is read here without a copy on the way.
    let made = |n: usize| {
        let arena = forkyard::context().arena().expect("a worker has one");
        let mut owned = arena.alloc::<u32>(n).expect("a block");
        owned.fill(3);
        owned.into_shared()
    };
    let made = pool.submit(made, 1 << 20).join().expect("a block");
    assert!(made.len() == 1 << 20 && made.iter().all(|n| *n == 3));
    drop(made);
    let report = pool.close();
    let bytes: u64 = report
        .processes
        .iter()
        .map(|row| row.bytes_in + row.bytes_out)
        .sum();
    assert!(bytes < 2000, "{bytes} bytes crossed");
}

/// A shared value outlives its pool.
fn outlives(setup: &Setup) {
    let (ours, theirs) = {
        let pool = setup.pool(1);
        let ours = pool.arena().copy_from(&[6_u16; 100_000]).expect("a block");
        let task = |n: usize| {
            let arena = forkyard::context().arena().expect("a worker has one");
            arena.copy_from(&vec![5_u16; n]).expect("a block")
        };
        let theirs = pool.submit(task, 100_000).join().expect("a block");
        (ours, theirs)
    };
    assert!(census::segments_of(std::process::id()).is_empty());
    assert!(ours.iter().all(|n| *n == 6));
    assert!(theirs.iter().all(|n| *n == 5));
    let clone = theirs.clone();
    drop(theirs);
    assert_eq!(clone.len(), 100_000);
    drop(ours);
    drop(clone);
    works(&setup.pool(1));
}

/// A place in one pool's memory is refused by another pool; it never means another value.
fn foreign(setup: &Setup) {
    if setup.method == forkyard::StartMethod::Fork {
        return; // one pool at a time
    }
    let (one, two) = (setup.pool(1), setup.pool(1));
    let mine = one.arena().copy_from(&[1_u64; 1000]).expect("a block");
    let _other = two.arena().copy_from(&[2_u64; 1000]).expect("a block");
    let sum = |values: Shared<[u64]>| values.iter().sum::<u64>();
    let result = two.submit(sum, mine.clone()).join();
    assert!(result.is_err(), "{result:?}");
    assert!(
        two.map(sum, [mine.clone(), mine.clone()])
            .iter()
            .all(Result::is_err)
    );
    assert_eq!(one.submit(sum, mine).join(), Ok(1000));
    works(&two);
}

/// Outside of a task's argument or result a shared value is no value.
fn outside(setup: &Setup) {
    let pool = setup.pool(1);
    let values = pool.arena().copy_from(&[1_u64; 10]).expect("a block");
    let text = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| format!("{values:?}")));
    assert_eq!(text.expect("it can be shown"), format!("{:?}", [1_u64; 10]));
    // Several in one value, and none.
    let pair = pool.submit(
        |(a, b): (Shared<[u64]>, Vec<Shared<[u64]>>)| a.len() + b.len(),
        (values.clone(), vec![values.clone(); 500]),
    );
    assert_eq!(pair.join(), Ok(510));
    let empty = pool.arena().copy_from::<u64>(&[]).expect("a block");
    assert_eq!(pool.submit(|e: Shared<[u64]>| e.len(), empty).join(), Ok(0));
    // The wrong type is told, not read.
    let bytes = pool.arena().copy_from(&[1_u8; 13]).expect("a block");
    let handle = pool.submit(|bytes: Shared<[u8]>| bytes.len(), bytes);
    assert_eq!(handle.join(), Ok(13));
}
