//! The end that blocks.

use ipc_channel::ipc::{IpcBytesReceiver, IpcBytesSender};

use super::error::{is_interrupted, send_packet};
use super::{LinkError, MESSAGE_LIMIT_BYTES};
use crate::packets::{Incoming, Outgoing};

/// Tasks in, results out, one message at a time.
#[derive(Debug)]
pub struct WorkerEnd {
    tasks: IpcBytesReceiver,
    results: IpcBytesSender,
    incoming: Incoming,
}

impl WorkerEnd {
    pub(super) fn new(tasks: IpcBytesReceiver, results: IpcBytesSender) -> Self {
        Self {
            tasks,
            results,
            incoming: Incoming::new(MESSAGE_LIMIT_BYTES),
        }
    }

    /// Waits for the next message, for ever if need be. `on_packet` runs after each packet is taken, with its
    /// length: that is when its [`crate::packets::window_cost`] is free again.
    ///
    /// # Errors
    /// [`LinkError::PeerGone`] when the supervisor has ended and all that it sent is taken, [`LinkError::Protocol`] for
    /// packets that no supervisor's end sends (the line is of no use after that), or what else the system says.
    pub fn recv(&mut self, mut on_packet: impl FnMut(usize)) -> Result<Vec<u8>, LinkError> {
        loop {
            let packet = match self.tasks.recv() {
                Err(error) if is_interrupted(&error) => continue,
                other => other.map_err(|error| LinkError::ipc("receive a packet", error))?,
            };
            on_packet(packet.len());
            if let Some(message) = self.incoming.push(&packet)? {
                return Ok(message);
            }
        }
    }

    /// Sends what is left of `message`, and waits for the supervisor to take packets when too many lie unread.
    /// `on_packet` runs after each packet is sent.
    ///
    /// # Errors
    /// [`LinkError::PeerGone`] when the supervisor has ended, or what else the system says.
    pub fn send(
        &mut self,
        message: &mut Outgoing,
        mut on_packet: impl FnMut(),
    ) -> Result<(), LinkError> {
        while !message.is_sent() {
            send_packet(&self.results, message.next_packet())?;
            message.advance();
            on_packet();
        }
        Ok(())
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
