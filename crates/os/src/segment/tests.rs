//! Names round trip; memory is shared, private to the user, reserved, and gone afterwards.

use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicBool, Ordering};

use super::{Advice, Extent, MAX_CHILDREN, Segment, SegmentError, SegmentName, leftovers, unlink};
use crate::process::Pid;

fn bytes(n: usize) -> NonZeroUsize {
    NonZeroUsize::new(n).unwrap()
}

#[test]
fn names_say_who_made_them_and_fit() {
    let name = SegmentName::fresh().unwrap();
    assert_eq!(name.creator_pid(), Pid::current());
    assert!(name.creator_is_alive());
    let longest = name.child(MAX_CHILDREN - 1);
    assert!(longest.as_str().len() <= 31, "{longest}");
    for text in [name.as_str(), longest.as_str(), &name.as_str()[1..]] {
        let parsed = SegmentName::parse(text).unwrap();
        assert_eq!(
            parsed.as_str().trim_start_matches('/'),
            text.trim_start_matches('/')
        );
        assert_eq!(parsed.creator_start(), name.creator_start());
    }
    assert_eq!(longest.child(3), name.child(3));
    assert_ne!(name, SegmentName::fresh().unwrap());
}

#[test]
fn the_longest_possible_name_fits_macos() {
    let text = "/fy-zzzzz-zzzzzzz-zzzzzzzzz.zzz";
    assert_eq!(text.len(), 31);
    assert!(SegmentName::parse(text).is_ok());
}

#[test]
fn other_names_are_refused() {
    for text in [
        "",
        "/",
        "/fy-",
        "/fy-1-2",
        "/fy-1-2-3",
        "/fy-0-2-123456789",
        "/fy-1-2-12345678A",
        "/fy-1-2-123456789.",
        "/fy-1-2-123456789.1234",
        "/fy-01-2-123456789",
        "/fy-1-2-123456789-4",
        "//fy-1-2-123456789",
        "/fy-1-2-123456789/../x",
        "/fy-1-+2-123456789",
        "/fy-1-2-123456789.01",
    ] {
        let result = SegmentName::parse(text);
        assert!(
            matches!(result, Err(SegmentError::BadName { .. })),
            "{text}"
        );
    }
}

#[test]
fn a_segment_is_shared_and_its_creator_unlinks_it() {
    let name = SegmentName::fresh().unwrap();
    let made = Segment::create(&name, bytes(10_000)).unwrap();
    let seen = Segment::open(&name).unwrap();
    assert!(made.len() == 10_000 && seen.len() >= 10_000);
    // SAFETY: both mappings are live, 10 000 bytes long, and only this thread touches them.
    unsafe {
        made.as_ptr().add(9_999).write(42);
        assert_eq!(seen.as_ptr().add(9_999).read(), 42);
        assert_eq!(seen.as_ptr().read(), 0);
    }
    let again = Segment::create(&name, bytes(1));
    assert!(matches!(again, Err(SegmentError::AlreadyExists { .. })));
    drop(seen);
    assert!(Segment::open(&name).is_ok(), "only the creator unlinks");
    drop(made);
    assert!(matches!(
        Segment::open(&name),
        Err(SegmentError::Missing { .. })
    ));
    assert!(!unlink(&name).unwrap());
}

#[test]
fn an_extent_is_shared_and_stays_until_it_is_unlinked() {
    let name = SegmentName::fresh().unwrap().child(0);
    let made = Extent::create(&name, bytes(1 << 20), Advice::default()).unwrap();
    let seen = Extent::open(&name, bytes(1 << 20), Advice::default()).unwrap();
    // SAFETY: both mappings are live, a mebibyte long, and only this thread touches them.
    unsafe {
        made.as_ptr().write(7);
        assert_eq!(seen.as_ptr().read(), 7);
    }
    let too_far = Extent::open(&name, bytes((1 << 20) + 20_000), Advice::default());
    assert!(matches!(too_far, Err(SegmentError::TooSmall { .. })));
    drop(made);
    drop(seen);
    assert!(unlink(&name).unwrap());
    assert!(!unlink(&name).unwrap());
}

/// Resident bytes of the mapping that begins there.
#[cfg(target_os = "linux")]
fn resident_bytes(extent: &Extent) -> u64 {
    let start = format!("{:x}-", extent.as_ptr().addr());
    let maps = std::fs::read_to_string("/proc/self/smaps").unwrap();
    let mut lines = maps.lines().skip_while(|line| !line.starts_with(&start));
    let rss = lines.find_map(|line| line.strip_prefix("Rss:")).unwrap();
    rss.trim()
        .strip_suffix(" kB")
        .unwrap()
        .parse::<u64>()
        .unwrap()
        * 1024
}

#[cfg(target_os = "linux")]
#[test]
fn pages_are_entered_at_once_when_that_is_wished() {
    let size = 4 << 20;
    let name = SegmentName::fresh().unwrap().child(1);
    let lazy = Extent::create(&name, bytes(size), Advice::default()).unwrap();
    assert_eq!(resident_bytes(&lazy), 0);
    let wishes = Advice {
        huge_pages: true,
        prefault: true,
    };
    let eager = Extent::open(&name, bytes(size), wishes).unwrap();
    assert_eq!(resident_bytes(&eager), size as u64);
    super::advice::touch(lazy.as_ptr(), bytes(size));
    assert_eq!(resident_bytes(&lazy), size as u64);
    assert!(unlink(&name).unwrap());
}

#[cfg(target_os = "linux")]
#[test]
fn where_nothing_can_be_made_the_place_is_named() {
    let name = SegmentName::fresh().unwrap();
    for errno in [nix::errno::Errno::EACCES, nix::errno::Errno::EPERM] {
        let text = super::object::not_created(&name, errno).to_string();
        assert!(text.contains("chmod 1777 /dev/shm"), "{text}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_file_system_is_an_error_that_says_so_and_leaves_nothing() {
    let name = SegmentName::fresh().unwrap();
    let limit = crate::limits::shm_free().unwrap().total;
    let wanted = bytes(usize::try_from(limit).unwrap() + (1 << 30));
    for result in [
        Extent::create(&name, wanted, Advice::default()).map(drop),
        Segment::create(&name, wanted).map(drop),
    ] {
        let Err(error @ SegmentError::Full { .. }) = result else {
            panic!("{result:?}");
        };
        assert!(error.to_string().contains("--shm-size"), "{error}");
        assert!(!unlink(&name).unwrap(), "a failed creation leaves no name");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn case_44_a_segment_is_reserved_and_private() {
    use std::os::unix::fs::MetadataExt;
    let name = SegmentName::fresh().unwrap();
    let _segment = Segment::create(&name, bytes(1 << 20)).unwrap();
    let meta = std::fs::metadata(format!("/dev/shm{name}")).unwrap();
    assert_eq!(meta.mode() & 0o777, 0o600);
    assert!(meta.blocks() * 512 >= 1 << 20, "the pages are there");
}

#[test]
fn case_44_a_guessed_name_is_left_alone_and_another_taken() {
    let (guessed, free) = (SegmentName::fresh().unwrap(), SegmentName::fresh().unwrap());
    let theirs = Extent::create(&guessed, bytes(4096), Advice::default()).unwrap();
    // SAFETY: mapped, 4096 bytes long, and nobody else's.
    unsafe { theirs.as_ptr().write(7) };
    let mut names = [guessed.clone(), guessed.clone(), free.clone()].into_iter();
    let made = Segment::create_under(|| Ok(names.next().unwrap()), bytes(100)).unwrap();
    assert_eq!(*made.name(), free);
    drop(made);
    // SAFETY: as above.
    assert_eq!(unsafe { theirs.as_ptr().read() }, 7);
    let taken = Segment::create_under(|| Ok(guessed.clone()), bytes(100));
    assert!(matches!(taken, Err(SegmentError::AlreadyExists { .. })));
    assert!(unlink(&guessed).unwrap(), "it was left alone");
}

/// The name that the process of this one would have given, had it started at another time.
fn of_an_earlier_process(name: &SegmentName, random: usize) -> SegmentName {
    let pid = name.as_str().split('-').nth(1).unwrap();
    SegmentName::parse(&format!("/fy-{pid}-1-{random:0>9}")).unwrap()
}

#[test]
fn case_27_sweeps_that_race_take_each_leftover_once() {
    let alive = SegmentName::fresh().unwrap();
    let _segment = Segment::create(&alive, bytes(4096)).unwrap();
    let left: Vec<_> = (0..60)
        .map(|random| of_an_earlier_process(&alive, random))
        .collect();
    for name in &left {
        drop(Extent::create(name, bytes(4096), Advice::default()).unwrap());
    }
    let swept: Vec<_> = std::thread::scope(|scope| {
        let sweeps: Vec<_> = (0..3)
            .map(|_| scope.spawn(|| super::sweep().unwrap()))
            .collect();
        let swept = sweeps.into_iter().flat_map(|sweep| sweep.join().unwrap());
        swept.map(|leftover| leftover.name).collect()
    });
    for name in &left {
        // At most once: other programs of this machine may sweep as well.
        assert!(swept.iter().filter(|other| *other == name).count() <= 1);
        let there = unlink(name).unwrap();
        assert!(!there || cfg!(not(target_os = "linux")), "{name} is left");
    }
    assert!(Segment::open(&alive).is_ok(), "who lives is spared");
}

#[test]
fn a_pools_names_go_together() {
    let (name, other) = (SegmentName::fresh().unwrap(), SegmentName::fresh().unwrap());
    let _segment = Segment::create(&name, bytes(4096)).unwrap();
    let _other = Segment::create(&other, bytes(4096)).unwrap();
    for child in [0, 9] {
        drop(Extent::create(&name.child(child), bytes(4096), Advice::default()).unwrap());
    }
    let count = super::unlink_pool(&name.child(9)).unwrap();
    if cfg!(target_os = "linux") {
        assert_eq!(count, 3);
    }
    assert_eq!(super::unlink_pool(&name).unwrap(), 0);
    assert!(Segment::open(&other).is_ok());
    for child in [0, 9] {
        let _ = unlink(&name.child(child));
    }
}

#[test]
fn case_27_what_a_dead_pool_left_is_found_and_a_living_one_is_not() {
    let alive = SegmentName::fresh().unwrap();
    let _segment = Segment::create(&alive, bytes(4096)).unwrap();
    let dead = of_an_earlier_process(&alive, 123_456_789);
    let left = dead.child(7);
    // Whoever builds a pool on this machine sweeps as well: then it is left once more.
    let found = (0..100).find_map(|_| {
        drop(Extent::create(&left, bytes(4096), Advice::default()).unwrap());
        let found = leftovers().unwrap();
        let was_there = unlink(&left).unwrap();
        assert!(!found.iter().any(|other| other.name.pool() == alive));
        was_there.then_some(found)
    });
    let is_it = |other: &super::Leftover| other.name == left && other.bytes == 4096;
    assert!(found.unwrap().iter().any(is_it) || cfg!(not(target_os = "linux")));
}

#[test]
fn a_lock_saves_a_pool_whose_pid_cannot_be_seen() {
    // Its maker seems dead by its name, as that of another container does, but gives a sign of life.
    let name = SegmentName::parse("/fy-zzzzz-1-lockedone").unwrap();
    let _ = unlink(&name);
    let segment = Segment::create(&name, bytes(4096)).unwrap();
    assert!(!name.creator_is_alive());
    if cfg!(not(target_os = "linux")) {
        return; // no locks on shared memory there
    }
    assert!(!leftovers().unwrap().iter().any(|l| l.name == name));
    drop(segment);
}

/// Another container looks for leftovers all the time, and takes each new segment for one as long as it
/// is not locked.
#[test]
fn a_segment_that_was_swept_before_it_was_locked_is_made_anew() {
    if cfg!(not(target_os = "linux")) {
        return; // no locks on shared memory there
    }
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                super::sweep().unwrap();
            }
        });
        let (mut count, mut lost) = (0_u32, 0);
        for _ in 0..300 {
            // Its maker seems dead by its name.
            let fresh = || {
                count += 1;
                SegmentName::parse(&format!("/fy-zzzzz-2-swept{count:04}"))
            };
            let Ok(segment) = Segment::create_under(fresh, bytes(64 << 10)) else {
                continue; // one name after the other was
            };
            let opened = Segment::open(segment.name());
            lost += u32::from(opened.is_err());
        }
        over.store(true, Ordering::Relaxed);
        assert_eq!(lost, 0, "a segment that was made has a name");
    });
}
