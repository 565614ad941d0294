//! The process's own memory.

use std::mem::MaybeUninit;

#[cfg(target_os = "linux")]
mod linux;
#[cfg(target_os = "macos")]
mod macos;
#[cfg(target_os = "linux")]
use linux as platform;
#[cfg(target_os = "macos")]
use macos as platform;

/// Less than this is not worth a system call.
const LEAST_BYTES: usize = 4 << 20;

/// Has room that is about to be filled for the first time backed by huge pages, where the system lets itself be asked
/// (Linux, unless `/sys/kernel/mm/transparent_hugepage/enabled` says `never`): on a virtual machine the first touch of
/// a page of 4 KiB costs more than filling it does. Does nothing for less than 4 MiB.
///
/// The idea, and its limit, are NumPy's, which does so for its arrays.
pub fn prefer_huge_pages<T>(room: &mut [MaybeUninit<T>]) {
    if size_of_val(room) >= LEAST_BYTES {
        platform::prefer_huge_pages(room);
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn what_is_asked_for_large_room_can_be_filled() {
        for len in [0, 1 << 10, 1 << 20] {
            let mut numbers: Vec<u64> = Vec::with_capacity(len);
            super::prefer_huge_pages(numbers.spare_capacity_mut());
            numbers.extend(0..len as u64);
            assert!(numbers.iter().copied().eq(0..len as u64));
        }
    }
}
