//! The end that never blocks.

use ipc_channel::TryRecvError;
use ipc_channel::ipc::{IpcBytesReceiver, IpcBytesSender};

use super::error::{is_interrupted, send_packet};
use super::{LinkError, MESSAGE_LIMIT_BYTES};
use crate::packets::{Incoming, Outgoing};

/// Tasks out, results in, one packet at a time.
#[derive(Debug)]
pub struct SupervisorEnd {
    tasks: IpcBytesSender,
    results: IpcBytesReceiver,
    incoming: Incoming,
}

/// What one packet from the worker brought.
#[derive(Debug, PartialEq, Eq)]
pub enum Received {
    /// Part of a message; more is to come.
    Part,
    /// The last part: this is the message.
    Message(Vec<u8>),
}

impl SupervisorEnd {
    pub(super) fn new(tasks: IpcBytesSender, results: IpcBytesReceiver) -> Self {
        Self {
            tasks,
            results,
            incoming: Incoming::new(MESSAGE_LIMIT_BYTES),
        }
    }

    /// Sends the next packet of `message` and says how many bytes it had (0 when all was sent already).
    ///
    /// It does not wait as long as the caller keeps to the window of [`crate::packets::WINDOW_BYTES`]. Messages must not be
    /// mixed: finish one before the next.
    ///
    /// # Errors
    /// [`LinkError::PeerGone`] when the worker has ended, or what else the system says. Nothing was sent then.
    pub fn send_packet(&mut self, message: &mut Outgoing) -> Result<usize, LinkError> {
        if message.is_sent() {
            return Ok(0);
        }
        send_packet(&self.tasks, message.next_packet())?;
        Ok(message.advance())
    }

    /// Takes the next packet, if one is there. Costs some system calls and a buffer of 212 kB whether or not: ask when
    /// something else says that a packet is there.
    ///
    /// # Errors
    /// [`LinkError::PeerGone`] when the worker has ended and all that it sent is taken, [`LinkError::Protocol`] for
    /// packets that no worker's end sends (the line is of no use after that), or what else the system says.
    pub fn try_recv(&mut self) -> Result<Option<Received>, LinkError> {
        let packet = loop {
            match self.results.try_recv() {
                Ok(packet) => break packet,
                Err(TryRecvError::Empty) => return Ok(None),
                Err(TryRecvError::IpcError(error)) if is_interrupted(&error) => {}
                Err(TryRecvError::IpcError(error)) => {
                    return Err(LinkError::ipc("receive a packet", error));
                }
            }
        };
        let whole = self.incoming.push(&packet)?;
        Ok(Some(whole.map_or(Received::Part, Received::Message)))
    }

    /// Gives the buffer of a received message back: the next one is put together in its warm pages.
    pub fn recycle(&mut self, buffer: Vec<u8>) {
        self.incoming.recycle(buffer);
    }

    /// Refuses messages of more than `limit_bytes` from the next one on; [`MESSAGE_LIMIT_BYTES`] at first.
    pub fn set_message_limit(&mut self, limit_bytes: u64) {
        self.incoming.set_limit(limit_bytes);
    }
}
