//! What macOS says about the processor's counter.

/// Whether all cores' counters agree: the aarch64 timer does by definition. On Intel Macs nothing tells, so they take
/// the kernel's clock.
pub(super) fn counters_agree() -> bool {
    cfg!(target_arch = "aarch64")
}
