//! A small seeded generator and the identifiers made from it. Not for secrets: repeatable on purpose.

/// SplitMix64: one addition and a mix per number, any seed is a good seed.
#[derive(Debug, Clone)]
pub(crate) struct Random(u64);

const GOLDEN: u64 = 0x9E37_79B9_7F4A_7C15;

/// The SplitMix64 finaliser: spreads any change of `value` over all bits.
pub(crate) fn mix(value: u64) -> u64 {
    let value = (value ^ (value >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    value ^ (value >> 31)
}

/// A number that depends on every byte of `text` (FNV-1a, then mixed).
pub(crate) fn hash_text(text: &str) -> u64 {
    let folded = text
        .bytes()
        .fold(0xCBF2_9CE4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01B3));
    mix(folded)
}

impl Random {
    /// A generator that always gives the same numbers for the same seed.
    pub(crate) fn new(seed: u64) -> Self {
        Self(mix(seed ^ GOLDEN))
    }

    /// The next 64 bits.
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(GOLDEN);
        mix(self.0)
    }

    /// A number in `0.0..1.0`.
    pub(crate) fn unit(&mut self) -> f64 {
        // 53 bits are what an f64 holds exactly.
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// True with the given probability.
    pub(crate) fn chance(&mut self, probability: f64) -> bool {
        probability > 0.0 && self.unit() < probability
    }

    /// A number in `low..=high`.
    pub(crate) fn between(&mut self, low: u64, high: u64) -> u64 {
        if high <= low {
            return low;
        }
        match (high - low).checked_add(1) {
            Some(span) => low + self.next() % span,
            None => self.next(),
        }
    }

    /// An opaque lower-case id as WorkDrive makes them (zoho.md section 3.1).
    pub(crate) fn opaque_id(&mut self) -> String {
        let mut id = String::with_capacity(26);
        for _ in 0..2 {
            let mut bits = self.next();
            for _ in 0..13 {
                let digit = u32::try_from(bits % 36).unwrap_or(0);
                id.push(char::from_digit(digit, 36).unwrap_or('0'));
                bits /= 36;
            }
        }
        id
    }

    /// A token body of 64 hexadecimal digits in two parts, as the accounts server prints them.
    pub(crate) fn token(&mut self) -> String {
        format!("1000.{:016x}{:016x}.{:016x}{:016x}", self.next(), self.next(), self.next(), self.next())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn same_seed_gives_same_ids() {
        let (mut left, mut right) = (Random::new(7), Random::new(7));
        assert_eq!(left.opaque_id(), right.opaque_id());
        assert_ne!(left.opaque_id(), Random::new(8).opaque_id());
    }

    #[test]
    fn between_stays_inside() {
        let mut random = Random::new(1);
        assert!((0..1000).all(|_| (3..=5).contains(&random.between(3, 5))));
    }
}
