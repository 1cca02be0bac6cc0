//! Records that were handed to the producer and are not noted as published yet.

use std::collections::VecDeque;

use event_log::GlobalPosition;

/// Records in flight at most: with small records, enough to keep the brokers busy over a slow line.
const RECORDS: usize = 20_000;
/// Bytes in flight at most: what an outage of the brokers may cost in memory, about.
const BYTES: usize = 32 * 1024 * 1024;

/// Keeps the order of what was sent; acknowledgements come in any order over the partitions.
#[derive(Debug, Default)]
pub(super) struct InFlight {
    sent: VecDeque<Sent>,
    /// The number of the first of `sent`, counted from the session's first record.
    first: usize,
    bytes: usize,
}

#[derive(Debug)]
struct Sent {
    position: GlobalPosition,
    partition: u32,
    bytes: usize,
    is_acknowledged: bool,
}

impl InFlight {
    /// Whether more may be sent. One record is always allowed, whatever its size.
    pub(super) fn has_room(&self) -> bool {
        self.sent.len() < RECORDS && self.bytes < BYTES
    }

    pub(super) fn is_empty(&self) -> bool {
        self.sent.is_empty()
    }

    /// The number the next record gets.
    pub(super) fn next(&self) -> usize {
        self.first + self.sent.len()
    }

    /// The record numbered [`InFlight::next`] was sent.
    pub(super) fn push(&mut self, position: GlobalPosition, partition: u32, bytes: usize) {
        self.sent.push_back(Sent { position, partition, bytes, is_acknowledged: false });
        self.bytes += bytes;
    }

    /// The brokers have the record of this number.
    pub(super) fn acknowledge(&mut self, number: usize) {
        if let Some(sent) = number.checked_sub(self.first).and_then(|at| self.sent.get_mut(at)) {
            sent.is_acknowledged = true;
        }
    }

    /// The next record in position order, if it and everything before it is acknowledged.
    pub(super) fn settle(&mut self) -> Option<(GlobalPosition, u32)> {
        let sent = self.sent.pop_front_if(|sent| sent.is_acknowledged)?;
        self.first += 1;
        self.bytes -= sent.bytes;
        Some((sent.position, sent.partition))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settled(in_flight: &mut InFlight) -> Vec<i64> {
        std::iter::from_fn(|| in_flight.settle()).map(|(position, _)| position.0).collect()
    }

    #[test]
    fn records_settle_in_position_order_whatever_is_acknowledged_first() {
        let mut in_flight = InFlight::default();
        for position in [10, 11, 14, 15] {
            in_flight.push(GlobalPosition(position), 0, 100);
        }
        in_flight.acknowledge(1);
        in_flight.acknowledge(2);
        assert_eq!(settled(&mut in_flight), [0_i64; 0]);
        in_flight.acknowledge(0);
        assert_eq!(settled(&mut in_flight), [10, 11, 14]);
        assert_eq!(in_flight.next(), 4);
        in_flight.acknowledge(0);
        in_flight.acknowledge(3);
        assert_eq!(settled(&mut in_flight), [15]);
        assert!(in_flight.is_empty());
    }

    #[test]
    fn memory_is_bounded_by_records_and_by_bytes() {
        let mut in_flight = InFlight::default();
        in_flight.push(GlobalPosition(1), 0, BYTES + 1);
        assert!(!in_flight.has_room());
        in_flight.acknowledge(0);
        assert_eq!(settled(&mut in_flight), [1]);
        assert!(in_flight.has_room());
    }
}
