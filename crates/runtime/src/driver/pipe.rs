//! The copy path to one worker, as the supervisor holds it.
//!
//! The supervisor never blocks in a send: the worker counts the packets it took out of its
//! pipe in its page, and no more is put in than the pipe surely holds. What does not fit yet
//! waits here and is moved on whenever the driver looks. Results are looked for only when
//! the worker's count of sent packets says that there are any.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::atomic::{AtomicU32, Ordering};

use forkyard_shm::Skips;
use forkyard_shm::layout::{Pipes, WorkerPage};
use forkyard_wire::link::{LinkError, Listener, Received, SupervisorEnd};
use forkyard_wire::packets::{
    HEADER_BYTES as HEADER_ROOM, Outgoing, PACKET_BYTES, WINDOW_BYTES, WINDOW_PACKETS, window_cost,
};

use super::link::{Arrived, Remains};
use crate::job::STATUS_SKIPPED;
use crate::parcel::{self, Parcel};

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Pipe {
    listener: Option<Listener>,
    end: Option<SupervisorEnd>,
    /// Messages in flight, oldest first; those fully sent come before those that are not.
    messages: VecDeque<Sent>,
    /// How many of `messages` are fully sent.
    sent: usize,
    /// Results taken since the worker started.
    taken: u64,
    packets_sent: u32,
    cost_sent: u64,
    packets_seen: u32,
    /// Why nothing can be sent any more.
    broken: Option<LinkError>,
    /// The worker is gone: whatever is in its pipe counts.
    draining: bool,
    /// The bits of messages that the worker was asked to pass over.
    skipping: u64,
    /// Of the last result: the message, if it was passed over and is nowhere else.
    skipped: Option<Parcel>,
}

/// A message in flight. It is kept until its worker has begun it, so that it can be sent
/// elsewhere if the worker dies before.
#[derive(Debug)]
struct Sent {
    frame: Option<Outgoing>,
    /// Until its result is taken.
    keep: bool,
}

/// Messages in one pipe at most: as many as small ones surely fit the window.
const MOST_MESSAGES: usize = 64;

/// A packet is sent while the costs of those unread are below the window, so they are together
/// always below this.
const MOST_COST: u64 = (WINDOW_BYTES + window_cost(PACKET_BYTES)) as u64;

impl Pipe {
    /// Opens the place where the next worker connects, and returns its name.
    pub(crate) fn listen(&mut self) -> Result<String, LinkError> {
        let (listener, name) = Listener::bind()?;
        self.listener = Some(listener);
        Ok(name)
    }

    /// Takes the worker's connection; the worker has said that it connected.
    pub(crate) fn accept(&mut self) -> Result<(), LinkError> {
        let Some(listener) = self.listener.take() else {
            let why = "no listener is open for this worker".to_owned();
            return Err(LinkError::Protocol(why));
        };
        self.end = Some(listener.accept()?);
        Ok(())
    }

    pub(crate) fn room(&self) -> usize {
        MOST_MESSAGES.saturating_sub(self.messages.len())
    }

    pub(crate) fn has_backlog(&self) -> bool {
        self.sent < self.messages.len() && self.broken.is_none()
    }

    pub(crate) fn send(&mut self, frame: Vec<u8>, keep: bool, pipes: &Pipes) {
        self.messages.push_back(Sent {
            frame: Some(Outgoing::new(frame)),
            keep,
        });
        self.push_packets(pipes);
    }

    pub(crate) fn pump(&mut self, page: &WorkerPage) {
        self.push_packets(&page.pipes);
        // What was begun need not be kept: it dies with its worker.
        let begun = page.counters.begun.load(Ordering::Relaxed);
        let begun = begun.saturating_sub(self.taken).min(self.sent as u64);
        for message in self.messages.iter_mut().take(begun as usize) {
            if !message.keep {
                message.frame = None;
            }
        }
    }

    fn push_packets(&mut self, pipes: &Pipes) {
        let Some(end) = &mut self.end else { return };
        while self.broken.is_none() {
            let next = self.messages.get_mut(self.sent);
            let Some(message) = next.and_then(|sent| sent.frame.as_mut()) else {
                return;
            };
            // The worker's word, which can be anything: no more lies unread than was ever let in.
            let (packets, cost) = unread(self.packets_sent, self.cost_sent, pipes);
            if packets > WINDOW_PACKETS || cost >= MOST_COST {
                let why = "it counted packets that it was not sent".to_owned();
                self.broken = Some(LinkError::Protocol(why));
                return;
            }
            let next = window_cost(message.next_packet_len()) as u64;
            if is_full(self.packets_sent, self.cost_sent, pipes) {
                return;
            }
            match end.send_packet(message) {
                Ok(_) => {
                    self.packets_sent = self.packets_sent.wrapping_add(1) & !(1 << 31);
                    self.cost_sent += next;
                    if message.is_sent() {
                        self.sent += 1;
                    }
                }
                // The worker's death arrives by itself; until then nothing moves here.
                Err(error) => self.broken = Some(error),
            }
        }
    }

    pub(crate) fn take(&mut self, parcel: &mut Parcel, page: &WorkerPage) -> Arrived {
        let Some(end) = &mut self.end else {
            return Arrived::Nothing;
        };
        while self.draining || self.packets_seen != page.pipes.sent.get() {
            match end.try_recv() {
                Ok(Some(Received::Part)) => {
                    self.packets_seen = self.packets_seen.wrapping_add(1) & !(1 << 31);
                }
                Ok(Some(Received::Message(frame))) => {
                    self.packets_seen = self.packets_seen.wrapping_add(1) & !(1 << 31);
                    return self.result(frame, parcel, page);
                }
                Ok(None) if self.draining => return Arrived::Nothing,
                // The worker counts after it sends, so what is counted is there.
                Ok(None) => {
                    return Arrived::Fault("it counted a packet that it did not send".to_owned());
                }
                Err(LinkError::PeerGone) => return Arrived::Nothing,
                Err(error) => return Arrived::Fault(error.to_string()),
            }
        }
        Arrived::Nothing
    }

    fn result(&mut self, frame: Vec<u8>, parcel: &mut Parcel, page: &WorkerPage) -> Arrived {
        if self.sent == 0 {
            return Arrived::Fault("a result came for no task".to_owned());
        }
        let Some((message, _)) = parcel::from_bytes(&frame) else {
            return Arrived::Fault("a result is shorter than its header".to_owned());
        };
        let sent = self.messages.pop_front();
        self.sent -= 1;
        self.taken += 1;
        if self.skipping != 0 {
            let kept = sent.and_then(|sent| sent.frame);
            self.stop_skipping(message.status == STATUS_SKIPPED, kept, page);
        }
        parcel.message = message;
        parcel.extra_mut().frame = frame;
        Arrived::Result
    }

    pub(crate) fn watch(&self, pipes: &Pipes) -> bool {
        if self.end.is_none() {
            return true; // nothing to come before the worker is ready, which rings
        }
        let backlog = self.has_backlog();
        let received = pipes.received.get();
        if !pipes.sent.watch(self.packets_seen) {
            return false;
        }
        // With a backlog, a packet taken out of the pipe is news as well.
        !backlog
            || (pipes.received.watch(received) && is_full(self.packets_sent, self.cost_sent, pipes))
    }

    /// A message without a task, to a worker that has none. Not sent when the pipe is full: then
    /// the worker is awake.
    pub(crate) fn nudge(&mut self, pipes: &Pipes) {
        let Some(end) = &mut self.end else { return };
        let full = is_full(self.packets_sent, self.cost_sent, pipes);
        if !self.messages.is_empty() || self.broken.is_some() || full {
            return;
        }
        let mut nudge = Outgoing::new(parcel::nudge_frame());
        let cost = window_cost(nudge.next_packet_len()) as u64;
        match end.send_packet(&mut nudge) {
            Ok(_) => {
                self.packets_sent = self.packets_sent.wrapping_add(1) & !(1 << 31);
                self.cost_sent += cost;
            }
            Err(error) => self.broken = Some(error),
        }
    }

    pub(crate) fn news<'a>(&self, pipes: &'a Pipes) -> (&'a AtomicU32, u32) {
        if self.has_backlog() {
            (pipes.received.word(), pipes.received.get())
        } else {
            (pipes.sent.word(), self.packets_seen)
        }
    }

    /// A message of which no packet was sent can be taken back.
    pub(crate) fn retract(&mut self) -> Option<Parcel> {
        if self.messages.len() <= self.sent + 1 {
            return None;
        }
        self.messages.pop_back()?.frame.and_then(unsent)
    }

    pub(crate) fn remains(&mut self, nth: usize, page: &WorkerPage) -> Remains {
        let position = self.taken + nth as u64;
        let begun = page.counters.begun.load(Ordering::Relaxed);
        if position < begun {
            return Remains::Running;
        }
        match self.begun_task(nth) {
            Some(parcel) => Remains::Unbegun(parcel),
            None => Remains::Running,
        }
    }

    /// A message in flight, if it was kept.
    pub(crate) fn begun_task(&mut self, nth: usize) -> Option<Parcel> {
        self.messages.get_mut(nth)?.frame.take().and_then(unsent)
    }

    /// The number of a message in flight, as its worker counts.
    pub(crate) fn number(&self, nth: usize) -> u64 {
        self.taken + nth as u64 + 1
    }

    /// Whether all of the oldest message is in the pipe.
    pub(crate) fn is_whole(&self) -> bool {
        self.sent > 0
    }

    /// Asks the worker not to run these messages. Hands out those that it surely does not run;
    /// of the others it may pass over some.
    pub(crate) fn pass_over(
        &mut self,
        nths: Range<usize>,
        page: &WorkerPage,
    ) -> Vec<(usize, Parcel)> {
        let begun = page.counters.begun.load(Ordering::Relaxed);
        let mut asked = Vec::new();
        for nth in nths.start..nths.end.min(self.messages.len()) {
            // What was begun before need not be there any more.
            let number = self.number(nth);
            if number > begun && self.messages[nth].frame.is_some() {
                self.skipping |= Skips::bit(number);
                self.messages[nth].keep = true;
                asked.push((nth, number));
            }
        }
        if asked.is_empty() {
            return Vec::new();
        }
        let begun = page.stops.skips.ask(self.skipping, &page.counters.begun);
        asked.retain(|(_, number)| *number > begun);
        let sent = self.sent;
        let hand_out = |(nth, _)| {
            let message: &mut Sent = &mut self.messages[nth];
            message.keep = false;
            // What is not all sent must be: the worker waits for the rest of it.
            let frame = if nth < sent {
                message.frame.take()
            } else {
                message.frame.clone()
            };
            frame.and_then(unsent).map(|parcel| (nth, parcel))
        };
        asked.into_iter().filter_map(hand_out).collect()
    }

    /// Whether the worker was asked to pass over what is in flight.
    pub(crate) fn is_skipping(&self) -> bool {
        self.skipping != 0
    }

    /// The message of the last result that was taken, if it was passed over and is to be sent
    /// elsewhere.
    pub(crate) fn take_skipped(&mut self) -> Option<Parcel> {
        self.skipped.take()
    }

    /// A result was taken: its message's bit is free for another.
    #[cold]
    fn stop_skipping(&mut self, passed: bool, kept: Option<Outgoing>, page: &WorkerPage) {
        let bit = Skips::bit(self.taken);
        self.skipped = None;
        if self.skipping & bit != 0 {
            self.skipping &= !bit;
            page.stops.skips.ask(self.skipping, &page.counters.begun);
            self.skipped = kept.filter(|_| passed).and_then(unsent);
        }
    }

    /// Why nothing can be sent, other than that the worker is gone, which is told elsewhere.
    pub(crate) fn fault(&self) -> Option<String> {
        match &self.broken {
            None | Some(LinkError::PeerGone) => None,
            Some(other) => Some(other.to_string()),
        }
    }

    pub(crate) fn drain(&mut self) {
        self.draining = true;
    }

    pub(crate) fn reset(&mut self) {
        *self = Self::default();
    }
}

/// Whether no more may be put into a pipe of which so much was sent.
fn is_full(packets_sent: u32, cost_sent: u64, pipes: &Pipes) -> bool {
    let (packets, cost) = unread(packets_sent, cost_sent, pipes);
    cost >= WINDOW_BYTES as u64 || packets >= WINDOW_PACKETS
}

/// Packets in a pipe of which so much was sent, and their cost, by what its worker says.
fn unread(packets_sent: u32, cost_sent: u64, pipes: &Pipes) -> (usize, u64) {
    let packets = packets_sent.wrapping_sub(pipes.received.get()) & !(1 << 31);
    let cost = cost_sent.wrapping_sub(pipes.received_cost.load(Ordering::Relaxed));
    (packets as usize, cost)
}

/// The parcel that a message was made of.
fn unsent(outgoing: Outgoing) -> Option<Parcel> {
    let frame = outgoing.into_bytes();
    let (message, _) = parcel::from_bytes(frame.get(HEADER_ROOM..)?)?;
    let mut parcel = Parcel {
        message,
        ..Parcel::default()
    };
    parcel.extra_mut().frame = frame;
    Some(parcel)
}
