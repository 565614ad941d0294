//! How messages reach one worker and come back, on either path, behind one set of methods.

use std::sync::atomic::AtomicU32;

use forkyard_shm::control::Control;
use forkyard_shm::lane::state::{DONE, Published, Seen, Watch};
use forkyard_shm::lane::{Arrival, INLINE_BYTES, Message, SupervisorLane};

use super::pipe::Pipe;
use crate::parcel::{Body, InPlace, Parcel};
use crate::start::OsPark;
use forkyard_shm::Park;

/// What came back.
#[derive(Debug)]
pub(crate) enum Arrived {
    /// The result of the oldest message in flight.
    Result(Message, Body),
    /// Nothing yet.
    Nothing,
    /// The worker wrote what it must not.
    Fault(String),
}

/// What a dead worker had left to do with one of its messages.
#[derive(Debug)]
pub(crate) enum Remains {
    /// It had not begun: here it is, to be sent elsewhere.
    Unbegun(Parcel),
    /// It died with this one.
    Running,
    /// What it left cannot be.
    Fault(String),
}

/// Why a task that was sent to a lane is not sent elsewhere.
pub(super) const OVERWRITTEN: &str = "a task's slot was overwritten before it was begun";

/// A path to a worker.
#[derive(Debug)]
pub(crate) enum Link {
    /// The shared path.
    Lane(SupervisorLane),
    /// The copy path.
    Pipe(Box<Pipe>),
}

/// A word to spin on: there is news when `word & mask == value` is `equal`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct News<'a> {
    pub(crate) word: &'a AtomicU32,
    mask: u32,
    value: u32,
    equal: bool,
}

impl News<'_> {
    #[inline]
    pub(crate) fn is_here(&self) -> bool {
        (self.word.load(std::sync::atomic::Ordering::Relaxed) & self.mask == self.value)
            == self.equal
    }
}

impl Link {
    /// Whether messages can be sent before the worker is ready.
    pub(crate) fn works_before_ready(&self) -> bool {
        matches!(self, Self::Lane(_))
    }

    /// How many more messages it takes now. One place is kept for the pill.
    pub(crate) fn room(&self) -> usize {
        match self {
            Self::Lane(lane) => lane.room().saturating_sub(1),
            Self::Pipe(pipe) => pipe.room(),
        }
    }

    /// Sends. There must be [`room`](Self::room), except for a pill.
    #[inline]
    pub(crate) fn send(&mut self, message: Message, body: Body, control: &Control, seat: usize) {
        match self {
            Self::Lane(lane) => {
                let Body::Inline(bytes) = body else {
                    unreachable!("parcels of the shared path are in place, or a descriptor is")
                };
                let position = lane.head();
                let published = lane.push(|slot| {
                    bytes.write_to(slot);
                    Ok::<_, std::convert::Infallible>(message)
                });
                if let Ok(Published::WakeIt) = published {
                    OsPark.unpark(control.slot_word(seat, position));
                }
            }
            Self::Pipe(pipe) => {
                let Body::Frame(frame) = body else {
                    unreachable!("parcels of the copy path are frames")
                };
                pipe.send(frame, &control.page(seat).pipes);
            }
        }
    }

    /// Takes the oldest result, if it is there.
    #[inline]
    pub(crate) fn take(&mut self, control: &Control, seat: usize) -> Arrived {
        match self {
            Self::Lane(lane) => {
                let mut bytes = [0; INLINE_BYTES];
                match lane.take(&mut bytes) {
                    Arrival::Result(message) => Arrived::Result(message, in_place(&bytes, message)),
                    Arrival::Nothing => Arrived::Nothing,
                    Arrival::Corrupt(raw) => {
                        Arrived::Fault(format!("a slot's state word holds {raw:#x}"))
                    }
                    Arrival::Fault(fault) => Arrived::Fault(fault.to_string()),
                }
            }
            Self::Pipe(pipe) => pipe.take(control.page(seat)),
        }
    }

    /// Moves on what is under way (packets of large messages).
    pub(crate) fn pump(&mut self, control: &Control, seat: usize) {
        if let Self::Pipe(pipe) = self {
            pipe.pump(control.page(seat));
        }
    }

    /// Whether something is under way that only [`pump`](Self::pump) moves on.
    pub(crate) fn has_backlog(&self) -> bool {
        match self {
            Self::Lane(_) => false,
            Self::Pipe(pipe) => pipe.has_backlog(),
        }
    }

    /// Asks for a ring when the `nth` message in flight is done (the pipe rings for any).
    /// Returns `false` when there is news already.
    ///
    /// # Errors
    /// When the worker wrote what it must not.
    pub(crate) fn watch(&self, nth: usize, control: &Control, seat: usize) -> Result<bool, String> {
        match self {
            Self::Lane(lane) => match lane.watch(lane.tail() + nth as u64) {
                Watch::Watching => Ok(true),
                Watch::Done => Ok(false),
                Watch::Corrupt(raw) => Err(format!("a slot's state word holds {raw:#x}")),
            },
            Self::Pipe(pipe) => Ok(pipe.watch(&control.page(seat).pipes)),
        }
    }

    /// The word that changes when the oldest message is done.
    pub(crate) fn news<'a>(&self, control: &'a Control, seat: usize) -> Option<News<'a>> {
        match self {
            Self::Lane(lane) => (lane.in_flight() > 0).then(|| News {
                word: control.slot_word(seat, lane.tail()),
                mask: 0b11,
                value: DONE,
                equal: true,
            }),
            Self::Pipe(pipe) => {
                let (word, seen) = pipe.news(&control.page(seat).pipes);
                Some(News {
                    word,
                    mask: !(1 << 31),
                    value: seen,
                    equal: false,
                })
            }
        }
    }

    /// Takes back the youngest message if its worker has not begun it.
    ///
    /// # Errors
    /// When the worker wrote over it.
    pub(crate) fn retract(&mut self) -> Result<Option<(Message, Body)>, String> {
        match self {
            Self::Lane(lane) => {
                let mut bytes = [0; INLINE_BYTES];
                let retracted = lane
                    .retract(&mut bytes)
                    .map_err(|fault| fault.to_string())?;
                Ok(retracted.map(|message| (message, in_place(&bytes, message))))
            }
            Self::Pipe(pipe) => Ok(pipe.retract()),
        }
    }

    /// Why nothing moves any more, although the worker may live.
    pub(crate) fn fault(&self) -> Option<String> {
        match self {
            Self::Lane(_) => None,
            Self::Pipe(pipe) => pipe.fault(),
        }
    }

    /// The worker is gone: what it has sent counts, whether or not it came to say so.
    pub(crate) fn drain(&mut self) {
        if let Self::Pipe(pipe) = self {
            pipe.drain();
        }
    }

    /// After the worker was reaped and every result taken: what is left of the `nth` message
    /// in flight.
    pub(crate) fn remains(&mut self, nth: usize, control: &Control, seat: usize) -> Remains {
        match self {
            Self::Lane(lane) => {
                let position = lane.tail() + nth as u64;
                match lane.see(position) {
                    Seen::Running => Remains::Running,
                    Seen::Ready => {
                        let mut bytes = [0; INLINE_BYTES];
                        match lane.copy_task(position, &mut bytes) {
                            Some(message) => Remains::Unbegun(Parcel {
                                message,
                                body: in_place(&bytes, message),
                                attached: Box::default(),
                            }),
                            None => Remains::Fault(OVERWRITTEN.to_owned()),
                        }
                    }
                    // Done behind one that is not: the results before it were taken in
                    // order, so no correct worker leaves this.
                    Seen::Done => Remains::Fault("results are out of order".to_owned()),
                    Seen::Free | Seen::Corrupt(_) => Remains::Fault(OVERWRITTEN.to_owned()),
                }
            }
            Self::Pipe(pipe) => pipe.remains(nth, control.page(seat)),
        }
    }

    /// As new, for the next process in this seat.
    pub(crate) fn reset(&mut self) {
        match self {
            Self::Lane(lane) => lane.reset(),
            Self::Pipe(pipe) => pipe.reset(),
        }
    }

    /// Drops the path without ceremony: a worker that waits on a pipe sees its end.
    pub(crate) fn sever(&mut self) {
        if let Self::Pipe(pipe) = self {
            pipe.reset();
        }
    }
}

fn in_place(bytes: &[u8; INLINE_BYTES], message: Message) -> Body {
    Body::Inline(InPlace::new(bytes, message.len as usize))
}
