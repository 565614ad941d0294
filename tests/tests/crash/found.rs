//! What the victims of a structure have found, tried once for all tests of this program.

use std::any::Any;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use tests::Victim;

/// For all operations of a structure; a process that hangs is named long before.
const DEADLINE: Duration = Duration::from_secs(180);

/// One operation in one role.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    pub(crate) operation: String,
    pub(crate) role: String,
    pub(crate) steps: u64,
    /// Why there is no step, where there is none.
    pub(crate) exempt: String,
}

/// What there is to say of a structure.
#[derive(Debug, Default)]
pub(crate) struct Found {
    pub(crate) rows: Vec<Row>,
    /// Files and lines at which victims have died.
    pub(crate) sites: BTreeSet<String>,
}

/// Tries all crash points of a structure, and tells what was found.
pub(crate) fn structure(name: &str) -> Arc<Found> {
    once(name, || Arc::new(try_all(name)))
}

/// What `make` makes, which is done once for each name; other tests of this program wait for it.
pub(crate) fn once<T: Clone + Send + Sync + 'static>(name: &str, make: impl FnOnce() -> T) -> T {
    type Cell = Arc<OnceLock<Box<dyn Any + Send + Sync>>>;
    static ALL: Mutex<BTreeMap<String, Cell>> = Mutex::new(BTreeMap::new());
    let cell = {
        let mut all = ALL.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(all.entry(name.to_owned()).or_default())
    };
    let made = cell.get_or_init(|| Box::new(make()));
    let made = made.downcast_ref::<T>();
    made.expect("a name is of one type").clone()
}

fn try_all(structure: &str) -> Found {
    let victim = Victim::new(env!("CARGO_BIN_EXE_crash"));
    let ended = victim.arg(structure).deadline(DEADLINE).run();
    ended.passed();
    let mut found = Found::default();
    for line in ended.stdout.lines() {
        let words: Vec<&str> = line.split('\t').collect();
        match words[..] {
            ["row", _, operation, role, steps, exempt] => found.rows.push(Row {
                operation: operation.to_owned(),
                role: role.to_owned(),
                steps: steps.parse().expect("a number of steps"),
                exempt: exempt.to_owned(),
            }),
            ["site", site] => drop(found.sites.insert(site.to_owned())),
            _ => {}
        }
    }
    found
}
