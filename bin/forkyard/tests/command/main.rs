//! The command as a user sees it: what it prints, where, and how it ends.

mod clean;
mod common;
mod ending;
mod hash_files;
mod help;
mod inspect;
mod interrupts;
mod workloads;
