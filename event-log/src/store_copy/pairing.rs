//! Rows of two sides put together by their keys, while both are read in the order of their keys.
//!
//! Usually the next row here is the next row there. Where one side lacks a row, or sorts a key elsewhere because a character
//! of it was replaced, rows wait for their counterpart; as many as there are such rows, so memory stays small.

use std::collections::HashMap;

/// Rows that may wait: with more, the two sides have nothing to do with each other.
const MOST_WAITING: usize = 10_000;

/// What is kept of a row: a fingerprint for each column.
pub(super) type Fingerprints = Vec<u64>;

/// Where a row comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    Source,
    Target,
}

/// Rows without a counterpart so far.
#[derive(Debug, Default)]
pub(super) struct Pairing {
    source: HashMap<String, Fingerprints>,
    target: HashMap<String, Fingerprints>,
}

impl Pairing {
    /// Adds a row; returns its counterpart if that was waiting.
    pub(super) fn add(&mut self, side: Side, key: &str, row: &Fingerprints) -> Option<Fingerprints> {
        let (own, other) = match side {
            Side::Source => (&mut self.source, &mut self.target),
            Side::Target => (&mut self.target, &mut self.source),
        };
        let counterpart = other.remove(key);
        if counterpart.is_none() {
            own.insert(key.to_owned(), row.clone());
        }
        counterpart
    }

    /// Whether more rows wait than could come from a few that are missing.
    pub(super) fn is_hopeless(&self) -> bool {
        self.source.len() + self.target.len() > MOST_WAITING
    }

    /// Keys of the rows that are only on one side, sorted.
    pub(super) fn alone(self) -> Vec<(String, Side)> {
        let source = self.source.into_keys().map(|key| (key, Side::Source));
        let target = self.target.into_keys().map(|key| (key, Side::Target));
        let mut alone: Vec<_> = source.chain(target).collect();
        alone.sort_by(|(one, _), (other, _)| (one.len(), one).cmp(&(other.len(), other)));
        alone
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_find_each_other_in_any_order() {
        let mut pairing = Pairing::default();
        assert_eq!(pairing.add(Side::Source, "a", &vec![1]), None);
        assert_eq!(pairing.add(Side::Target, "b", &vec![2]), None);
        assert_eq!(pairing.add(Side::Source, "b", &vec![3]), Some(vec![2]));
        assert_eq!(pairing.add(Side::Target, "a", &vec![1]), Some(vec![1]));
        assert!(pairing.alone().is_empty());
    }

    #[test]
    fn what_is_on_one_side_only_is_named_with_its_side() {
        let mut pairing = Pairing::default();
        pairing.add(Side::Source, "10", &vec![]);
        pairing.add(Side::Target, "9", &vec![]);
        assert!(!pairing.is_hopeless());
        assert_eq!(pairing.alone(), [("9".to_owned(), Side::Target), ("10".to_owned(), Side::Source)]);
    }
}
