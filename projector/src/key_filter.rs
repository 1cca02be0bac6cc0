//! Which keys may be in a table that we fill ourselves: a Bloom filter of fixed size.
//!
//! A rebuild meets mostly keys it has never written, and looking each of them up would cost as much as writing it. "No"
//! is certain; "maybe" is wrong for one key in a hundred at six million keys, and costs a lookup.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hash};

/// Bits, as a power of two: eight megabytes.
const BITS: u32 = 26;
/// Bits that stand for one key.
const PROBES: u32 = 4;

/// Keys that may have been written.
#[derive(Debug)]
pub(crate) struct KeyFilter {
    words: Vec<u64>,
    hasher: RandomState,
}

impl KeyFilter {
    /// A filter that holds no key.
    pub(crate) fn new() -> Self {
        KeyFilter { words: vec![0; 1 << (BITS - 6)], hasher: RandomState::new() }
    }

    /// Remembers a key; says whether it is certain that it was not inserted before.
    pub(crate) fn insert(&mut self, key: &impl Hash) -> bool {
        let mut is_new = false;
        for bit in bits(self.hasher.hash_one(key)) {
            let (word, mask) = (&mut self.words[bit / 64], 1 << (bit % 64));
            is_new |= *word & mask == 0;
            *word |= mask;
        }
        is_new
    }

    /// Whether the key may have been inserted.
    pub(crate) fn may_contain(&self, key: &impl Hash) -> bool {
        bits(self.hasher.hash_one(key)).all(|bit| self.words[bit / 64] & (1 << (bit % 64)) != 0)
    }
}

/// The bits of one key, from the two halves of its hash.
fn bits(hash: u64) -> impl Iterator<Item = usize> {
    let (first, step) = (hash, (hash >> 32) | 1);
    (0..u64::from(PROBES)).map(move |probe| {
        let mixed = first.wrapping_add(probe.wrapping_mul(step));
        usize::try_from(mixed & ((1 << BITS) - 1)).unwrap_or(0)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inserted_keys_are_always_found_and_others_rarely() {
        let mut filter = KeyFilter::new();
        let new = (0..100_000_u32).filter(|key| filter.insert(key)).count();
        assert!(new > 99_900, "{new} of 100000 new keys were known to be new");
        assert!((0..100_000_u32).all(|key| !filter.insert(&key)));
        assert!((0..100_000_u32).all(|key| filter.may_contain(&key)));
        let wrong = (100_000..200_000_u32).filter(|key| filter.may_contain(key)).count();
        assert!(wrong < 1_000, "{wrong} of 100000 unknown keys were taken for known ones");
    }
}
