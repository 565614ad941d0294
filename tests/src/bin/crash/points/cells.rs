//! Cells, rows of them, and the making of shared state: changed or not, nothing in between.

use forkyard_shm::state::{Place, SharedArray, SharedCell};

use super::memory::Memory;
use super::{BOTH, Operation, SUPERVISOR, Trial};

pub(crate) const OPERATIONS: &[Operation] = &[
    Operation::new("cell: each way to change it", BOTH, change),
    Operation::new("cell of f64: add, keep the greater", BOTH, change_f64),
    Operation::new("array: store to each cell", BOTH, fill),
    Operation::new("place: make zero", SUPERVISOR, make),
];

fn one<'m, T>(place: &mut Place<'m>) -> &'m SharedCell<T>
where
    T: forkyard_shm::state::Shareable,
    SharedCell<T>: forkyard_shm::state::InPlace,
{
    place.take().expect("room")
}

fn change(trial: &Trial) {
    let memory = Memory::new(64);
    let cell = one::<u64>(&mut memory.place());
    // What is there after so many of the steps.
    const VALUES: [u64; 7] = [0, 1, 2, 5, 9, 18, 19];
    let died = trial.victim(|| {
        cell.store(1);
        assert_eq!(cell.swap(2), 1);
        assert_eq!(cell.compare_exchange(2, 5), Ok(2));
        assert_eq!(cell.fetch_max(9), 5);
        assert_eq!(cell.fetch_update(|value| 2 * value), 9);
        assert_eq!(cell.fetch_add(1), 18);
    });
    let value = cell.load();
    let steps = VALUES.iter().position(|expected| *expected == value);
    assert!(steps.is_some_and(|steps| died || steps == 6), "{value}");
    cell.store(3);
    assert_eq!(cell.load(), 3);
}

fn change_f64(trial: &Trial) {
    let memory = Memory::new(64);
    let cell = one::<f64>(&mut memory.place());
    let died = trial.victim(|| {
        assert_eq!(cell.fetch_add(1.5), 0.0);
        assert_eq!(cell.fetch_max(2.5), 1.5);
    });
    let value = cell.load();
    assert!([0.0, 1.5, 2.5].contains(&value) && (died || value == 2.5));
}

fn fill(trial: &Trial) {
    let memory = Memory::new(64);
    let row = SharedArray::<i32>::in_place(&mut memory.place(), 4).expect("room");
    let died = trial.victim(|| row.iter().for_each(|cell| cell.store(-7)));
    let values: Vec<i32> = row.values().collect();
    let filled = values.iter().take_while(|value| **value == -7).count();
    assert!(values[filled..].iter().all(|value| *value == 0));
    assert!(died || filled == 4);
}

/// Memory that was not made zero yet is made so again.
fn make(trial: &Trial) {
    let memory = Memory::new(64);
    one::<u64>(&mut memory.place()).store(u64::MAX);
    let died = trial.victim(|| {
        let _ = memory.zeroed_place();
    });
    let found = one::<u64>(&mut memory.place()).load();
    assert_eq!(found == 0, !died);
    assert_eq!(one::<u64>(&mut memory.zeroed_place()).load(), 0);
}
