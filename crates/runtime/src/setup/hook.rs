//! Functions that run in a worker outside tasks: as tasks, they cross as offsets.

use std::any::Any;
use std::fmt::Display;

use forkyard_wire::codec;
use serde::de::DeserializeOwned;

use crate::job::{ItemError, caught};
use crate::trampoline::{Hook, conjure, hook_offset};

/// What an initializer, finalizer or preload may return: nothing, or a `Result` whose error says
/// why the worker must not be used.
pub trait Outcome: sealed::Sealed {
    /// The reason, if there is one.
    #[doc(hidden)]
    fn into_result(self) -> Result<(), String>;
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for () {}
    impl<E> Sealed for Result<(), E> {}
}

impl Outcome for () {
    fn into_result(self) -> Result<(), String> {
        Ok(())
    }
}

impl<E: Display> Outcome for Result<(), E> {
    fn into_result(self) -> Result<(), String> {
        self.map_err(|error| error.to_string())
    }
}

/// What a hook works on.
#[derive(Default)]
pub(crate) struct Call<'a> {
    /// Its encoded argument.
    pub(crate) input: &'a [u8],
    /// Where a value that the pool provides is put.
    pub(crate) provided: Option<&'static (dyn Any + Send + Sync)>,
}

pub(crate) fn entry_of_initializer<F, A, R>() -> u64
where
    F: Fn(A) -> R + Copy + 'static,
    A: DeserializeOwned,
    R: Outcome,
{
    let hook: Hook = |call| {
        let argument = codec::decode::<A>(call.input)
            .map_err(|error| format!("its argument cannot be decoded: {error}"))?;
        guarded(|| conjure::<F>()(argument))
    };
    hook_offset(hook)
}

pub(crate) fn entry_of_finalizer<F, R>() -> u64
where
    F: Fn() -> R + Copy + 'static,
    R: Outcome,
{
    let hook: Hook = |_| guarded(|| conjure::<F>()());
    hook_offset(hook)
}

/// The same as the finalizer's: a function without an argument.
pub(crate) fn entry_of_preload<F, R>() -> u64
where
    F: Fn() -> R + Copy + 'static,
    R: Outcome,
{
    entry_of_finalizer::<F, R>()
}

pub(super) fn entry_of_provided<T>() -> u64
where
    T: DeserializeOwned + Send + Sync + 'static,
{
    let hook: Hook = |call| {
        let decode = || codec::decode::<T>(call.input).map_err(|error| error.to_string());
        let value = guarded_value(decode)??;
        // To the end of the process, as tasks may borrow it for.
        call.provided = Some(Box::leak(Box::new(value)));
        Ok(())
    };
    hook_offset(hook)
}

fn guarded<R: Outcome>(body: impl FnOnce() -> R) -> Result<(), String> {
    guarded_value(body)?.into_result()
}

/// A panic is a reason like any other.
fn guarded_value<R>(body: impl FnOnce() -> R) -> Result<R, String> {
    caught(|| Ok(body())).map_err(|error| match error {
        ItemError::Panicked(panic) => match panic.location {
            Some(location) => format!("it panicked at {location}: {}", panic.message),
            None => format!("it panicked: {}", panic.message),
        },
        other => format!("{other:?}"),
    })
}
