//! How a function crosses to another process: as the distance of its code from an anchor.
//!
//! Supervisor and workers run the same image of the same program (checked at the handshake),
//! but each may have it mapped elsewhere. The distance between two functions of one image is
//! the same everywhere.
//!
//! ```text
//!   supervisor                                    worker
//!   pool.map(f, ..)                               entry_at(offset)
//!     `-> entry: task::<F, In, Out>  --offset-->    `-> task::<F, In, Out>(job)
//!                                                         decode In, conjure F, call, encode
//! ```
//!
//! `F` itself holds no data (asserted at compile time), so there is nothing of it to send:
//! the trampoline, made for exactly that `F`, conjures the value.

#![expect(
    unsafe_code,
    reason = "a function's address is computed from an offset, and a zero-sized closure conjured"
)]

use crate::job::Job;
use crate::manager::Call;
use crate::setup::Call as HookCall;

/// What runs in a worker for one message.
pub(crate) type Entry = for<'a, 'b> fn(&'a mut Job<'b>);

/// A function that tasks run: as messages name it, and as people do.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Function {
    /// How far its trampoline is from the anchor.
    pub(crate) entry: u64,
    /// Its name, with the whole path; for a closure that of the function it is in, and a word.
    pub(crate) name: &'static str,
}

impl Function {
    /// `F`, of which `entry` is the trampoline.
    pub(crate) fn of<F>(entry: Entry) -> Self {
        Self {
            entry: offset_of(entry),
            name: std::any::type_name::<F>(),
        }
    }
}

/// What runs in a worker, or a zygote, outside of tasks.
pub(crate) type Hook = for<'a, 'b> fn(&'a mut HookCall<'b>) -> Result<(), String>;

/// The function that offsets are measured from. Its own offset, zero, is no task.
#[inline(never)]
fn anchor(job: &mut Job<'_>) {
    // Never called; the address is what it is for, so it must not be merged with another.
    job.items = std::hint::black_box(0);
}

fn anchor_address() -> u64 {
    let anchor: Entry = anchor;
    anchor as usize as u64
}

/// How far `entry` is from the anchor.
fn offset_of(entry: Entry) -> u64 {
    (entry as usize as u64).wrapping_sub(anchor_address())
}

/// The function at `offset` from the anchor.
///
/// # Safety
/// `offset` was computed by [`offset_of`] in a process that runs the same image.
pub(crate) unsafe fn entry_at(offset: u64) -> Entry {
    let address = anchor_address().wrapping_add(offset) as usize as *const ();
    // SAFETY: by the caller's word this is the address of an `Entry` in this image; function
    // pointers have the size of data pointers on the systems we support.
    unsafe { std::mem::transmute::<*const (), Entry>(address) }
}

/// The function that a message from the supervisor names.
pub(crate) fn entry_of_message(offset: u64) -> Entry {
    // SAFETY: lanes and pipes carry messages from the supervisor only, which fills `entry`
    // from `offset_of`; that it runs the same image was checked before this worker was ready.
    unsafe { entry_at(offset) }
}

/// What runs in a manager's process for one call.
pub(crate) type CallEntry = for<'a, 'b> fn(&'a mut Call<'b>);

/// How far `entry` is from the anchor.
pub(crate) fn offset_of_call(entry: CallEntry) -> u64 {
    (entry as usize as u64).wrapping_sub(anchor_address())
}

/// The function that a call names.
pub(crate) fn entry_of_call(offset: u64) -> CallEntry {
    let address = anchor_address().wrapping_add(offset) as usize as *const ();
    // SAFETY: a manager takes calls only from who has shown its token, which is known to
    // processes of its own program, and the identity of the same executable; these fill the
    // offset from `offset_of_call`. Sizes are as in `entry_at`.
    unsafe { std::mem::transmute::<*const (), CallEntry>(address) }
}

/// How far `hook` is from the anchor.
pub(crate) fn hook_offset(hook: Hook) -> u64 {
    (hook as usize as u64).wrapping_sub(anchor_address())
}

/// The function that a pool's settings name.
pub(crate) fn hook_of_settings(offset: u64) -> Hook {
    let address = anchor_address().wrapping_add(offset) as usize as *const ();
    // SAFETY: settings are made by the supervisor alone, from `hook_offset`, and what may have
    // been written over since is refused by its hash (`setup`); that it runs the same image was
    // checked before. Function pointers have the size of data pointers on the systems we support.
    unsafe { std::mem::transmute::<*const (), Hook>(address) }
}

/// A value of a function or closure type that captures nothing.
///
/// The caller of `submit`, `map`, `first` or `call` had such a value, so one exists in this program;
/// `F: Copy` means that there may be any number.
pub(crate) fn conjure<F: Copy + 'static>() -> F {
    const {
        assert!(
            size_of::<F>() == 0,
            "a task captures nothing: workers are other processes and do not see this one's \
             variables. Pass what it needs as its argument; pass a function by its name, not \
             as a fn pointer."
        );
    }
    // SAFETY: a read of no bytes needs an aligned pointer only. F is inhabited, since the
    // trampoline of F was asked for by someone who held an F.
    unsafe { std::ptr::NonNull::<F>::dangling().read() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_offset_leads_back_to_its_function() {
        fn one(_: &mut Job<'_>) {}
        let offset = offset_of(one);
        assert_ne!(offset, 0);
        // SAFETY: computed just above, in this very process.
        assert_eq!(unsafe { entry_at(offset) } as usize, one as Entry as usize);
    }
}
