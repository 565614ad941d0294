//! Whatever is cut comes together again, and whatever was not cut here is refused.

use super::{
    HEADER_BYTES, Incoming, Outgoing, PACKET_BYTES, PacketError, WINDOW_BYTES, window_cost,
};

/// A small generator (xorshift64*), so that a failure can be run again.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % bound as u64).unwrap()
    }
}

fn outgoing(payload: &[u8]) -> Outgoing {
    let mut bytes = Outgoing::with_header_room();
    bytes.extend_from_slice(payload);
    Outgoing::new(bytes)
}

#[test]
fn every_length_around_the_edges_round_trips() {
    let first = PACKET_BYTES - HEADER_BYTES;
    let mut incoming = Incoming::new(1 << 30);
    for len in [
        0,
        1,
        first - 1,
        first,
        first + 1,
        first + PACKET_BYTES,
        first + PACKET_BYTES + 1,
        3 << 20,
    ] {
        let payload: Vec<u8> = (0..len).map(|i| (i % 251) as u8).collect();
        let mut message = outgoing(&payload);
        let received = loop {
            assert!(message.next_packet_len() <= PACKET_BYTES);
            let whole = incoming.push(message.next_packet()).unwrap();
            message.advance();
            if let Some(whole) = whole {
                break whole;
            }
            assert!(incoming.is_midway());
        };
        assert!(message.is_sent() && !incoming.is_midway());
        assert_eq!(received, payload);
        incoming.recycle(received);
        assert_eq!(message.into_buffer().len(), HEADER_BYTES);
    }
}

#[test]
fn a_recycled_buffer_is_used_again() {
    let mut incoming = Incoming::new(1 << 30);
    let received = incoming
        .push(outgoing(&[1; 1000]).next_packet())
        .unwrap()
        .unwrap();
    let address = received.as_ptr();
    incoming.recycle(received);
    let again = incoming
        .push(outgoing(&[2; 999]).next_packet())
        .unwrap()
        .unwrap();
    assert_eq!(again.as_ptr(), address);
}

#[test]
fn a_promise_alone_reserves_little() {
    let mut incoming = Incoming::new(u64::MAX);
    let mut first = (1_u64 << 50).to_le_bytes().to_vec();
    first.resize(PACKET_BYTES, 0);
    assert_eq!(incoming.push(&first), Ok(None));
    assert!(incoming.reserved_bytes() <= 2 << 20);
    let result = incoming.push(&[0; PACKET_BYTES]);
    assert!(matches!(result, Err(PacketError::NoMemory { .. })));
}

#[test]
fn lies_are_told_apart() {
    let mut incoming = Incoming::new(100);
    assert_eq!(
        incoming.push(&[1, 2]),
        Err(PacketError::NoHeader { bytes: 2 })
    );
    let total = 101;
    let long = u64::to_le_bytes(total);
    assert_eq!(
        incoming.push(&long),
        Err(PacketError::TooLong { total, limit: 100 })
    );
    let short = u64::to_le_bytes(5);
    let wrong = PacketError::WrongLength {
        wanted: 5,
        found: 0,
    };
    assert_eq!(incoming.push(&short), Err(wrong));
}

#[test]
fn random_packets_never_panic_and_never_grow_without_bound() {
    let mut random = Random(0x5eed);
    let mut incoming = Incoming::new(1 << 22);
    for _ in 0..20_000 {
        let len = random.below(3 * HEADER_BYTES);
        let mut packet: Vec<u8> = (0..len).map(|_| random.next() as u8).collect();
        if random.below(2) == 0 && len >= HEADER_BYTES {
            packet[2..HEADER_BYTES].fill(0);
        }
        if random.below(8) == 0 {
            packet.resize(random.below(PACKET_BYTES + 100), 7);
        }
        if let Ok(Some(message)) = incoming.push(&packet) {
            assert!(message.len() <= PACKET_BYTES * 65);
        }
        assert!(incoming.reserved_bytes() <= 1 << 22);
    }
}

#[test]
fn costs_cover_what_a_packet_takes() {
    assert!(window_cost(1) >= 768, "the smallest packet of Linux");
    assert!(window_cost(PACKET_BYTES) >= 65_536 + 256);
    assert!(window_cost(PACKET_BYTES) < WINDOW_BYTES);
}
