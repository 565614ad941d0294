//! What can lie in shared memory: slices of plain data, one plain value, text.

use bytemuck::Pod;

/// A type that can stand in [`Shared`](crate::Shared): `[T]` and `T` for plain data
/// ([`bytemuck::Pod`]), and `str`. It is sealed: memory that other processes write into
/// means something for these only.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot lie in shared memory",
    note = "plain data can: derive bytemuck::Pod and bytemuck::Zeroable, and share `T` or `[T]`; text can, as `str`"
)]
pub trait Payload: sealed::Payload {}

/// A [`Payload`] that can also be written where it lies, in [`Owned`](crate::Owned): all but
/// `str`.
pub trait Plain: Payload + sealed::Plain {}

impl<T: sealed::Payload + ?Sized> Payload for T {}
impl<T: sealed::Plain + ?Sized> Plain for T {}

pub(super) mod sealed {
    use forkyard_shm::arena::{Block, BlockMut};

    /// How a block is looked at.
    pub trait Payload {
        /// Checks that a block, which may come from a peer, is one of these.
        fn check(block: Block) -> Result<Block, String>;
        /// A checked block as what it is.
        fn of(block: &Block) -> &Self;
    }

    /// How a block is written.
    pub trait Plain: Payload {
        /// As [`Payload::check`].
        fn check_mut(block: &BlockMut) -> Result<(), String>;
        /// As [`Payload::of`].
        fn of_alone(block: &BlockMut) -> &Self;
        /// As [`Payload::of`].
        fn of_mut(block: &mut BlockMut) -> &mut Self;
    }
}

use forkyard_shm::arena::{Block, BlockMut};

impl<T: Pod> sealed::Payload for [T] {
    fn check(block: Block) -> Result<Block, String> {
        block
            .require_alignment(align_of::<T>())
            .map_err(|fault| fault.to_string())?;
        elements::<T>(block.as_slice().len())?;
        Ok(block)
    }

    #[inline]
    fn of(block: &Block) -> &Self {
        bytemuck::cast_slice(block.as_slice())
    }
}

impl<T: Pod> sealed::Plain for [T] {
    fn check_mut(block: &BlockMut) -> Result<(), String> {
        block
            .require_alignment(align_of::<T>())
            .map_err(|fault| fault.to_string())?;
        elements::<T>(block.len())
    }

    #[inline]
    fn of_alone(block: &BlockMut) -> &Self {
        bytemuck::cast_slice(block)
    }

    #[inline]
    fn of_mut(block: &mut BlockMut) -> &mut Self {
        bytemuck::cast_slice_mut(block)
    }
}

impl<T: Pod> sealed::Payload for T {
    fn check(block: Block) -> Result<Block, String> {
        block
            .require_alignment(align_of::<T>())
            .map_err(|fault| fault.to_string())?;
        one::<T>(block.as_slice().len())?;
        Ok(block)
    }

    #[inline]
    fn of(block: &Block) -> &Self {
        bytemuck::from_bytes(block.as_slice())
    }
}

impl<T: Pod> sealed::Plain for T {
    fn check_mut(block: &BlockMut) -> Result<(), String> {
        block
            .require_alignment(align_of::<T>())
            .map_err(|fault| fault.to_string())?;
        one::<T>(block.len())
    }

    #[inline]
    fn of_alone(block: &BlockMut) -> &Self {
        bytemuck::from_bytes(block)
    }

    #[inline]
    fn of_mut(block: &mut BlockMut) -> &mut Self {
        bytemuck::from_bytes_mut(block)
    }
}

impl sealed::Payload for str {
    fn check(block: Block) -> Result<Block, String> {
        block
            .into_text()
            .map_err(|(error, _)| format!("the text of a Shared<str> is not UTF-8: {error}"))
    }

    #[inline]
    fn of(block: &Block) -> &Self {
        match block.as_text() {
            Some(text) => text,
            None => unreachable!("a Shared<str> is made of a block that was checked"),
        }
    }
}

/// Whether so many bytes are a whole number of elements.
fn elements<T>(bytes: usize) -> Result<(), String> {
    const {
        assert!(
            size_of::<T>() > 0,
            "values of no bytes need no shared memory"
        );
    };
    if bytes.is_multiple_of(size_of::<T>()) {
        return Ok(());
    }
    Err(format!(
        "{bytes} bytes of shared memory are no whole number of elements of {} bytes; sender and \
         receiver disagree on the type",
        size_of::<T>()
    ))
}

/// Whether so many bytes are one value.
fn one<T>(bytes: usize) -> Result<(), String> {
    const {
        assert!(
            size_of::<T>() > 0,
            "a value of no bytes needs no shared memory"
        );
    };
    if bytes == size_of::<T>() {
        return Ok(());
    }
    Err(format!(
        "{bytes} bytes of shared memory are no value of {} bytes; sender and receiver disagree on \
         the type",
        size_of::<T>()
    ))
}
