//! How much may be under way without a sender being made to wait.
//!
//! Linux lets a SOCK_SEQPACKET send pass when the memory of the packets that lie unread (`sk_wmem_alloc`) is below the
//! send buffer *before* the new one is added; the buffer is 212 992 bytes (`net.core.wmem_default`), and reading a packet
//! gives its memory back before the read returns. A packet's memory (`truesize`) is its buffer, rounded up as the
//! kernel's allocator does, and its descriptor of 256 bytes; [`window_cost`] is an upper bound of it, for kernels
//! with pages of 4 KiB (a linear part of at most 16 KiB, and pages) and for those with larger ones (all linear).
//!
//! macOS counts messages, not bytes, in the queue of a Mach port: 1024, to which ipc-channel raises it.

/// Bytes of a full packet, header included. With the 512 bytes that ipc-channel and the kernel add it is just 64 KiB: a
/// power of two, for which the kernel wastes nothing.
pub const PACKET_BYTES: usize = 64 * 1024 - OVERHEAD_BYTES;

/// What ipc-channel's header (16 bytes) and the kernel's `skb_shared_info` (320) need in a packet's buffer, and room.
const OVERHEAD_BYTES: usize = 512;

/// A packet may be sent while the costs of those sent and not yet received are together *below* this. With Linux's
/// default send buffer such a send does not wait: it is that buffer without a rest for rounding.
pub const WINDOW_BYTES: usize = 204_800;

/// How many packets may be sent and not yet received at most, whatever their costs.
pub const WINDOW_PACKETS: usize = 256;

/// What a packet of `packet_bytes` (header included) takes of [`WINDOW_BYTES`].
#[must_use]
pub const fn window_cost(packet_bytes: usize) -> usize {
    (packet_bytes + OVERHEAD_BYTES).next_power_of_two() + OVERHEAD_BYTES
}

// Three full packets lie unread and the fourth may still go.
const _: () = assert!(3 * window_cost(PACKET_BYTES) < WINDOW_BYTES);
