//! From ticks to nanoseconds.

use std::sync::OnceLock;

use super::{TickSource, now_ns, tick_source, ticks};

/// Two anchors nearer than this are not used for a scale: reading them is uncertain by some 30 ns each, which is then
/// 60 parts in a million.
const SHORTEST_SPAN_NS: u64 = 1_000_000;

/// Fraction bits of the multiplier.
const SHIFT: u32 = 32;

/// One instant on both clocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Anchor {
    /// The instant as [`ticks`] counts it.
    pub ticks: u64,
    /// The instant as [`now_ns`] counts it, in nanoseconds.
    pub ns: u64,
}

impl Anchor {
    /// Reads both clocks as nearly at once as five tries manage (under 0.5 µs).
    #[must_use]
    pub fn now() -> Self {
        let mut best = Self { ticks: 0, ns: 0 };
        let mut narrowest = u64::MAX;
        for _ in 0..5 {
            let before = ticks();
            let ns = now_ns();
            let width = ticks().saturating_sub(before);
            if width < narrowest {
                narrowest = width;
                best = Self {
                    ticks: before + width / 2,
                    ns,
                };
            }
        }
        best
    }
}

/// The rate of the tick counter, and one instant on both clocks.
#[derive(Debug, Clone, Copy)]
pub struct TickScale {
    anchor: Anchor,
    ns_per_tick: u64,
}

impl TickScale {
    /// The scale through two anchors of this machine, the later one second.
    ///
    /// Anchors less than a millisecond apart would give a coarse rate: then the later one is taken anew, by
    /// spinning until a millisecond has passed since the earlier.
    #[must_use]
    pub fn between(earlier: Anchor, later: Anchor) -> Self {
        if tick_source() == TickSource::Nanoseconds {
            return Self {
                anchor: later,
                ns_per_tick: 1 << SHIFT,
            };
        }
        let mut later = later;
        while later.ns.saturating_sub(earlier.ns) < SHORTEST_SPAN_NS {
            std::hint::spin_loop();
            later = Anchor::now();
        }
        let span_ns = u128::from(later.ns - earlier.ns);
        let span_ticks = u128::from(later.ticks.saturating_sub(earlier.ticks)).max(1);
        let rate = (span_ns << SHIFT) / span_ticks;
        Self {
            anchor: later,
            ns_per_tick: u64::try_from(rate).unwrap_or(u64::MAX),
        }
    }

    /// The scale of this process, measured at the first call (one millisecond of spinning) and kept: good to some 60
    /// parts in a million. Where two anchors of a longer run are at hand, [`TickScale::between`] is better.
    #[must_use]
    pub fn of_this_process() -> &'static Self {
        static SCALE: OnceLock<TickScale> = OnceLock::new();
        SCALE.get_or_init(|| {
            let start = Anchor::now();
            Self::between(start, start)
        })
    }

    /// The scale of ticks that are nanoseconds.
    #[must_use]
    pub const fn of_nanoseconds() -> Self {
        Self {
            anchor: Anchor { ticks: 0, ns: 0 },
            ns_per_tick: 1 << SHIFT,
        }
    }

    /// The length of `span` ticks in nanoseconds.
    #[inline]
    #[must_use]
    #[expect(
        clippy::cast_possible_truncation,
        reason = "a span of 584 years is out of reach"
    )]
    pub fn ticks_to_ns(&self, span: u64) -> u64 {
        ((u128::from(span) * u128::from(self.ns_per_tick)) >> SHIFT) as u64
    }

    /// The instant `at_ticks`, as [`now_ns`] would have told it.
    #[inline]
    #[must_use]
    pub fn to_ns_at(&self, at_ticks: u64) -> u64 {
        if at_ticks >= self.anchor.ticks {
            self.anchor.ns + self.ticks_to_ns(at_ticks - self.anchor.ticks)
        } else {
            let before = self.ticks_to_ns(self.anchor.ticks - at_ticks);
            self.anchor.ns.saturating_sub(before)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scale_from_one_instant_still_tells_the_time() {
        let start = Anchor::now();
        let scale = TickScale::between(start, start);
        let told = scale.to_ns_at(start.ticks);
        assert!(told.abs_diff(start.ns) < 200_000, "{told} {}", start.ns);
    }

    #[test]
    fn readings_lie_between_the_clock_before_and_after() {
        let scale = TickScale::of_this_process();
        let slack = 100_000;
        let before = now_ns();
        let told = scale.to_ns_at(ticks());
        let after = now_ns();
        assert!(told + slack >= before && told <= after + slack);
    }

    #[test]
    fn a_span_is_scaled_exactly() {
        let scale = TickScale {
            anchor: Anchor {
                ticks: 1_000,
                ns: 50_000,
            },
            ns_per_tick: 1 << (SHIFT - 1),
        };
        assert_eq!(scale.ticks_to_ns(10), 5);
        assert_eq!(scale.to_ns_at(1_010), 50_005);
        assert_eq!(scale.to_ns_at(990), 49_995);
        assert_eq!(TickScale::of_nanoseconds().to_ns_at(990), 990);
    }
}
