//! How messages reach one worker and come back, on either path, behind one set of methods.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::atomic::AtomicU32;

use forkyard_shm::control::Control;
use forkyard_shm::lane::state::{LaneFault, Published, Seen, Watch};
use forkyard_shm::lane::{Inline, Message, SupervisorLane};

use super::pipe::Pipe;
use super::seat::InFlight;
use crate::parcel::{Parcel, Ready, pill_frame};
use crate::start::OsPark;
use forkyard_shm::Park;

/// What came back.
#[derive(Debug)]
pub(crate) enum Arrived {
    /// The result of the oldest message in flight.
    Result,
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

/// A word to spin on: there is news when `(word & mask == value)` is `equal`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct News<'a> {
    word: &'a AtomicU32,
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

    /// Whether any message that was not begun can be taken back at once. A pipe's worker can only
    /// be asked to pass it over ([`pass_over`](Self::pass_over)).
    pub(crate) fn can_retract(&self) -> bool {
        matches!(self, Self::Lane(_))
    }

    /// How many more messages it takes now. One place is kept for the pill.
    pub(crate) fn room(&self) -> usize {
        match self {
            Self::Lane(lane) => lane.room().saturating_sub(1),
            Self::Pipe(pipe) => pipe.room(),
        }
    }

    /// Sends messages one after the other, and notes what is in flight. There must be
    /// [`room`](Self::room) for all, except for a pill.
    #[inline]
    pub(crate) fn send(
        &mut self,
        messages: &mut [Ready],
        in_flight: &mut VecDeque<InFlight>,
        control: &Control,
        seat: usize,
    ) {
        match self {
            Self::Lane(lane) => {
                let published = lane.push_all(messages.iter_mut().map(|ready| {
                    in_flight.push_back(InFlight {
                        ticket: ready.ticket,
                        extra: ready.parcel.extra.take(),
                    });
                    (&ready.parcel.message, &ready.parcel.payload)
                }));
                wake(lane, published);
            }
            Self::Pipe(pipe) => {
                for ready in messages {
                    let mut extra = ready.parcel.extra.take();
                    let frame = extra.as_mut().map(|extra| std::mem::take(&mut extra.frame));
                    let keep = extra.as_ref().is_some_and(|extra| extra.keep);
                    in_flight.push_back(InFlight {
                        ticket: ready.ticket,
                        extra: extra.filter(|extra| extra.outlasts_its_frame()),
                    });
                    pipe.send(frame.unwrap_or_default(), keep, &control.page(seat).pipes);
                }
            }
        }
    }

    /// Tells the worker to end after what it has.
    pub(crate) fn send_pill(&mut self, control: &Control, seat: usize) {
        match self {
            Self::Lane(lane) => {
                let published = lane.push(&Message::default(), &Inline::default());
                wake(lane, published);
            }
            Self::Pipe(pipe) => pipe.send(pill_frame(), false, &control.page(seat).pipes),
        }
    }

    /// Takes the oldest result, if it is there, into `parcel`.
    #[inline]
    pub(crate) fn take(&mut self, parcel: &mut Parcel, control: &Control, seat: usize) -> Arrived {
        match self {
            Self::Lane(lane) => match lane.take(&mut parcel.message, &mut parcel.payload) {
                Ok(true) => Arrived::Result,
                Ok(false) => Arrived::Nothing,
                Err(fault) => faulty(&fault),
            },
            Self::Pipe(pipe) => pipe.take(parcel, control.page(seat)),
        }
    }

    /// Wakes an idle worker without a task, so that it lets go of what it keeps for nobody.
    pub(crate) fn nudge(&mut self, control: &Control, seat: usize) {
        match self {
            Self::Lane(lane) => wake(lane, lane.nudge()),
            Self::Pipe(pipe) => pipe.nudge(&control.page(seat).pipes),
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
                Ok(Watch::Watching(published)) => {
                    wake(lane, published);
                    Ok(true)
                }
                Ok(Watch::Done) => Ok(false),
                Err(fault) => Err(fault.to_string()),
            },
            Self::Pipe(pipe) => Ok(pipe.watch(&control.page(seat).pipes)),
        }
    }

    /// The word that changes when the oldest message is done.
    pub(crate) fn news<'a>(&self, control: &'a Control, seat: usize) -> Option<News<'a>> {
        match self {
            Self::Lane(lane) => (lane.in_flight() > 0).then(|| News {
                word: control.result_word(seat, lane.tail()),
                mask: u32::MAX,
                value: lane.awaited(),
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

    /// Takes back up to `most` of the youngest messages that their worker has not begun, the
    /// youngest first.
    ///
    /// # Errors
    /// When the worker wrote over one of them.
    pub(crate) fn retract(
        &mut self,
        most: usize,
        mut each: impl FnMut(Parcel),
    ) -> Result<(), String> {
        match self {
            Self::Lane(lane) => {
                let each = |message, payload| each(in_slot(message, payload));
                let published = lane
                    .retract(most, each)
                    .map_err(|fault| fault.to_string())?;
                wake(lane, published);
            }
            Self::Pipe(pipe) => (0..most).map_while(|_| pipe.retract()).for_each(each),
        }
        Ok(())
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
                    Ok(Seen::Running) => Remains::Running,
                    Ok(Seen::Ready) => match lane.copy_task(position) {
                        Ok((message, payload)) => Remains::Unbegun(in_slot(message, payload)),
                        Err(fault) => Remains::Fault(fault.to_string()),
                    },
                    // Done behind one that is not: the results before it were taken in
                    // order, so no correct worker leaves this.
                    Ok(Seen::Done) => Remains::Fault("results are out of order".to_owned()),
                    Err(fault) => Remains::Fault(fault.to_string()),
                }
            }
            Self::Pipe(pipe) => pipe.remains(nth, control.page(seat)),
        }
    }

    /// After the worker was reaped: the `nth` message in flight, which it had begun, as far as it
    /// is still there.
    pub(crate) fn begun_task(&mut self, nth: usize) -> Option<Parcel> {
        match self {
            Self::Lane(lane) => {
                let position = lane.tail() + nth as u64;
                let (message, payload) = lane.copy_task(position).ok()?;
                Some(in_slot(message, payload))
            }
            Self::Pipe(pipe) => pipe.begun_task(nth),
        }
    }

    /// The number of the `nth` message in flight, as its worker counts: the first is 1.
    pub(crate) fn number(&self, nth: usize) -> u64 {
        match self {
            Self::Lane(lane) => lane.tail() + nth as u64 + 1,
            Self::Pipe(pipe) => pipe.number(nth),
        }
    }

    /// Whether the worker says that it has begun the `nth` message in flight.
    pub(crate) fn is_begun(&self, nth: usize, control: &Control, seat: usize) -> bool {
        match self {
            Self::Lane(lane) => {
                let seen = lane.see(lane.tail() + nth as u64);
                !matches!(seen, Ok(Seen::Ready))
            }
            Self::Pipe(pipe) => {
                let begun = &control.page(seat).counters.begun;
                begun.load(std::sync::atomic::Ordering::Relaxed) >= pipe.number(nth)
            }
        }
    }

    /// Whether the oldest message in flight is all there for the worker to take.
    pub(crate) fn is_whole(&self) -> bool {
        match self {
            Self::Lane(_) => true,
            Self::Pipe(pipe) => pipe.is_whole(),
        }
    }

    /// Asks the worker not to run messages that cannot be taken back any more. Hands out those
    /// that it surely does not run; their results come all the same, and mean nothing.
    pub(crate) fn pass_over(
        &mut self,
        nths: Range<usize>,
        control: &Control,
        seat: usize,
    ) -> Vec<(usize, Parcel)> {
        match self {
            Self::Lane(_) => Vec::new(),
            Self::Pipe(pipe) => pipe.pass_over(nths, control.page(seat)),
        }
    }

    /// Whether the worker was asked to pass over what is in flight.
    pub(crate) fn is_skipping(&self) -> bool {
        match self {
            Self::Lane(_) => false,
            Self::Pipe(pipe) => pipe.is_skipping(),
        }
    }

    /// The message of the result taken last, if that says that it was passed over, and it is to
    /// be run after all.
    pub(crate) fn take_skipped(&mut self) -> Option<Parcel> {
        match self {
            Self::Lane(_) => None,
            Self::Pipe(pipe) => pipe.take_skipped(),
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

fn in_slot(message: Message, payload: Inline) -> Parcel {
    Parcel {
        message,
        payload,
        extra: None,
    }
}

fn wake(lane: &SupervisorLane, published: Published) {
    if published == Published::WakeIt {
        OsPark.unpark(lane.sleeper_word());
    }
}

#[cold]
fn faulty(fault: &LaneFault) -> Arrived {
    Arrived::Fault(fault.to_string())
}
