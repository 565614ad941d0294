//! One seat, as the machine has it.

use super::SeatPhase;

/// What becomes of a seat when its process, which was told to end, has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Next {
    /// Another process, if the pool needs one.
    Refill,
    /// None until there is work.
    Sleep,
}

/// How hard a process that is Ending was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Insistence {
    Told,
    Termed,
    Killed,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Seat {
    pub(super) phase: SeatPhase,
    /// Its process exists: signals reach it.
    pub(super) is_born: bool,
    /// It has said that it is ready, perhaps before anybody has said that it exists.
    pub(super) is_ready: bool,
    /// SIGKILL was sent, or will be as soon as it is born.
    pub(super) is_doomed: bool,
    pub(super) insistence: Insistence,
    pub(super) next: Next,
    /// Processes in a row that were ready here, and ended without having done anything.
    pub(super) fruitless: u32,
}

/// A seat without a process.
pub(super) const NOBODY: Seat = Seat {
    phase: SeatPhase::Vacant,
    is_born: false,
    is_ready: false,
    is_doomed: false,
    insistence: Insistence::Told,
    next: Next::Refill,
    fruitless: 0,
};
