//! The program that tests start and kill: `victim SCENARIO TRANSPORT METHOD …`.
//!
//! Each scenario is a function that builds pools, checks what can be seen from inside, and
//! panics when it is not as promised.
#![forbid(unsafe_code)]

mod arena;
mod calls;
#[cfg(debug_assertions)]
mod crash;
mod death;
mod ending;
mod inspect;
mod leaks;
mod lifecycle;
mod limits;
mod manager;
mod memory;
mod nested;
mod process;
mod provided;
mod scribble;
mod search;
mod setup;
mod shutdown;
mod signals;
mod sizes;
mod soak;
mod start;
mod state;
mod stop;
mod stress;
mod threads;
mod timings;
mod trust;
mod values;
mod words;
mod zygotes;

use setup::Setup;

/// A scenario by its name.
type Scenario = (&'static str, fn(&Setup));

fn main() {
    #[cfg(debug_assertions)]
    crash::arm_if_starting();
    forkyard::init();
    let mut words = std::env::args().skip(1);
    let name = words.next().expect("victim SCENARIO TRANSPORT METHOD …");
    let setup = Setup::new(words);
    let all = [
        arena::SCENARIOS,
        calls::SCENARIOS,
        #[cfg(debug_assertions)]
        crash::SCENARIOS,
        death::SCENARIOS,
        ending::SCENARIOS,
        inspect::SCENARIOS,
        leaks::SCENARIOS,
        lifecycle::SCENARIOS,
        limits::SCENARIOS,
        manager::SCENARIOS,
        memory::SCENARIOS,
        nested::SCENARIOS,
        process::SCENARIOS,
        provided::SCENARIOS,
        scribble::SCENARIOS,
        search::SCENARIOS,
        shutdown::SCENARIOS,
        signals::SCENARIOS,
        sizes::SCENARIOS,
        soak::SCENARIOS,
        start::SCENARIOS,
        state::SCENARIOS,
        stop::SCENARIOS,
        stress::SCENARIOS,
        threads::SCENARIOS,
        timings::SCENARIOS,
        trust::SCENARIOS,
        values::SCENARIOS,
        words::SCENARIOS,
        zygotes::SCENARIOS,
    ];
    let (_, scenario) = all
        .concat()
        .into_iter()
        .find(|(found, _)| *found == name)
        .unwrap_or_else(|| panic!("there is no scenario {name:?}"));
    scenario(&setup);
    println!("{}", tests::victim::SCENARIO_DONE);
}
