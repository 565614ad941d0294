//! The ways to hand a pool work. Each is a method of [`Pool`] with the pool's own settings, and
//! most also of a [`Task`], which can be given others.

mod chunks;
mod imap;
mod reduce;
mod searches;
mod star;
mod task;
mod with;

use bytemuck::Pod;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::TaskError;
use crate::{Handle, Owned, Pool, Timed};

pub use imap::{Imap, ImapUnordered};
pub use star::StarFn;
pub use task::Task;
pub(crate) use with::return_lent;

impl Pool {
    /// A function with settings of its own, to be run in this pool.
    ///
    /// `f` is a function by its name, or a closure that captures nothing (checked when the
    /// program is compiled).
    ///
    /// ```no_run
    /// # forkyard::init();
    /// let pool = forkyard::Pool::builder().build()?;
    /// let squares = pool.task(|n: u64| n * n).chunk_size(100).map(0..10_000);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn task<F: Copy + 'static>(&self, f: F) -> Task<'_, F> {
        Task::new(self, f)
    }

    /// Sends one task; [`Handle::join`] waits for its result.
    ///
    /// `f` is a function by its name, or a closure that captures nothing (checked when the
    /// program is compiled). Errors of any kind come with `join`.
    ///
    /// It waits for nobody. The task goes to a worker, or, when all have enough ahead of them, into
    /// a line here, which has no bound: whoever submits without an end, and faster than workers
    /// work, fills memory ([`map`](Self::map) and [`imap`](Self::imap) take in items as there is
    /// room). On the shared path a long argument needs shared memory. When there is none, the handle
    /// has [`TaskError::SharedMemory`] at once, where `map` and `imap` wait until tasks in flight
    /// have given theirs back.
    ///
    /// The argument is encoded here and decoded in the worker, the result the other way; both cost
    /// time by their size. Serde takes a `Vec<u8>` element by element: many bytes cross faster as a
    /// `serde_bytes::ByteBuf`, which is copied in one piece, and as a [`Shared`](crate::Shared) or
    /// [`Owned`](crate::Owned) of the [arena](Pool::arena), which is not copied at all.
    ///
    /// ```no_run
    /// fn lines(path: String) -> Result<usize, String> {
    ///     let text = std::fs::read_to_string(&path).map_err(|error| format!("{path}: {error}"))?;
    ///     Ok(text.lines().count())
    /// }
    ///
    /// # forkyard::init();
    /// let pool = forkyard::Pool::builder().build()?;
    /// let counted = pool.submit(lines, "log.txt".to_owned());
    /// // Meanwhile this process does something else.
    /// match counted.join()? {
    ///     Ok(lines) => println!("{lines} lines"), // the task returned
    ///     Err(why) => eprintln!("{why}"),         // the task returned an error of its own
    /// } // `?` above: it panicked, or its worker died
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn submit<F, In, Out>(&self, f: F, argument: In) -> Handle<Out>
    where
        F: Fn(In) -> Out + Copy + 'static,
        In: Serialize + DeserializeOwned,
        Out: Serialize + DeserializeOwned,
    {
        self.task(f).submit(argument)
    }

    /// As [`submit`](Self::submit), and the result comes with where its time went. It costs a few
    /// looks at the clock more.
    ///
    /// ```no_run
    /// # forkyard::init();
    /// let pool = forkyard::Pool::builder().build()?;
    /// let sum = pool.submit_timed(|n: u64| (0..n).sum::<u64>(), 1_000_000).join()?;
    /// println!("{} in {:?} of {:?}", sum.value, sum.timings.compute, sum.timings.total());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn submit_timed<F, In, Out>(&self, f: F, argument: In) -> Handle<Timed<Out>>
    where
        F: Fn(In) -> Out + Copy + 'static,
        In: Serialize + DeserializeOwned,
        Out: Serialize + DeserializeOwned,
    {
        self.task(f).submit_timed(argument)
    }

    /// Runs `f` on every item and returns the results in the order of the items.
    ///
    /// `items` is read as workers get room, so that at most a bounded number is in memory.
    /// An item that fails leaves the others alone: it has its own error. A worker that dies takes
    /// the message with it that it was at, and all items of that have the error: with a
    /// [`chunk_size`](Task::chunk_size) of 1 that is one item, with chunks of automatic size it can
    /// be thousands of short ones. With [`OnCrash::Retry`](crate::OnCrash::Retry), or a time limit,
    /// items travel one by one. Once the pool is aborted, no more items are taken from `items`; as many as it still promised by its
    /// `size_hint` have an entry all the same.
    ///
    /// ```no_run
    /// # forkyard::init();
    /// let pool = forkyard::Pool::builder().build()?;
    /// // All of them, or the first error.
    /// let roots = pool.map(f64::sqrt, [1.0, 4.0, 9.0]);
    /// let roots = roots.into_iter().collect::<Result<Vec<_>, _>>()?;
    /// assert_eq!(roots, [1.0, 2.0, 3.0]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn map<F, In, Out, I>(&self, f: F, items: I) -> Vec<Result<Out, TaskError>>
    where
        F: Fn(In) -> Out + Copy + 'static,
        In: Serialize + DeserializeOwned,
        Out: Serialize + DeserializeOwned,
        I: IntoIterator<Item = In>,
    {
        self.task(f).map(items)
    }

    /// [`map`](Self::map) for functions of several parameters: each item is a tuple of them.
    ///
    /// ```no_run
    /// # forkyard::init();
    /// let pool = forkyard::Pool::builder().build()?;
    /// let powers = pool.starmap(u64::pow, [(2, 10), (3, 4)]);
    /// assert_eq!(powers, [Ok(1024), Ok(81)]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn starmap<F, Args, I>(&self, f: F, items: I) -> Vec<Result<F::Out, TaskError>>
    where
        F: StarFn<Args>,
        Args: Serialize + DeserializeOwned,
        F::Out: Serialize + DeserializeOwned,
        I: IntoIterator<Item = Args>,
    {
        self.task(f).starmap(items)
    }

    /// [`map`](Self::map) as an iterator: results come in the order of the items, each as soon as
    /// it and those before it are there, and items are taken in only as results are asked for.
    ///
    /// Memory is bounded, however long `items` is and however large the results are: so many items
    /// at most are on their way, or done and not asked for yet ([`Task::window`]), and so many bytes
    /// of results ([`Task::window_bytes`]: 32 MiB for each worker). Nothing runs before the first result is asked
    /// for. Dropped before its end, the iterator takes in no more items; what runs, runs to its
    /// end, and its results are thrown away.
    ///
    /// ```no_run
    /// # forkyard::init();
    /// let pool = forkyard::Pool::builder().build()?;
    /// let endless = 0_u64..;
    /// for square in pool.imap(|n: u64| n * n, endless).take(1000) {
    ///     println!("{}", square?);
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn imap<F, In, Out, I>(&self, f: F, items: I) -> Imap<'_, I::IntoIter, Out>
    where
        F: Fn(In) -> Out + Copy + 'static,
        In: Serialize + DeserializeOwned,
        Out: Serialize + DeserializeOwned,
        I: IntoIterator<Item = In>,
    {
        self.task(f).imap(items)
    }

    /// As [`imap`](Self::imap), with results in the order in which they come, each with the index
    /// of its item. One slow item holds nothing up.
    ///
    /// ```no_run
    /// # forkyard::init();
    /// let pool = forkyard::Pool::builder().build()?;
    /// for (index, result) in pool.imap_unordered(|n: u64| n * n, [3, 4, 5]) {
    ///     println!("item {index}: {}", result?);
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn imap_unordered<F, In, Out, I>(
        &self,
        f: F,
        items: I,
    ) -> ImapUnordered<'_, I::IntoIter, Out>
    where
        F: Fn(In) -> Out + Copy + 'static,
        In: Serialize + DeserializeOwned,
        Out: Serialize + DeserializeOwned,
        I: IntoIterator<Item = In>,
    {
        self.task(f).imap_unordered(items)
    }

    /// [`map`](Self::map) with something that all tasks read: it is encoded once, and each worker
    /// decodes it once, however many items it runs. (When two such calls run at once, a worker that
    /// goes from one to the other decodes anew.)
    ///
    /// It crosses through the arena, on the copy path too. What is in shared memory already
    /// ([`Shared`](crate::Shared)) needs no `map_with`, and an [`Owned`](crate::Owned), which
    /// moves to one receiver, cannot be part of it. A worker keeps what it has decoded until the
    /// call is over and it has nothing to do, or the next `map_with` comes.
    ///
    /// ```no_run
    /// # forkyard::init();
    /// let pool = forkyard::Pool::builder().build()?;
    /// let words: std::collections::HashSet<String> = ["to", "be"].map(String::from).into();
    /// let texts = ["to be", "or not"].map(String::from);
    /// let known = pool.map_with(
    ///     &words,
    ///     |words, text: String| text.split(' ').filter(|word| words.contains(*word)).count(),
    ///     texts,
    /// );
    /// assert_eq!(known, [Ok(2), Ok(0)]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn map_with<C, F, In, Out, I>(
        &self,
        context: &C,
        f: F,
        items: I,
    ) -> Vec<Result<Out, TaskError>>
    where
        C: Serialize + DeserializeOwned + 'static,
        F: Fn(&C, In) -> Out + Copy + 'static,
        In: Serialize + DeserializeOwned,
        Out: Serialize + DeserializeOwned,
        I: IntoIterator<Item = In>,
    {
        self.task(f).map_with(context, items)
    }

    /// Runs `f` on disjoint parts of `data`, of `len` elements each (the last may be shorter), where
    /// they lie: nothing is copied or sent. `f` is told the index of its part's first element, and
    /// what it returns is returned here, in the order of the parts.
    ///
    /// A part whose task failed is in whatever state the task left it in. So it is never run again
    /// on what a dead worker has half written: with [`OnCrash::Retry`](crate::OnCrash::Retry) each
    /// part travels in a message of its own, so that one worker's death costs one part, which then
    /// has [`TaskError::GaveUp`]. Returns only when no
    /// worker can write any more: when the pool is aborted, after its workers have ended.
    ///
    /// ```no_run
    /// # forkyard::init();
    /// let pool = forkyard::Pool::builder().build()?;
    /// let mut samples = pool.arena().alloc_zeroed::<f32>(10_000_000)?;
    /// let done = pool.for_each_chunk_mut(&mut samples, 1 << 16, |at, part| {
    ///     for (i, sample) in part.iter_mut().enumerate() {
    ///         *sample = ((at + i) as f32).sqrt();
    ///     }
    /// });
    /// assert!(done.into_iter().all(|part| part.is_ok()));
    /// assert_eq!(samples[4_000_000], 2000.0);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Panics
    /// When `len` is zero, or `data` is not of this pool.
    pub fn for_each_chunk_mut<T, F, Out>(
        &self,
        data: &mut Owned<[T]>,
        len: usize,
        f: F,
    ) -> Vec<Result<Out, TaskError>>
    where
        T: Pod,
        F: Fn(usize, &mut [T]) -> Out + Copy + 'static,
        Out: Serialize + DeserializeOwned,
    {
        self.task(f).for_each_chunk_mut(data, len)
    }

    /// Runs `f` on every item and folds the results into one by `combine`; `None` when there are
    /// no items.
    ///
    /// Workers fold what they compute themselves, a chunk of items at a time, and the supervisor
    /// folds what they return, in the order of the items. So `combine` must be associative; it
    /// need not be commutative. It runs on both sides, in workers and here.
    ///
    /// ```no_run
    /// # forkyard::init();
    /// let pool = forkyard::Pool::builder().build()?;
    /// let sum = pool.reduce(|n: u64| n * n, |a, b| a + b, 0..1_000_000)?;
    /// assert_eq!(sum, Some(333_332_833_333_500_000));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// When an item failed: its error, of the first in the order of the items. Once one is known to
    /// have failed, no more items are taken in.
    ///
    /// # Panics
    /// When `combine` panics here. (In a worker that is an error.)
    pub fn reduce<F, G, In, Out, I>(
        &self,
        f: F,
        combine: G,
        items: I,
    ) -> Result<Option<Out>, TaskError>
    where
        F: Fn(In) -> Out + Copy + 'static,
        G: Fn(Out, Out) -> Out + Copy + 'static,
        In: Serialize + DeserializeOwned,
        Out: Serialize + DeserializeOwned,
        I: IntoIterator<Item = In>,
    {
        self.task(f).reduce(combine, items)
    }
}
