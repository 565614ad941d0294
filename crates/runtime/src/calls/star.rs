//! Functions of several parameters.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::job::{Job, execute};
use crate::trampoline;

/// A function that can be called with a tuple of its arguments: every `Fn(A) -> Out` to
/// `Fn(A, B, C, D, E, F, G, H) -> Out` that captures nothing. See
/// [`Pool::starmap`](crate::Pool::starmap).
pub trait StarFn<Args>: Copy + 'static {
    /// What it returns.
    type Out;

    /// Calls it.
    fn call(&self, arguments: Args) -> Self::Out;
}

macro_rules! star {
    ($($name:ident)+) => {
        impl<Function, Out, $($name),+> StarFn<($($name,)+)> for Function
        where
            Function: Fn($($name),+) -> Out + Copy + 'static,
        {
            type Out = Out;

            #[expect(non_snake_case, reason = "each value is named after its type")]
            fn call(&self, ($($name,)+): ($($name,)+)) -> Out {
                self($($name),+)
            }
        }
    };
}

star!(A);
star!(A B);
star!(A B C);
star!(A B C D);
star!(A B C D E);
star!(A B C D E F);
star!(A B C D E F G);
star!(A B C D E F G H);

/// The trampoline of a task of several arguments.
pub(super) fn task<F, Args>(job: &mut Job<'_>)
where
    F: StarFn<Args>,
    Args: DeserializeOwned,
    F::Out: Serialize,
{
    let f = trampoline::conjure::<F>();
    execute::<Args, F::Out>(job, |_, arguments| Ok(f.call(arguments)));
}
