//! The processor's own counter, by architecture.

/// Reads the time-stamp counter. It always executes; whether it means the same on all cores is decided elsewhere.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
pub(super) fn read() -> u64 {
    // SAFETY: RDTSC has no preconditions in user mode and touches no memory.
    unsafe { core::arch::x86_64::_rdtsc() }
}

/// Reads the virtual count of the generic timer, which the architecture keeps equal on all cores.
#[cfg(target_arch = "aarch64")]
#[inline(always)]
pub(super) fn read() -> u64 {
    let count: u64;
    // SAFETY: reading CNTVCT_EL0 is allowed in user mode on Linux and macOS, and touches neither memory nor flags.
    unsafe {
        core::arch::asm!("mrs {count}, cntvct_el0", count = out(reg) count, options(nomem, nostack, preserves_flags));
    }
    count
}

/// There is no counter known for this architecture; `is_sound` says so.
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
#[inline(always)]
pub(super) fn read() -> u64 {
    super::now_ns()
}

/// Whether CPUID promises a time-stamp counter that runs at one rate in all power states.
#[cfg(target_arch = "x86_64")]
pub(super) fn is_sound() -> bool {
    const POWER_MANAGEMENT: u32 = 0x8000_0007;
    const INVARIANT_TSC: u32 = 1 << 8;
    cpuid(0x8000_0000).0 >= POWER_MANAGEMENT && cpuid(POWER_MANAGEMENT).1 & INVARIANT_TSC != 0
}

/// EAX and EDX of one CPUID leaf.
#[cfg(target_arch = "x86_64")]
fn cpuid(leaf: u32) -> (u32, u32) {
    let (eax, edx): (u32, u32);
    // SAFETY: CPUID exists on every x86_64 processor and only writes the four registers: EAX, ECX and EDX are named
    // here, and RBX, which the compiler keeps for itself, is put back by hand.
    unsafe {
        core::arch::asm!(
            "mov {saved}, rbx",
            "cpuid",
            "mov rbx, {saved}",
            saved = out(reg) _,
            inout("eax") leaf => eax,
            inout("ecx") 0 => _,
            out("edx") edx,
            options(nomem, nostack, preserves_flags),
        );
    }
    (eax, edx)
}

/// The generic timer is sound by definition; an unknown architecture is not.
#[cfg(not(target_arch = "x86_64"))]
pub(super) fn is_sound() -> bool {
    cfg!(target_arch = "aarch64")
}
