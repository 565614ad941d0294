//! What the whole-system tests share: victims are started, watched, killed and cleaned up after
//! from here, and victims use [`gate`] to tell their test where they are.
//!
//! A test of this package runs a *victim*, a program that builds a pool and puts it through a
//! scenario, in a process of its own. The victim checks what can be seen from inside; the test
//! checks that it ended in time and left nothing behind: no process, no shared memory, no file.
//! Start reading at [`mod@victim`]; what fuzzing runs is in [`mod@fuzz`].

pub mod census;
pub mod cgroup;
pub mod fuzz;
pub mod gate;
pub mod patience;
pub mod random;
pub mod shm;
pub mod victim;
pub mod ways;

pub use patience::until;
pub use victim::{Ended, Running, Victim};
pub use ways::Way;

/// The victim of the package, on one way, in one scenario: `victim!(way, "scenario")`.
#[macro_export]
macro_rules! victim {
    ($way:expr, $scenario:expr) => {
        $crate::Victim::new(env!("CARGO_BIN_EXE_victim"))
            .arg($scenario)
            .on($way)
    };
}

/// One test for each transport, and each start method of the list: a module of the test's name
/// with a test per combination. The body is given its [`Way`].
#[macro_export]
macro_rules! on_ways {
    ($(#[$doc:meta])* $name:ident [$($method:ident),+] $body:expr) => {
        $(#[$doc])*
        mod $name {
            use super::*;
            $crate::on_ways!(@transport shared [$($method),+] $body);
            $crate::on_ways!(@transport copy [$($method),+] $body);
        }
    };
    (@transport $transport:ident [$($method:ident),+] $body:expr) => {
        mod $transport {
            use super::*;
            $(
                #[test]
                fn $method() {
                    let body: fn($crate::Way) = $body;
                    body($crate::Way::named(stringify!($transport), stringify!($method)));
                }
            )+
        }
    };
}

/// [`on_ways!`] on one transport alone: for what the other does not have.
#[macro_export]
macro_rules! on_one_path {
    ($transport:ident: $($(#[$doc:meta])* $name:ident [$($method:ident),+] $body:expr;)+) => {
        $(
            $(#[$doc])*
            mod $name {
                use super::*;
                $crate::on_ways!(@transport $transport [$($method),+] $body);
            }
        )+
    };
}

/// [`on_ways!`] with every start method.
#[macro_export]
macro_rules! on_every_way {
    ($($(#[$doc:meta])* $name:ident => $body:expr;)+) => {
        $($crate::on_ways!($(#[$doc])* $name [spawn, fork, forkserver] $body);)+
    };
}

/// [`on_ways!`] with the start method that is the default: for what does not depend on it.
#[macro_export]
macro_rules! on_both_paths {
    ($($(#[$doc:meta])* $name:ident => $body:expr;)+) => {
        $($crate::on_ways!($(#[$doc])* $name [spawn] $body);)+
    };
}
