//! The program that tries every crash point of every shared-memory operation: `crash STRUCTURE`.
//!
//! For each operation of the structure, in each role, it forks a victim that does it and is
//! killed by SIGKILL at step 1, 2, 3, … until one lives. After each death it does what the
//! survivors do, and checks what has to hold. See `points`.

#[cfg(debug_assertions)]
mod points;

fn main() {
    #[cfg(debug_assertions)]
    points::main();
    #[cfg(not(debug_assertions))]
    {
        eprintln!("crash: there are crash points in debug builds only; build it without --release");
        std::process::exit(2);
    }
}
