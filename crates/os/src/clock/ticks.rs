//! The cheapest clock that is one clock for the whole machine, and the choice of it.

use std::sync::atomic::{AtomicU8, Ordering};

use super::{counter, now_ns, platform};

/// What [`ticks`] counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TickSource {
    /// Steps of the processor's counter: the invariant TSC (x86_64) or `CNTVCT_EL0` (aarch64).
    Counter,
    /// Nanoseconds of [`now_ns`].
    Nanoseconds,
}

const UNDECIDED: u8 = 0;
const COUNTER: u8 = 1;
const NANOSECONDS: u8 = 2;

/// The decision. Relaxed throughout: the value stands for itself, and every thread that decides finds the same.
static SOURCE: AtomicU8 = AtomicU8::new(UNDECIDED);

/// Ticks since a fixed instant before this machine's processes started, in a unit that [`super::TickScale`] knows.
///
/// Costs a load and the counter's instruction where the counter is sound (about 8 ns on x86_64, where it is the
/// instruction that costs), and otherwise what [`now_ns`] costs. The read is not ordered with the loads and stores
/// around it.
#[inline]
#[must_use]
pub fn ticks() -> u64 {
    if SOURCE.load(Ordering::Relaxed) == COUNTER {
        counter::read()
    } else {
        ticks_by_the_slow_road()
    }
}

#[cold]
#[inline(never)]
fn ticks_by_the_slow_road() -> u64 {
    match tick_source() {
        TickSource::Counter => counter::read(),
        TickSource::Nanoseconds => now_ns(),
    }
}

/// What [`ticks`] counts in this process; decides it if nobody has asked yet.
///
/// Processes of one machine decide alike unless the kernel changes its clock source between them; a pool excludes
/// that too by handing the supervisor's choice to [`adopt_tick_source`] in each worker.
#[must_use]
pub fn tick_source() -> TickSource {
    match SOURCE.load(Ordering::Relaxed) {
        COUNTER => TickSource::Counter,
        NANOSECONDS => TickSource::Nanoseconds,
        _ => {
            let sound = counter::is_sound() && platform::counters_agree();
            let source = if sound {
                TickSource::Counter
            } else {
                TickSource::Nanoseconds
            };
            adopt_tick_source(source);
            source
        }
    }
}

/// Makes [`ticks`] count what another process of this machine counts, and saves looking it up. Call it before the first
/// [`ticks`]: earlier readings cannot be compared with later ones.
pub fn adopt_tick_source(source: TickSource) {
    let code = match source {
        TickSource::Counter => COUNTER,
        TickSource::Nanoseconds => NANOSECONDS,
    };
    SOURCE.store(code, Ordering::Relaxed);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_advance_and_the_decision_stands() {
        let first = ticks();
        let source = tick_source();
        while ticks() <= first {
            std::hint::spin_loop();
        }
        assert_eq!(tick_source(), source);
    }
}
