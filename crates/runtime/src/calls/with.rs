//! Something that all tasks of a `map` read: encoded once, decoded once by each worker.

use std::any::Any;
use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use forkyard_wire::codec;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize, Serializer};

use crate::arena::{Block, Reading};
use crate::chunk::encode_error;
use crate::driver::Core;
use crate::error::TaskError;
use crate::job::{ItemError, Job, caught, execute};
use crate::packing::{Attached, Attachments, Packing, attach_alone, take_attachments};
use crate::trampoline;

/// What is lent to the tasks of one call.
pub(super) struct Loan {
    /// Tells it from what other calls have lent.
    id: u64,
    block: Block,
    /// Tasks may wait for each other through what it speaks of.
    alone: bool,
    /// What it speaks of, kept until the call is over.
    _attached: Attachments,
    /// Last, so that nothing is lent any more when it is dropped.
    _over: Over,
}

/// The end of a loan: workers with nothing to do let go of it, which may be much.
struct Over(Arc<Core>);

impl Drop for Over {
    fn drop(&mut self) {
        if self.0.is_ours() {
            self.0.lock().nudge_idle(&self.0);
        }
    }
}

impl Loan {
    pub(super) fn new<C: Serialize>(core: &Arc<Core>, context: &C) -> Result<Self, TaskError> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let _packing = Packing::begin(&core.arena);
        let mut bytes = Vec::new();
        caught(|| {
            codec::encode_to_vec(context, &mut bytes)
                .map_err(|error| ItemError::Encode(error.to_string()))
        })
        .map_err(encode_error)?;
        let mut attached = Attachments::new();
        let alone = take_attachments(&mut attached);
        if attached.iter().any(Attached::is_promised) {
            let why = "an Owned value moves to one receiver, and this is lent to many; lend it as \
                       Shared";
            return Err(TaskError::EncodeArgument(why.into()));
        }
        let mut block = core
            .arena
            .alloc(bytes.len().max(1))
            .map_err(|error| TaskError::SharedMemory(error.to_string().into()))?;
        block[..bytes.len()].copy_from_slice(&bytes);
        Ok(Self {
            id: NEXT.fetch_add(1, Ordering::Relaxed),
            block: block.freeze(),
            alone,
            _attached: attached,
            _over: Over(Arc::clone(core)),
        })
    }

    pub(super) fn beside<In>(&self, item: In) -> Beside<'_, In> {
        Beside { loan: self, item }
    }
}

/// An item, and the name of what is lent, as they are sent.
pub(super) struct Beside<'a, In> {
    loan: &'a Loan,
    item: In,
}

impl<In: Serialize> Serialize for Beside<'_, In> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.loan.alone {
            attach_alone(self.loan.block.clone());
        }
        (self.loan.id, Reading::of(&self.loan.block), &self.item).serialize(serializer)
    }
}

/// The same, as they are received.
#[derive(Deserialize)]
struct Received<In>(u64, Reading, In);

thread_local! {
    /// What was lent last, decoded.
    static LENT: RefCell<Option<Lent>> = const { RefCell::new(None) };
}

struct Lent {
    id: u64,
    name: Reading,
    value: Rc<dyn Any>,
}

/// Drops what was lent to a call that is over. A worker does so when it has nothing to do.
pub(crate) fn return_lent() {
    // The block is given back at the end of the call: then its name means nothing any more.
    let is_over = |lent: &mut Lent| lent.name.open().is_err();
    let over = LENT.with_borrow_mut(|lent| lent.take_if(is_over));
    if let Some(over) = over {
        // Its Drop is the user's.
        let _ = caught(|| {
            drop(over);
            Ok(())
        });
    }
}

/// What is lent under that name, decoded now or before.
fn lent<C: DeserializeOwned + 'static>(id: u64, name: Reading) -> Result<Rc<C>, ItemError> {
    let known = LENT.with_borrow(|lent| match lent {
        Some(lent) if lent.id == id => Rc::clone(&lent.value).downcast::<C>().ok(),
        _ => None,
    });
    if let Some(known) = known {
        return Ok(known);
    }
    LENT.set(None); // its memory first
    let block = name.open().map_err(ItemError::Decode)?;
    let value = codec::decode::<C>(&block)
        .map_err(|error| ItemError::Decode(format!("what is lent to all: {error}")))?;
    let value = Rc::new(value);
    LENT.set(Some(Lent {
        id,
        name,
        value: Rc::clone(&value) as Rc<dyn Any>,
    }));
    Ok(value)
}

/// The trampoline of a task that is lent something.
pub(super) fn task<F, C, In, Out>(job: &mut Job<'_>)
where
    F: Fn(&C, In) -> Out + Copy + 'static,
    C: DeserializeOwned + 'static,
    In: DeserializeOwned,
    Out: Serialize,
{
    let f = trampoline::conjure::<F>();
    execute::<Received<In>, Out>(job, |_, Received(id, name, item)| {
        Ok(f(&*lent::<C>(id, name)?, item))
    });
}
