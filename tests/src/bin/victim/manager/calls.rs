//! What calls do while nobody dies.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use forkyard::{Dict, List, Manager, ManagerError, Pool};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_bytes::ByteBuf;
use tests::gate;

use super::{beside, pool_beside};
use crate::setup::{Setup, works};

type Words = HashMap<String, u64>;

fn count((words, word): (Manager<Words>, String)) -> Result<usize, ManagerError> {
    words.call(
        |words, word: String| {
            *words.entry(word).or_insert(0) += 1;
            words.len()
        },
        word,
    )
}

fn count_all(pool: &Pool, words: &Manager<Words>) {
    let tasks = (0..300).map(|n| (words.clone(), format!("w{}", n % 7)));
    for known in pool.map(count, tasks) {
        let known = known.expect("a task's result").expect("a call's");
        assert!((1..=7).contains(&known));
    }
    let all = words.call(|words, ()| words.clone(), ()).expect("a call");
    assert_eq!(all.values().sum::<u64>(), 300);
    assert_eq!(all["w0"], 43);
}

/// Tasks of a pool count in a manager that was started before it, and in one that was after.
pub(super) fn words(setup: &Setup) {
    let words = Manager::start_on(setup.builder(), |()| Words::new(), ()).expect("a manager");
    let pool = pool_beside(setup, 3);
    count_all(&pool, &words);
    let again = Manager::start_on(beside(setup), |()| Words::new(), ()).expect("a manager");
    count_all(&pool, &again);
    drop((words, again));
    works(&pool);
}

/// Many threads of many processes at once: no update is lost, and each has its own answers.
pub(super) fn callers(setup: &Setup) {
    let total = Manager::start_on(setup.builder(), |()| 0_u64, ()).expect("a manager");
    let pool = pool_beside(setup, 2);
    let task = |(total, n): (Manager<u64>, u64)| {
        let add = |total: &Manager<u64>, n| total.call(|total, n: u64| (*total += n, n).1, n);
        std::thread::scope(|threads| {
            let mine: Vec<_> = (0..3)
                .map(|_| threads.spawn(|| (0..20).all(|_| add(&total, n) == Ok(n))))
                .collect();
            mine.into_iter()
                .all(|thread| thread.join().is_ok_and(|all| all))
        })
    };
    let done = pool.map(task, (1..=20).map(|n| (total.clone(), n)));
    assert!(done.iter().all(|done| *done == Ok(true)), "{done:?}");
    assert_eq!(total.call(|total, ()| *total, ()), Ok(60 * 210));
}

pub(super) fn dict(setup: &Setup) {
    let dict = Dict::<String, u64>::start_on(setup.builder()).expect("a manager");
    let key = |n: u64| format!("k{n}");
    assert_eq!(dict.is_empty(), Ok(true));
    assert_eq!(dict.insert(key(1), 10), Ok(None));
    assert_eq!(dict.insert(key(1), 11), Ok(Some(10)));
    assert_eq!(dict.get(&key(1)), Ok(Some(11)));
    assert_eq!(dict.get(&key(2)), Ok(None));
    assert_eq!(dict.contains(&key(1)), Ok(true));
    assert_eq!(
        dict.update(&key(1), |value| (*value += 1, *value).1),
        Ok(Some(12))
    );
    assert_eq!(dict.update(&key(2), |value| *value), Ok(None));
    assert_eq!(dict.remove(&key(1)), Ok(Some(12)));
    assert_eq!(dict.remove(&key(1)), Ok(None));
    let pool = pool_beside(setup, 3);
    let merge = |(dict, n): (Dict<String, u64>, u64)| {
        dict.merge(format!("k{}", n % 5), 1, |there, more| *there += more)
    };
    for merged in pool.map(merge, (0..500).map(|n| (dict.clone(), n))) {
        assert_eq!(merged, Ok(Ok(())));
    }
    let pairs = vec![(key(0), 5), (key(9), 5), (key(9), 6)];
    assert_eq!(dict.merge_all(pairs, |there, more| *there += more), Ok(()));
    let all = dict.snapshot().expect("a copy");
    assert_eq!(
        (all.len(), all["k0"], all["k4"], all["k9"]),
        (6, 105, 100, 11)
    );
    assert_eq!(dict.keys().map(|keys| keys.len()), Ok(6));
    assert_eq!(dict.clear(), Ok(()));
    assert_eq!(dict.len(), Ok(0));
}

pub(super) fn list(setup: &Setup) {
    let list = List::<String>::start_on(setup.builder()).expect("a manager");
    let text = |n: u64| n.to_string();
    assert_eq!(list.pop(), Ok(None));
    assert_eq!(list.push(text(1)), Ok(()));
    assert_eq!(list.extend(vec![text(2), text(3)]), Ok(()));
    assert_eq!(list.get(1), Ok(Some(text(2))));
    assert_eq!(list.get(3), Ok(None));
    assert_eq!(list.set(0, text(9)), Ok(Some(text(1))));
    assert_eq!(list.set(3, text(9)), Ok(None));
    assert_eq!(
        list.update(1, |item| (item.push('!'), item.len()).1),
        Ok(Some(2))
    );
    assert_eq!(list.update(7, |item| item.len()), Ok(None));
    assert_eq!(list.pop(), Ok(Some(text(3))));
    assert_eq!(list.snapshot(), Ok(vec![text(9), "2!".to_owned()]));
    assert_eq!(list.take().map(|all| all.len()), Ok(2));
    let pool = pool_beside(setup, 3);
    let push = |(list, n): (List<String>, u64)| list.push(n.to_string());
    for pushed in pool.map(push, (0..200).map(|n| (list.clone(), n))) {
        assert_eq!(pushed, Ok(Ok(())));
    }
    let all = list.snapshot().expect("a copy");
    assert_eq!(all.len(), 200);
    assert_eq!(all.into_iter().collect::<BTreeSet<_>>().len(), 200);
    assert_eq!(list.is_empty(), Ok(false));
}

/// A panic is its caller's alone, and the value lives on as it was left.
pub(super) fn panic(setup: &Setup) {
    let pair = Manager::start_on(setup.builder(), |()| (0_u64, 0_u64), ()).expect("a manager");
    let pool = pool_beside(setup, 1);
    let broken = |pair: Manager<(u64, u64)>| {
        pair.call(
            |pair, n: u64| {
                pair.0 += n;
                assert!(pair.0 == 0, "half done with {n}");
                pair.1 += n;
            },
            3,
        )
    };
    assert_eq!(pair.is_poisoned(), Ok(false));
    for error in [
        broken(pair.clone()),
        pool.submit(broken, pair.clone()).join().expect("a task"),
    ] {
        let Err(ManagerError::Panicked(panic)) = error else {
            panic!("{error:?}");
        };
        assert_eq!(panic.message, "half done with 3");
        let location = panic.location.expect("a place");
        assert!(location.contains("manager/calls.rs:"), "{location}");
    }
    assert_eq!(pair.is_poisoned(), Ok(true));
    assert_eq!(pair.call(|pair, ()| *pair, ()), Ok((6, 0)));
    assert_eq!(pair.clear_poison(), Ok(true));
    assert_eq!(pair.is_poisoned(), Ok(false));
}

/// A value that can be sent, but not received there; or the other way round; or not be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Odd(u8);

impl Serialize for Odd {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            1 => Err(serde::ser::Error::custom("it is one")),
            2 => panic!("it is two"),
            number => number.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Odd {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match u8::deserialize(deserializer)? {
            3 => Err(serde::de::Error::custom("it is three")),
            4 => panic!("it is four"),
            number => Ok(Self(number)),
        }
    }
}

/// What cannot be encoded or decoded is an error of that call, which says where.
pub(super) fn errors(setup: &Setup) {
    let calls = Manager::start_on(setup.builder(), |()| 0_u64, ()).expect("a manager");
    let there = |odd| {
        calls.call(
            |calls, odd: Odd| {
                *calls += 1;
                u64::from(odd.0)
            },
            odd,
        )
    };
    let back = |odd| {
        calls.call(
            |calls, odd: u8| {
                *calls += 1;
                Odd(odd)
            },
            odd,
        )
    };
    type Is = fn(String) -> ManagerError;
    let has = |error: Result<String, ManagerError>, is: Is, why: &str| {
        let error = error.expect_err("it cannot be");
        assert!(error.to_string().contains(why), "{error}");
        assert_eq!(
            std::mem::discriminant(&error),
            std::mem::discriminant(&is(String::new()))
        );
    };
    let text = |n| there(Odd(n)).map(|n| n.to_string());
    has(text(1), ManagerError::EncodeArgument, "it is one");
    has(text(2), ManagerError::EncodeArgument, "it is two");
    has(text(3), ManagerError::DecodeArgument, "it is three");
    let four = there(Odd(4));
    assert!(
        matches!(&four, Err(ManagerError::Panicked(p)) if p.message == "it is four"),
        "{four:?}"
    );
    let text = |n| back(n).map(|odd| odd.0.to_string());
    has(text(1), ManagerError::EncodeResult, "it is one");
    has(text(3), ManagerError::DecodeResult, "it is three");
    has(text(4), ManagerError::DecodeResult, "it is four");
    assert_eq!((there(Odd(7)), back(8)), (Ok(7), Ok(Odd(8))));
    // Those that were called: there(7), back(1, 3, 4, 8).
    assert_eq!(calls.call(|calls, ()| *calls, ()), Ok(5));
}

/// A call from within a call to the same manager is refused, straight or by way of another.
pub(super) fn nested(setup: &Setup) {
    type Number = Manager<u64>;
    let one = Manager::start_on(setup.builder(), |()| 1_u64, ()).expect("a manager");
    let two = Manager::start_on(beside(setup), |()| 2_u64, ()).expect("a manager");
    let straight = |_: &mut u64, this: Number| this.call(|n, ()| *n, ());
    assert_eq!(
        one.call(straight, one.clone()),
        Ok(Err(ManagerError::Nested))
    );
    let thread = |_: &mut u64, this: Number| {
        let other = std::thread::spawn(move || this.call(|n, ()| *n, ()));
        other.join().expect("no panic")
    };
    assert_eq!(one.call(thread, one.clone()), Ok(Err(ManagerError::Nested)));
    // A call of another manager is none of it, but one that leads back is.
    let other = |_: &mut u64, other: Number| other.call(|n, ()| *n, ());
    assert_eq!(one.call(other, two.clone()), Ok(Ok(2)));
    let around = |_: &mut u64, (one, two): (Number, Number)| {
        two.call(|_, one: Number| one.call(|n, ()| *n, ()), one)
    };
    assert_eq!(
        one.call(around, (one.clone(), two.clone())),
        Ok(Ok(Err(ManagerError::Nested)))
    );
    assert_eq!(
        (one.call(|n, ()| *n, ()), two.call(|n, ()| *n, ())),
        (Ok(1), Ok(2))
    );
}

/// A hundred megabytes there, and back.
pub(super) fn large(setup: &Setup) {
    const BYTES: usize = 100_000_000;
    let kept = Manager::start_on(setup.builder(), |()| ByteBuf::new(), ()).expect("a manager");
    let pool = pool_beside(setup, 1);
    let bytes = ByteBuf::from((0..BYTES).map(|n| (n % 251) as u8).collect::<Vec<_>>());
    let put = |kept: &mut ByteBuf, bytes: ByteBuf| std::mem::replace(kept, bytes).len();
    assert_eq!(kept.call(put, bytes.clone()), Ok(0));
    let from_task = |kept: Manager<ByteBuf>| {
        let bytes = kept.call(|kept, ()| kept.clone(), ())?;
        Ok::<_, ManagerError>((
            bytes.len(),
            bytes.iter().map(|b| u64::from(*b)).sum::<u64>(),
        ))
    };
    let sum = bytes.iter().map(|b| u64::from(*b)).sum();
    assert_eq!(
        pool.submit(from_task, kept.clone()).join(),
        Ok(Ok((BYTES, sum)))
    );
    let back = kept
        .call(|kept, ()| std::mem::take(kept), ())
        .expect("a call");
    assert!(back == bytes);
    assert_eq!(kept.call(|kept, n: usize| kept.len() + n, 1), Ok(1));
}

/// A call that is given up takes nothing from the others.
pub(super) fn timeout(setup: &Setup) {
    let manager = Manager::start_on(setup.builder(), |()| 0_u64, ()).expect("a manager");
    let slow = |n: &mut u64, ()| {
        *n += 1;
        gate::say("it runs", "");
        gate::wait("let it go on");
        *n += 1;
    };
    let other = manager.clone();
    let running = std::thread::spawn(move || other.call(slow, ()));
    gate::wait("it runs");
    let short = Duration::from_millis(20);
    for _ in 0..2 {
        let given_up = manager.call_timeout(|n, ()| *n += 100, (), short);
        assert_eq!(given_up, Err(ManagerError::TimedOut));
    }
    let none = manager.call_timeout(|n, ()| *n, (), Duration::ZERO);
    assert_eq!(none, Err(ManagerError::TimedOut));
    gate::say("let it go on", "");
    assert_eq!(running.join().expect("no panic"), Ok(()));
    // Those that were given up may have run, if they were sent at all.
    let long = tests::patience::LIVENESS;
    for limit in [long, Duration::MAX] {
        let n = manager.call_timeout(|n, ()| *n, (), limit);
        assert!([2, 102, 202].map(Ok).contains(&n), "{n:?}");
    }
}

/// Whoever calls gets a turn though others call all the time.
pub(super) fn order(setup: &Setup) {
    let calls = Manager::start_on(setup.builder(), |()| 0_u64, ()).expect("a manager");
    let pool = pool_beside(setup, 3);
    let greedy = |calls: Manager<u64>| {
        let mut mine = 0_u64;
        while calls.call(|calls, ()| (*calls += 1, *calls < 4000).1, ()) == Ok(true) {
            mine += 1;
        }
        mine
    };
    let shares: Vec<_> = (0..3).map(|_| pool.submit(greedy, calls.clone())).collect();
    for _ in 0..50 {
        assert!(calls.call(|calls, ()| *calls, ()).is_ok());
    }
    for share in shares {
        assert!(share.join().is_ok());
    }
    assert_eq!(calls.call(|calls, ()| *calls >= 4000, ()), Ok(true));
}
