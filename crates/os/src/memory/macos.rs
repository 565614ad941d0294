//! Nothing to ask for: the system has no advice of this kind.

use std::mem::MaybeUninit;

pub(super) fn prefer_huge_pages<T>(_room: &mut [MaybeUninit<T>]) {}
