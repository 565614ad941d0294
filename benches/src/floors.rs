//! Floors: the same exchange with nothing around it. Each forks a peer of its own, so the
//! calling process must have one thread.

#![expect(
    unsafe_code,
    reason = "a floor touches shared words directly, without the layers it is a floor for"
)]

use std::io::{Read, Write};
use std::num::NonZeroUsize;
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use crate::idle::{self, Idle};
use crate::samples::median_batch;
use forkyard_os::park;
use forkyard_os::process::{Forked, Pid, exit_now, fork, reap_blocking};
use forkyard_os::segment::{Advice, Extent, SegmentName, unlink};
use ipc_channel::ipc::{IpcBytesReceiver, IpcBytesSender, bytes_channel};

/// What a floor returns: how long, for how many operations.
pub type Measured = (Duration, u64);

/// Two words, each on a cache line pair of its own, that two processes see.
struct Words {
    memory: Extent,
}

impl Words {
    fn new() -> Self {
        let name = SegmentName::fresh().expect("a name");
        let page = NonZeroUsize::new(4096).expect("not zero");
        let memory = Extent::create(&name, page, Advice::default()).expect("shared memory");
        let _ = unlink(&name);
        Self { memory }
    }

    fn word(&self, index: usize) -> &AtomicU32 {
        assert!(index < 32);
        // SAFETY: inside the page of the mapping, aligned to 128; an AtomicU32 may be shared.
        unsafe { self.memory.as_ptr().add(index * 128).cast().as_ref() }
    }
}

/// A child that ends at once, forked and waited for; the median of so many.
#[must_use]
pub fn fork_and_wait(runs: usize) -> Measured {
    let one = || {
        let start = Instant::now();
        let _ = with_peer(|| {}, Measured::default);
        start.elapsed()
    };
    let mut all: Vec<Duration> = (0..=runs).map(|_| one()).skip(1).collect();
    all.sort_unstable();
    (all[runs / 2], 1)
}

/// The memory of a forked child that does nothing but wait.
#[must_use]
pub fn idle_child() -> Idle {
    let words = Words::new();
    match fork().expect("floors are measured before there are threads") {
        Forked::Child => {
            while words.word(0).load(Ordering::Relaxed) == 0 {
                let _ = park::wait(words.word(0), 0, Some(Duration::from_secs(1)));
            }
            exit_now(0)
        }
        Forked::Parent(pid) => {
            let found = idle::of(pid.as_raw().cast_unsigned());
            words.word(0).store(1, Ordering::Relaxed);
            park::wake(words.word(0), 1);
            let _ = reap_blocking(pid);
            found
        }
    }
}

/// Runs `child` in a forked process, to its end, while `parent` measures.
fn with_peer(child: impl FnOnce(), parent: impl FnOnce() -> Measured) -> Measured {
    let pid: Pid = match fork().expect("floors are measured before there are threads") {
        Forked::Child => {
            child();
            exit_now(0)
        }
        Forked::Parent(pid) => pid,
    };
    let measured = parent();
    let _ = reap_blocking(pid);
    measured
}

/// One cache line back and forth between two spinning processes.
#[must_use]
pub fn ping_pong(rounds: u32) -> Measured {
    let words = Words::new();
    let (ping, pong) = (words.word(0), words.word(1));
    let spin_until = |word: &AtomicU32, value: u32| {
        // pairs with the Release of the peer's store below.
        while word.load(Ordering::Acquire) != value {
            std::hint::spin_loop();
        }
    };
    with_peer(
        || {
            for round in 1..=rounds {
                spin_until(ping, round);
                pong.store(round, Ordering::Release);
            }
        },
        || {
            let mut round = 0;
            median_batch(u64::from(rounds), || {
                round += 1;
                ping.store(round, Ordering::Release);
                spin_until(pong, round);
            })
        },
    )
}

/// Two futex wakes, one each way, between two processes that always sleep.
#[must_use]
pub fn futex_pair(rounds: u32) -> Measured {
    let words = Words::new();
    let (ping, pong) = (words.word(0), words.word(1));
    let sleep_until = |word: &AtomicU32, value: u32| {
        loop {
            // pairs with the Release of the peer's store below.
            let seen = word.load(Ordering::Acquire);
            if seen == value {
                return;
            }
            let _ = park::wait(word, seen, None);
        }
    };
    with_peer(
        || {
            for round in 1..=rounds {
                sleep_until(ping, round);
                pong.store(round, Ordering::Release);
                park::wake(pong, 1);
            }
        },
        || {
            let mut round = 0;
            median_batch(u64::from(rounds), || {
                round += 1;
                ping.store(round, Ordering::Release);
                park::wake(ping, 1);
                sleep_until(pong, round);
            })
        },
    )
}

/// A message of 32 bytes there and one of 24 back through a Unix-domain socket, between two
/// processes that sleep for each: what a call of a manager writes, with nothing around it.
#[must_use]
pub fn socket_pair(rounds: u32) -> Measured {
    let (mut ours, mut theirs) = UnixStream::pair().expect("a pair of sockets");
    with_peer(
        || {
            let mut call = [0; 32];
            for _ in 0..rounds {
                theirs.read_exact(&mut call).expect("a call");
                theirs.write_all(&call[..24]).expect("an answer");
            }
        },
        || {
            let mut answer = [0; 24];
            median_batch(u64::from(rounds), || {
                ours.write_all(&[1; 32]).expect("a call");
                ours.read_exact(&mut answer).expect("an answer");
            })
        },
    )
}

/// The copy path as one would write it by hand: bincode, ipc-channel, one peer process.
/// Sends `payload` bytes and gets eight back.
#[must_use]
pub fn hand_written(rounds: u32, payload: usize) -> Measured {
    let (tasks, task_end): (IpcBytesSender, IpcBytesReceiver) = bytes_channel().expect("a channel");
    let (results, result_end) = bytes_channel().expect("a channel");
    let argument = (7u64, vec![1u8; payload]);
    with_peer(
        || {
            for _ in 0..rounds {
                let bytes = task_end.recv().expect("a task");
                let (number, data): (u64, serde_bytes_vec::Bytes) =
                    bincode::deserialize(&bytes).expect("decodes");
                let answer = number + data.0.len() as u64;
                let answer = bincode::serialize(&answer).expect("encodes");
                results.send(&answer).expect("sends");
            }
        },
        || {
            let argument = (argument.0, serde_bytes_vec::Bytes(argument.1));
            median_batch(u64::from(rounds), || {
                let bytes = bincode::serialize(&argument).expect("encodes");
                tasks.send(&bytes).expect("sends");
                let answer = result_end.recv().expect("a result");
                let answer: u64 = bincode::deserialize(&answer).expect("decodes");
                assert_eq!(answer, 7 + payload as u64);
            })
        },
    )
}

/// Bytes that bincode copies as one, not one by one.
pub mod serde_bytes_vec {
    use serde::de::Visitor;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    /// See the module.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct Bytes(pub Vec<u8>);

    impl Serialize for Bytes {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            serializer.serialize_bytes(&self.0)
        }
    }

    struct Take;

    impl Visitor<'_> for Take {
        type Value = Bytes;

        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("bytes")
        }

        fn visit_byte_buf<E>(self, bytes: Vec<u8>) -> Result<Bytes, E> {
            Ok(Bytes(bytes))
        }

        fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Bytes, E> {
            Ok(Bytes(bytes.to_vec()))
        }
    }

    impl<'de> Deserialize<'de> for Bytes {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            deserializer.deserialize_byte_buf(Take)
        }
    }
}
