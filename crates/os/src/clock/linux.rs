//! What Linux says about the processor's counter.

/// Whether all cores' counters agree. On x86_64 the kernel watches them and leaves `tsc` as soon as they drift, so its
/// current choice is the verdict; the aarch64 timer needs none.
pub(super) fn counters_agree() -> bool {
    const CURRENT: &str = "/sys/devices/system/clocksource/clocksource0/current_clocksource";
    cfg!(target_arch = "aarch64")
        || std::fs::read_to_string(CURRENT).is_ok_and(|source| source.trim_end() == "tsc")
}
