//! A function with settings of its own.

use std::fmt;
use std::marker::PhantomData;
use std::time::Duration;

use bytemuck::Pod;
use forkyard_os::memory::prefer_huge_pages;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::chunks::{self, Lending};
use super::imap::{Imap, ImapUnordered};
use super::star::{self, StarFn};
use super::with::{self, Loan};
use crate::driver::Terms;
use crate::error::TaskError;
use crate::first::{self, First};
use crate::handle::{Stamped, Timed, submit, timed_task};
use crate::job::{Job, execute};
use crate::map::Dispatch;
use crate::reply::decode_into;
use crate::trampoline::Function;
use crate::window::Window;
use crate::{ChunkSize, Handle, OnCrash, Owned, Pool, Protocol, Search, trampoline};

/// A function with settings of its own, made by [`Pool::task`].
///
/// It has the ways of a [`Pool`] to hand out work, each under these settings in place of the pool's,
/// and can be used any number of times.
#[derive(Clone, Copy)]
#[must_use = "nothing runs until it is given arguments"]
pub struct Task<'p, F> {
    pool: &'p Pool,
    of: PhantomData<F>,
    chunk_size: ChunkSize,
    terms: Terms,
    window: Option<usize>,
    window_bytes: Option<u64>,
}

impl<F> fmt::Debug for Task<'_, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Task")
            .field("f", &std::any::type_name::<F>())
            .field("chunk_size", &self.chunk_size)
            .field("terms", &self.terms)
            .field("window", &self.window)
            .field("window_bytes", &self.window_bytes)
            .finish_non_exhaustive()
    }
}

impl<'p, F: Copy + 'static> Task<'p, F> {
    pub(super) fn new(pool: &'p Pool, f: F) -> Self {
        let _ = f; // it holds nothing; its type is what crosses
        Self {
            pool,
            of: PhantomData,
            chunk_size: pool.core().options.chunk_size,
            terms: pool.core().options.terms,
            window: None,
            window_bytes: None,
        }
    }

    /// How many items travel in one message. Default: the pool's
    /// [`chunk_size`](crate::PoolBuilder::chunk_size).
    ///
    /// # Panics
    /// When it is 0.
    pub fn chunk_size(mut self, chunk_size: impl Into<ChunkSize>) -> Self {
        self.chunk_size = chunk_size.into();
        self
    }

    /// How long each may run. Default: the pool's [`task_timeout`](crate::PoolBuilder::task_timeout),
    /// where it is said what happens then. [`Duration::MAX`] lifts that: no task lasts so long
    /// (items of a `map` travel one by one all the same).
    pub fn timeout(mut self, limit: Duration) -> Self {
        self.terms.timeout = Some(limit);
        self
    }

    /// How long one that is over its limit, or cancelled, has to stop by itself. Default: the
    /// pool's [`task_grace`](crate::PoolBuilder::task_grace).
    pub fn grace(mut self, grace: Duration) -> Self {
        self.terms.grace = grace;
        self
    }

    /// What becomes of one whose worker dies while it runs it. Default: the pool's
    /// [`on_crash`](crate::PoolBuilder::on_crash).
    pub fn on_crash(mut self, what: OnCrash) -> Self {
        self.terms.on_crash = what;
        self
    }

    /// How many items of an [`imap`](Self::imap) may be on their way, or done and not asked for
    /// yet, at least 1. Default: enough to keep every worker busy: 16,384 for each worker, fewer
    /// when their results are large ([`window_bytes`](Self::window_bytes)).
    pub fn window(mut self, items: usize) -> Self {
        self.window = Some(items.max(1));
        self
    }

    /// How many bytes of results of an [`imap`](Self::imap) there may be that were not asked for
    /// yet. Default: 32 MiB for each worker.
    ///
    /// Results are counted as they come, encoded, with what they move or share of the arena; and
    /// for each that is on its way, as much as the largest of late. With less than that left, no
    /// more items are taken in, but that each worker may always have one. How large the first
    /// results are is not known before they come: 16 for each worker are on their way by then.
    pub fn window_bytes(mut self, bytes: u64) -> Self {
        self.window_bytes = Some(bytes);
        self
    }

    /// [`Pool::submit`].
    pub fn submit<In, Out>(&self, argument: In) -> Handle<Out>
    where
        F: Fn(In) -> Out,
        In: Serialize + DeserializeOwned,
        Out: Serialize + DeserializeOwned,
    {
        let function = Function::of::<F>(plain::<F, In, Out>);
        submit(self.pool.core(), function, self.terms, argument)
    }

    /// [`Pool::submit_timed`].
    pub fn submit_timed<In, Out>(&self, argument: In) -> Handle<Timed<Out>>
    where
        F: Fn(In) -> Out,
        In: Serialize + DeserializeOwned,
        Out: Serialize + DeserializeOwned,
    {
        let function = Function::of::<F>(timed_task::<F, In, Out>);
        submit(
            self.pool.core(),
            function,
            self.terms,
            Stamped::now(argument),
        )
    }

    /// [`Pool::map`].
    pub fn map<In, Out, I>(&self, items: I) -> Vec<Result<Out, TaskError>>
    where
        F: Fn(In) -> Out,
        In: Serialize + DeserializeOwned,
        Out: Serialize + DeserializeOwned,
        I: IntoIterator<Item = In>,
    {
        self.collect(Function::of::<F>(plain::<F, In, Out>), items)
    }

    /// [`Pool::starmap`].
    pub fn starmap<Args, I>(&self, items: I) -> Vec<Result<F::Out, TaskError>>
    where
        F: StarFn<Args>,
        Args: Serialize + DeserializeOwned,
        F::Out: Serialize + DeserializeOwned,
        I: IntoIterator<Item = Args>,
    {
        self.collect(Function::of::<F>(star::task::<F, Args>), items)
    }

    /// [`Pool::imap`].
    pub fn imap<In, Out, I>(&self, items: I) -> Imap<'p, I::IntoIter, Out>
    where
        F: Fn(In) -> Out,
        In: Serialize + DeserializeOwned,
        Out: Serialize + DeserializeOwned,
        I: IntoIterator<Item = In>,
    {
        Imap::new(self.imap_unordered(items))
    }

    /// [`Pool::imap_unordered`].
    pub fn imap_unordered<In, Out, I>(&self, items: I) -> ImapUnordered<'p, I::IntoIter, Out>
    where
        F: Fn(In) -> Out,
        In: Serialize + DeserializeOwned,
        Out: Serialize + DeserializeOwned,
        I: IntoIterator<Item = In>,
    {
        let mut dispatch = self.dispatch(Function::of::<F>(plain::<F, In, Out>));
        dispatch.window = Window::new(self.pool.workers(), self.window, self.window_bytes);
        ImapUnordered::new(dispatch, items.into_iter())
    }

    /// [`Pool::reduce`].
    ///
    /// # Errors
    /// As [`Pool::reduce`].
    pub fn reduce<G, In, Out, I>(&self, combine: G, items: I) -> Result<Option<Out>, TaskError>
    where
        F: Fn(In) -> Out,
        G: Fn(Out, Out) -> Out + Copy + 'static,
        In: Serialize + DeserializeOwned,
        Out: Serialize + DeserializeOwned,
        I: IntoIterator<Item = In>,
    {
        let function = Function::of::<F>(super::reduce::task::<F, G, In, Out>);
        super::reduce::run(self.dispatch(function), combine, items.into_iter())
    }

    /// [`Pool::map_with`].
    pub fn map_with<C, In, Out, I>(&self, context: &C, items: I) -> Vec<Result<Out, TaskError>>
    where
        C: Serialize + DeserializeOwned + 'static,
        F: Fn(&C, In) -> Out,
        In: Serialize + DeserializeOwned,
        Out: Serialize + DeserializeOwned,
        I: IntoIterator<Item = In>,
    {
        let function = Function::of::<F>(with::task::<F, C, In, Out>);
        match Loan::new(self.pool.core(), context) {
            Ok(loan) => self.collect(function, items.into_iter().map(|item| loan.beside(item))),
            Err(error) => items.into_iter().map(|_| Err(error.clone())).collect(),
        }
    }

    /// [`Pool::for_each_chunk_mut`].
    ///
    /// # Panics
    /// As [`Pool::for_each_chunk_mut`].
    pub fn for_each_chunk_mut<T, Out>(
        &self,
        data: &mut Owned<[T]>,
        len: usize,
    ) -> Vec<Result<Out, TaskError>>
    where
        T: Pod,
        F: Fn(usize, &mut [T]) -> Out,
        Out: Serialize + DeserializeOwned,
    {
        assert!(len > 0, "a part of no elements");
        let elements = data.len();
        let lending = Lending::begin(self.pool.core(), data);
        let starts = (0..elements).step_by(len);
        let parts = starts.map(|start| lending.part::<T>(start..elements.min(start + len)));
        let task = Self {
            terms: self.terms.writing_in_place(),
            ..*self
        };
        task.collect(Function::of::<F>(chunks::task::<F, T, Out>), parts)
    }

    /// [`Pool::first`], [`any`](Self::any) and [`all`](Self::all) under this task's
    /// [`timeout`](Self::timeout), [`grace`](Self::grace) and [`on_crash`](Self::on_crash). Items of a
    /// search travel one by one, so that [`chunk_size`](Self::chunk_size) and
    /// [`window`](Self::window) have no say.
    ///
    /// ```no_run
    /// use std::time::Duration;
    /// use forkyard::{OnCrash, Search};
    ///
    /// # forkyard::init();
    /// let pool = forkyard::Pool::builder().build()?;
    /// let find = |search: &Search<'_>, start: u64| {
    ///     let mut check = search.checker();
    ///     let mut numbers = (start + 1..=start + 1_000_000).take_while(|_| !check.should_stop());
    ///     numbers.find(|n| n % 7_999_973 == 0)
    /// };
    /// let patient = pool.task(find).on_crash(OnCrash::Retry { max: 2 });
    /// let found = patient.first((0..8).map(|i| i * 1_000_000))?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`Pool::first`].
    pub fn first<In, Out, I>(&self, items: I) -> Result<First<Out>, TaskError>
    where
        F: Fn(&Search<'_>, In) -> Option<Out>,
        In: Serialize + DeserializeOwned,
        Out: Serialize + DeserializeOwned,
        I: IntoIterator<Item = In>,
    {
        self.first_with(Protocol::Claim, items)
    }

    /// [`Pool::first_with`].
    ///
    /// # Errors
    /// As [`Pool::first`].
    pub fn first_with<In, Out, I>(
        &self,
        protocol: Protocol,
        items: I,
    ) -> Result<First<Out>, TaskError>
    where
        F: Fn(&Search<'_>, In) -> Option<Out>,
        In: Serialize + DeserializeOwned,
        Out: Serialize + DeserializeOwned,
        I: IntoIterator<Item = In>,
    {
        self.search(trampoline::conjure::<F>(), protocol, items)
    }

    /// [`Pool::any`], with the settings that [`first`](Self::first) goes by.
    ///
    /// # Errors
    /// As [`Pool::any`].
    pub fn any<In, I>(&self, items: I) -> Result<bool, TaskError>
    where
        F: Fn(&Search<'_>, In) -> bool,
        In: Serialize + DeserializeOwned,
        I: IntoIterator<Item = In>,
    {
        let is_one = |search: &Search<'_>, item| {
            let f = trampoline::conjure::<F>();
            f(search, item).then_some(())
        };
        Ok(self.search(is_one, Protocol::Claim, items)?.found.is_some())
    }

    /// [`Pool::all`], with the settings that [`first`](Self::first) goes by.
    ///
    /// # Errors
    /// As [`Pool::all`].
    pub fn all<In, I>(&self, items: I) -> Result<bool, TaskError>
    where
        F: Fn(&Search<'_>, In) -> bool,
        In: Serialize + DeserializeOwned,
        I: IntoIterator<Item = In>,
    {
        let is_not = |search: &Search<'_>, item| {
            let f = trampoline::conjure::<F>();
            (!f(search, item)).then_some(())
        };
        Ok(self.search(is_not, Protocol::Claim, items)?.found.is_none())
    }

    /// Searches with `f` under these settings, and under the name of this task.
    fn search<G, In, Out, I>(
        &self,
        f: G,
        protocol: Protocol,
        items: I,
    ) -> Result<First<Out>, TaskError>
    where
        G: Fn(&Search<'_>, In) -> Option<Out> + Copy + 'static,
        In: Serialize + DeserializeOwned,
        Out: Serialize + DeserializeOwned,
        I: IntoIterator<Item = In>,
    {
        first::run::<F, G, In, Out, I>(self.pool, self.terms, protocol, f, items)
    }

    /// The results of all items, in their order.
    pub(super) fn collect<In, Out, I>(
        &self,
        function: Function,
        items: I,
    ) -> Vec<Result<Out, TaskError>>
    where
        In: Serialize,
        Out: DeserializeOwned,
        I: IntoIterator<Item = In>,
    {
        let items = items.into_iter();
        let mut results = Vec::with_capacity(items.size_hint().0);
        prefer_huge_pages(results.spare_capacity_mut());
        let mut dispatch = self.dispatch(function);
        let left = dispatch.run(items, &mut |reply| decode_into(&mut results, reply));
        let why = dispatch.refused.take().unwrap_or(TaskError::Aborted);
        results.resize_with(results.len() + left, || Err(why.clone()));
        results
    }

    fn dispatch(&self, function: Function) -> Dispatch<'p> {
        Dispatch::new(self.pool.core(), function, self.chunk_size, self.terms)
    }
}

/// The trampoline of an ordinary task.
fn plain<F, In, Out>(job: &mut Job<'_>)
where
    F: Fn(In) -> Out + Copy + 'static,
    In: DeserializeOwned,
    Out: Serialize,
{
    let f = trampoline::conjure::<F>();
    execute::<In, Out>(job, |_, argument| Ok(f(argument)));
}
