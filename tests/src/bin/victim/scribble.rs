//! Workers that write over the memory that they share with their supervisor. They do it through
//! the files in which that memory is, as no interface of ours lets them.

use std::fs::OpenOptions;
use std::mem::offset_of;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use forkyard::{Pool, TaskError};
use forkyard_shm::lane::Slot;
use forkyard_shm::layout::{self, Shape, WorkerPage};
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;
use tests::patience::{LIVENESS, until};
use tests::random::Random;
use tests::{census, gate};

use crate::Scenario;
use crate::setup::{Setup, kill_myself, works};

pub(crate) const SCENARIOS: &[Scenario] = &[
    ("scribble/states", states),
    ("scribble/tasks", tasks),
    ("scribble/youngest", youngest),
    ("scribble/counts", counts),
    ("scribble/result", result),
    ("scribble/claimed", claimed),
    ("scribble/version", version),
    ("scribble/rounds", rounds),
    ("scribble/directory", directory),
    ("scribble/random", random),
];

const RESULT_AT: u64 = layout::RESULT_AT as u64;
const DIRECTORY_AT: u64 = layout::DIRECTORY_AT as u64;
const SLOT_BYTES: u64 = size_of::<Slot>() as u64;
const PAGE_BYTES: u64 = size_of::<WorkerPage>() as u64;
const PIPES_AT: u64 = offset_of!(WorkerPage, pipes) as u64;

/// Where things lie in a pool's control segment.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Map {
    control: PathBuf,
    slots: u64,
    workers_at: u64,
    stride: u64,
}

impl Map {
    /// Of the one pool of this process.
    pub(crate) fn of(pool: &Pool) -> Self {
        let is_control = |path: &PathBuf| path.extension().is_none();
        let mut segments = census::segments_of(std::process::id()).into_iter();
        let control = segments.find(is_control).expect("a control segment");
        let slots = u32::from_le_bytes(read(&control, 0x18));
        let bytes = |workers| Shape { workers, slots }.bytes() as u64;
        let stride = bytes(2) - bytes(1);
        let map = Self {
            workers_at: bytes(1) - stride,
            control,
            slots: u64::from(slots),
            stride,
        };
        assert_eq!(
            pool.workers() as u32,
            u32::from_le_bytes(read(&map.control, 0x14))
        );
        map
    }

    /// The page of the worker that asks.
    fn page(&self) -> u64 {
        let index = forkyard::context().worker().expect("a worker asks");
        self.workers_at + index as u64 * self.stride
    }

    /// Says when the worker that asks has begun its last message.
    pub(crate) fn say_started(&self, ticks: u64) {
        let at = offset_of!(WorkerPage, counters.started) as u64;
        self.write(self.page() + at, &ticks.to_le_bytes());
    }

    /// Says how many messages the worker that asks has begun.
    pub(crate) fn say_begun(&self, messages: u64) {
        let at = offset_of!(WorkerPage, counters.begun) as u64;
        self.write(self.page() + at, &messages.to_le_bytes());
    }

    /// The slots of the lane of the worker that asks.
    fn slots(&self) -> impl Iterator<Item = u64> {
        let lane = self.page() + PAGE_BYTES;
        (0..self.slots).map(move |slot| lane + slot * SLOT_BYTES)
    }

    fn write(&self, at: u64, bytes: &[u8]) {
        write(&self.control, at, bytes);
    }
}

fn read<const N: usize>(path: &Path, at: u64) -> [u8; N] {
    let mut bytes = [0; N];
    let file = OpenOptions::new().read(true).open(path);
    let file = file.expect("a segment is a file");
    file.read_exact_at(&mut bytes, at).expect("it is that long");
    bytes
}

fn write(path: &Path, at: u64, bytes: &[u8]) {
    // One that is gone by now needs no writing over.
    if let Ok(file) = OpenOptions::new().write(true).open(path) {
        file.write_all_at(bytes, at).expect("it can be written");
    }
}

fn is_fault<T>(result: &Result<T, TaskError>) -> bool {
    matches!(result, Err(TaskError::Fault(_)))
}

/// Tasks behind one that writes `bytes` into its lane's slots at `at`, and then ends as `last`
/// says: what became of them.
fn behind(setup: &Setup, at: u64, bytes: &[u8], last: &str) -> Vec<Result<u64, TaskError>> {
    let pool = setup.pool(1);
    let scribble = |(map, at, bytes, last): (Map, u64, Vec<u8>, String)| {
        gate::wait("sent");
        for slot in map.slots() {
            map.write(slot + at, &bytes);
        }
        if last == "dies" {
            kill_myself();
        }
        0_u64
    };
    let order = (Map::of(&pool), at, bytes.to_vec(), last.to_owned());
    let first = pool.submit(scribble, order);
    let others: Vec<_> = (1..4).map(|n| pool.submit(|n: u64| n, n)).collect();
    gate::say("sent", "");
    let mut results = vec![first.join()];
    results.extend(others.into_iter().map(forkyard::Handle::join));
    // What lies in slots that were not in use is found when they are, unless the worker has written
    // over it by then. Its replacement's lane is as new.
    for _ in 0..Map::of(&pool).slots {
        let result = pool.submit(|n: u64| n, 7_u64).join();
        assert!(result == Ok(7) || is_fault(&result), "{result:?}");
        if result.is_err() {
            break;
        }
    }
    works(&pool);
    results
}

/// Words of slots that no worker writes: those of the tasks that it has not begun, and those of
/// results.
fn states(setup: &Setup) {
    for at in [0x00, 0x80] {
        let results = behind(setup, at, &0xdead_beef_u32.to_le_bytes(), "returns");
        let sound =
            |(n, result): (usize, &Result<u64, _>)| is_fault(result) || *result == Ok(n as u64);
        assert!(results.iter().enumerate().all(sound), "{results:?}");
        let _ = std::fs::remove_file(gate::folder().join("sent"));
    }
}

/// Tasks that were not begun: what they run, how many items they have, where their payload is.
/// None of it is run elsewhere.
fn tasks(setup: &Setup) {
    for (at, bytes) in [
        (0x08, [0xff; 8].as_slice()),
        (0x10, &[9; 4]),
        (0x18, &[0xff; 8]),
    ] {
        let results = behind(setup, at, bytes, "dies");
        assert!(
            matches!(results[0], Err(TaskError::WorkerDied(_))),
            "{results:?}"
        );
        assert!(results[1..].iter().all(is_fault), "{results:?}");
        let _ = std::fs::remove_file(gate::folder().join("sent"));
    }
}

/// The youngest task of a worker's lane, while two others have nothing to do and are given what stands
/// before it: none gets the argument of its neighbour.
fn youngest(setup: &Setup) {
    let pool = setup.pool(3);
    let task = |(map, n): (Option<Map>, u64)| {
        match map {
            None => gate::wait("written"),
            Some(map) => {
                let word = |slot: &u64| read::<4>(&map.control, *slot);
                let empty = word(&map.slots().last().expect("slots"));
                let sent = || {
                    map.slots()
                        .filter(|slot| word(slot) != empty)
                        .collect::<Vec<_>>()
                };
                let all = until("tasks behind this one", LIVENESS, || {
                    Some(sent()).filter(|sent| sent.len() > 10)
                });
                let last = *all.last().expect("many");
                map.write(last, &0xdead_beef_u32.to_le_bytes());
                gate::say("written", "");
                gate::wait("never");
            }
        }
        n
    };
    let map = Map::of(&pool);
    let items = (0..100_u64).map(|n| ((n == 0).then(|| map.clone()), n));
    let results = pool.task(task).chunk_size(1).map(items);
    for (n, result) in results.iter().enumerate() {
        let lost = matches!(result, Err(TaskError::Fault(_)));
        assert!(lost || *result == Ok(n as u64), "{n}: {result:?}");
    }
    works(&pool);
}

/// Packets that the worker says to have sent, or to have received.
fn counts(setup: &Setup) {
    for (at, count) in [(4, 77_u64), (0, 0x3fff_ffff), (8, 1 << 40)] {
        let pool = setup.pool(1);
        let scribble = |(map, at, count): (Map, u64, u64)| {
            let bytes = count.to_le_bytes();
            let width = if at == 8 { 8 } else { 4 };
            map.write(map.page() + PIPES_AT + at, &bytes[..width]);
            gate::wait("sent");
        };
        let first = pool.submit(scribble, (Map::of(&pool), at, count));
        // More than the pipe holds: it waits for the worker to say that it has taken some.
        let large = ByteBuf::from(vec![1; 2 << 20]);
        let others: Vec<_> = (0..3)
            .map(|_| pool.submit(|bytes: ByteBuf| bytes.len(), large.clone()))
            .collect();
        gate::say("sent", "");
        // Only a message that was in its hands can be lost with the worker.
        let mut results = vec![first.join().map(|()| 0)];
        results.extend(others.into_iter().map(forkyard::Handle::join));
        let fine = |result: &Result<usize, _>| result.is_ok() || is_fault(result);
        assert!(results.iter().all(fine), "{results:?}");
        works(&pool);
        let deaths = pool.close().deaths.len();
        assert!(deaths > 0, "a count at {at} that cannot be was believed");
        let _ = std::fs::remove_file(gate::folder().join("sent"));
    }
}

/// A published result that is too long, or of nobody.
fn result(setup: &Setup) {
    let round_1 = 1_u64 << 32;
    let published = |owner: u64| (round_1 | owner << 8 | 3).to_le_bytes();
    for (state, len) in [(published(1), 5000_u32), (published(200), 8)] {
        let pool = setup.pool(2);
        let scribble = |_: &forkyard::Search<'_>, (map, state, len): (Map, [u8; 8], u32)| {
            map.write(RESULT_AT + 0x14, &len.to_le_bytes());
            map.write(RESULT_AT, &state);
            None::<u64>
        };
        let found = pool.first(scribble, [(Map::of(&pool), state, len)]);
        assert!(matches!(found, Err(TaskError::Fault(_))), "{found:?}");
        works(&pool);
        let found = pool.first(|_, n: u64| Some(n), [7_u64]);
        let found = found.expect("a search").found.expect("a find");
        assert_eq!((found.value, found.worker < 2), (7, true));
    }
}

/// A worker dies with the slot claimed and nothing published, as it can between the two: the claim
/// is given back, and another one wins.
fn claimed(setup: &Setup) {
    const OPEN: u8 = 1;
    const CLAIMED: u8 = 2;
    let pool = setup.pool(2);
    for round in 1..4_u64 {
        let task = |_: &forkyard::Search<'_>, (n, map, round): (u64, Map, u64)| {
            let phase = |map: &Map| read::<1>(&map.control, RESULT_AT)[0];
            let mine = forkyard::context().worker().expect("a worker") as u64 + 1;
            let name = format!("claimed-{round}");
            if n == 0 {
                let state = round << 32 | mine << 8 | u64::from(CLAIMED);
                map.write(RESULT_AT, &state.to_le_bytes());
                gate::say(&name, "");
                kill_myself();
            }
            gate::wait(&name);
            let is_open = || (phase(&map) == OPEN).then_some(());
            until("the claim is given back", LIVENESS, is_open);
            Some(n)
        };
        let items = (0..2).map(|n| (n, Map::of(&pool), round));
        let first = pool.first(task, items).expect("a search");
        assert_eq!((first.found.expect("a find").value, first.winners), (1, 1));
    }
    works(&pool);
}

/// A segment of another version: whoever is to attach to it refuses, and says why.
fn version(setup: &Setup) {
    let pool = setup.builder().workers(1).most_failed_starts(2);
    let pool = pool.build().expect("a pool");
    let scribble = |map: Map| {
        map.write(0x10, &99_u32.to_le_bytes());
        kill_myself();
    };
    let died: Result<(), _> = pool.submit(scribble, Map::of(&pool)).join();
    assert!(matches!(died, Err(TaskError::WorkerDied(_))), "{died:?}");
    let next = pool.submit(|n: u64| n, 1).join();
    match setup.method {
        forkyard::StartMethod::Spawn => {
            assert!(matches!(next, Err(TaskError::NoWorkers(_))), "{next:?}");
        }
        // A zygote has attached before.
        _ => assert_eq!(next, Ok(1)),
    }
}

/// The count of rounds is not taken from where workers can write.
fn rounds(setup: &Setup) {
    let pool = setup.pool(1);
    let scribble = |map: Map| map.write(0x48, &u64::MAX.to_le_bytes());
    let wrote = pool.submit(scribble, Map::of(&pool));
    assert_eq!(wrote.join(), Ok(()));
    for n in 0..10 {
        let first = pool.first(|_, n: u64| Some(n), [n]).expect("a search");
        assert_eq!(first.found.map(|found| found.value), Some(n));
    }
}

/// A directory of nothing but noise: no payload crosses in blocks any more, and that is told. The
/// extents that nobody can find by it go with the pool all the same.
fn directory(setup: &Setup) {
    let pool = setup.pool(1);
    let shared = pool.arena().copy_from(&[7_u64; 10_000]).expect("a block");
    let scribble = |map: Map| map.write(DIRECTORY_AT + 64, &[0xa5; 64 * 256]);
    let wrote = pool.submit(scribble, Map::of(&pool));
    assert_eq!(wrote.join(), Ok(()));
    let bytes = ByteBuf::from(vec![1; 1 << 20]);
    let result = pool.submit(|bytes: ByteBuf| bytes.len(), bytes).join();
    assert_eq!(result.is_ok(), !setup.is_shared(), "{result:?}");
    assert!(pool.arena().copy_from(&[7_u64; 1 << 20]).is_err());
    assert!(shared.iter().all(|n| *n == 7), "what is mapped stays");
    let stats = pool.arena().stats();
    assert!(stats.extents > 0, "{stats:?}");
    for n in 0..100 {
        assert_eq!(pool.submit(|n: u64| n + 1, n).join(), Ok(n + 1));
    }
}

/// Writes `random` bytes somewhere into what this worker can reach: its own lane and page, the
/// result slot, the directory, the headers of blocks.
fn scribble_once(map: &Map, random: &mut Random) {
    let bytes = random.draw().to_le_bytes();
    let width = [1, 4, 8][random.below(3) as usize];
    let at = |start: u64, len: u64, random: &mut Random| {
        start + random.below(len / width as u64) * width as u64
    };
    let place = match random.below(10) {
        0..4 => {
            let slot = map.page() + PAGE_BYTES + random.below(BUSY_SLOTS) * SLOT_BYTES;
            // What a task runs is left alone: the worker would run it, whatever it is.
            match at(0, SLOT_BYTES, random) {
                0x08..0x10 => slot,
                within => slot + within,
            }
        }
        4..6 => at(map.page(), 0x180, random),
        6 => at(RESULT_AT, 0x60, random),
        7 => at(DIRECTORY_AT, 64 * 6, random),
        _ => {
            let name = map.control.file_name().expect("a name").to_owned();
            let is_extent = |other: &std::ffi::OsString| {
                let (other, name) = (other.to_string_lossy(), name.to_string_lossy());
                other.starts_with(&*name) && *other != *name
            };
            let folder = map.control.parent().expect("a folder");
            let found = census::entries(folder).into_iter().find(is_extent);
            if let Some(extent) = found {
                let at = at(0, 64 * 8, random);
                write(&folder.join(extent), at, &bytes[..width]);
            }
            return;
        }
    };
    map.write(place, &bytes[..width]);
}

/// More than there is time for while the tasks below run.
const MOST_SCRIBBLES: u32 = 3000;
/// Most of what a lane is used for while one task after the other is joined is in these.
const BUSY_SLOTS: u64 = 8;

/// Random bytes at random moments: every task has an answer, or is given up; then the pool can be
/// ended, and another one works.
fn random(setup: &Setup) {
    const ANSWER_WITHIN: Duration = Duration::from_millis(300);
    let mut random = Random(setup.number());
    let mut told = [0; 4];
    for _ in 0..4 {
        let pool = setup.pool(2);
        let begin = |(map, mut random): (Map, Random)| {
            // A thread that goes on while its worker works.
            std::thread::spawn(move || {
                for _ in 0..MOST_SCRIBBLES {
                    scribble_once(&map, &mut random);
                    std::thread::yield_now();
                }
            });
        };
        let seed = Random(random.draw());
        drop(pool.submit(begin, (Map::of(&pool), seed)));
        for n in 0..40_usize {
            let len = [8, 200, 40_000, 300_000][random.below(4) as usize];
            let bytes = ByteBuf::from(vec![n as u8; len]);
            let mut handle = pool.submit(|bytes: ByteBuf| bytes, bytes);
            match handle.join_timeout(ANSWER_WITHIN) {
                Some(Ok(_)) => told[0] += 1,
                Some(Err(TaskError::Fault(_))) => told[1] += 1,
                Some(Err(_)) => told[2] += 1,
                // As if its task never ended: the worker was made to overlook it.
                None => {
                    told[3] += 1;
                    break;
                }
            }
        }
        let rows = pool.timings();
        let residuals = rows.iter().map(forkyard::ProcessTimings::residual_ns);
        let _ = (residuals.count(), pool.tasks_done(), pool.arena().stats());
        drop(pool.abort(Duration::from_millis(20)));
    }
    println!(
        "answers {}, faults {}, other errors {}, given up {}",
        told[0], told[1], told[2], told[3]
    );
    works(&setup.pool(2));
}
