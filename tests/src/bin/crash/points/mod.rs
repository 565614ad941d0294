//! The registry of operations, and the loop over their steps.
//!
//! Start reading at [`Operation`]; then `trial`, what an operation is given to be tried with;
//! then any structure, `lane` for one.

mod arena;
mod arena_common;
mod arena_recovery;
mod arena_wait;
mod barrier;
mod board;
mod cells;
mod event;
mod first;
mod lane;
mod lock;
mod memory;
mod mutex;
mod park;
mod queue;
mod queue_ends;
mod report;
mod semaphore;
mod trial;
mod words;
mod world;

use trial::{Ended, Trial};

/// Who dies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// A worker: the supervisor gives back what it had, and the pool goes on.
    Worker,
    /// The supervisor: the pool is at its end, and its workers must be able to leave.
    Supervisor,
}

impl Role {
    fn name(self) -> &'static str {
        match self {
            Self::Worker => "worker",
            Self::Supervisor => "supervisor",
        }
    }
}

const WORKER: &[Role] = &[Role::Worker];
const SUPERVISOR: &[Role] = &[Role::Supervisor];
const BOTH: &[Role] = &[Role::Worker, Role::Supervisor];

/// One operation of a structure, and how to try its crash points.
pub(crate) struct Operation {
    /// What it is called in the table.
    pub(crate) name: &'static str,
    /// Who does it, and may die in it.
    pub(crate) roles: &'static [Role],
    /// Sets everything up, has the trial's victim do it, and checks what is left.
    pub(crate) run: fn(&Trial),
    /// Why it has no step to die at, if it has none.
    pub(crate) exempt: Option<&'static str>,
}

impl Operation {
    const fn new(name: &'static str, roles: &'static [Role], run: fn(&Trial)) -> Self {
        Self {
            name,
            roles,
            run,
            exempt: None,
        }
    }

    /// One that leaves no trace, and why.
    const fn exempt(mut self, why: &'static str) -> Self {
        self.exempt = Some(why);
        self
    }
}

/// Every structure, by the name of its test.
const STRUCTURES: &[(&str, &[&[Operation]])] = &[
    (
        "arena",
        &[
            arena::OPERATIONS,
            arena_common::OPERATIONS,
            arena_wait::OPERATIONS,
            arena_recovery::OPERATIONS,
        ],
    ),
    ("barrier", &[barrier::OPERATIONS]),
    ("cells", &[cells::OPERATIONS]),
    ("control", &[board::OPERATIONS, words::OPERATIONS]),
    ("event", &[event::OPERATIONS]),
    ("first", &[first::OPERATIONS]),
    ("lane", &[lane::OPERATIONS]),
    ("lock", &[lock::OPERATIONS]),
    ("mutex", &[mutex::OPERATIONS]),
    ("queue", &[queue::OPERATIONS, queue_ends::OPERATIONS]),
    ("semaphore", &[semaphore::OPERATIONS]),
];

/// No operation has more steps; a loop that gets here does not end.
const MOST_STEPS: u64 = 500;

/// Tries the operations of the structure that the argument names.
pub(crate) fn main() {
    let name = std::env::args().nth(1).expect("crash STRUCTURE");
    let (_, lists) = STRUCTURES
        .iter()
        .find(|(found, _)| *found == name)
        .unwrap_or_else(|| panic!("there is no structure {name:?}"));
    report::tell_where_on_panic();
    for operation in lists.iter().flat_map(|list| list.iter()) {
        for &role in operation.roles {
            try_every_step(&name, operation, role);
        }
    }
    println!("{}", tests::victim::SCENARIO_DONE);
}

/// Has victims die at step 1, 2, 3, … of the operation until one lives, and prints its row.
fn try_every_step(structure: &str, operation: &Operation, role: Role) {
    let mut sites = std::collections::BTreeSet::new();
    for at in 1..=MOST_STEPS {
        report::now(structure, operation.name, role.name(), at);
        match try_step(operation, role, at) {
            Ended::At(site) => drop(sites.insert(site)),
            Ended::Lived { steps } => {
                assert_eq!(steps, at - 1, "an operation has the same steps each time");
                assert_eq!(
                    steps == 0,
                    operation.exempt.is_some(),
                    "an operation without a step needs a reason, any other one none"
                );
                let why = operation.exempt.unwrap_or_default();
                println!(
                    "row\t{structure}\t{}\t{}\t{steps}\t{why}",
                    operation.name,
                    role.name()
                );
                for site in sites {
                    println!("site\t{site}");
                }
                return;
            }
        }
    }
    panic!("{MOST_STEPS} steps and no end");
}

/// Has a victim die at one step. Where the time was up before it fell asleep, as it is on a busy
/// machine, the operation had fewer steps than it has: that is tried again.
fn try_step(operation: &Operation, role: Role, at: u64) -> Ended {
    let mut tries = 0;
    loop {
        let trial = Trial::new(at, role);
        (operation.run)(&trial);
        let ended = trial.ended();
        let hurried = matches!(ended, Ended::Lived { steps } if steps + 1 < at);
        tries += 1;
        if !hurried || tries == MOST_TRIES {
            return ended;
        }
    }
}

/// How often a step is tried that an operation was too late for.
const MOST_TRIES: u32 = 20;
