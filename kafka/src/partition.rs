//! Which partition of a topic a stream belongs to.
//!
//! The rule is that of Kafka's Java client (`BuiltInPartitioner.partitionForKey`, and `murmur2_random` in librdkafka): the
//! key's murmur2 hash without its sign, modulo the number of partitions. So whoever else produces to the topic by key,
//! and whoever joins it with another topic, meets the same partition.

use event_log::StreamName;

/// The streams that hash to one partition of a topic with so many.
///
/// What is said of a portion stays true whatever happens to the topic: the number of partitions is part of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Portion {
    partitions: u32,
    partition: u32,
}

/// The hash of a stream name that decides its partition: 31 bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StreamHash(u32);

impl Portion {
    /// All streams: the one partition of a layout of one. Also what following the log directly covers.
    pub const ALL: Portion = Portion { partitions: 1, partition: 0 };

    /// Partition `partition` of `partitions`, where there is one.
    #[must_use]
    pub fn new(partitions: u32, partition: u32) -> Option<Self> {
        (partition < partitions).then_some(Portion { partitions, partition })
    }

    /// How many partitions its layout has.
    #[must_use]
    pub fn partitions(self) -> u32 {
        self.partitions
    }

    /// Which of them it is, from 0.
    #[must_use]
    pub fn partition(self) -> u32 {
        self.partition
    }

    /// Whether a stream belongs to it.
    #[must_use]
    pub fn holds(self, stream: StreamHash) -> bool {
        stream.0 % self.partitions == self.partition
    }
}

impl StreamHash {
    /// Hashes the stream's name.
    #[must_use]
    pub fn of(stream: &StreamName) -> Self {
        StreamHash::of_key(stream.as_str().as_bytes())
    }

    /// Hashes a record's key.
    #[must_use]
    pub fn of_key(key: &[u8]) -> Self {
        StreamHash(murmur2(key) & 0x7fff_ffff)
    }

    /// Its portion of a layout.
    ///
    /// # Panics
    /// When `partitions` is 0: no topic is without partitions.
    #[must_use]
    pub fn portion(self, partitions: u32) -> Portion {
        assert!(partitions > 0, "a topic has at least one partition");
        Portion { partitions, partition: self.0 % partitions }
    }
}

/// `org.apache.kafka.common.utils.Utils.murmur2`: 32-bit MurmurHash2 with Kafka's seed.
fn murmur2(data: &[u8]) -> u32 {
    const SEED: u32 = 0x9747_b28c;
    const M: u32 = 0x5bd1_e995;
    const R: u32 = 24;

    // Java's length is 32 bits; so is what enters the hash.
    let mut hash = SEED ^ data.len() as u32;
    let words = data.chunks_exact(4);
    let rest = words.remainder();
    for word in words {
        let mut k = u32::from_le_bytes(word.try_into().expect("a chunk has four bytes"));
        k = k.wrapping_mul(M);
        k ^= k >> R;
        hash = hash.wrapping_mul(M) ^ k.wrapping_mul(M);
    }
    if !rest.is_empty() {
        for (at, byte) in rest.iter().enumerate() {
            hash ^= u32::from(*byte) << (8 * at);
        }
        hash = hash.wrapping_mul(M);
    }
    hash ^= hash >> 13;
    hash = hash.wrapping_mul(M);
    hash ^ (hash >> 15)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The vectors of Kafka's own `UtilsTest.testMurmur2`.
    #[test]
    fn hash_is_that_of_the_java_client() {
        let vectors: [(&[u8], i32); 7] = [
            (b"21", -973_932_308),
            (b"foobar", -790_332_482),
            (b"a-little-bit-long-string", -985_981_536),
            (b"a-little-bit-longer-string", -1_486_304_829),
            (b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58_897_971),
            (b"abc", 479_470_107),
            (b"", 275_646_681),
        ];
        for (key, expected) in vectors {
            assert_eq!(murmur2(key) as i32, expected, "{key:?}");
        }
    }

    #[test]
    fn stream_belongs_to_exactly_one_portion_of_a_layout() {
        let hash = StreamHash::of(&StreamName::new("crm_record", "org-a-Contacts-52"));
        for partitions in 1..40 {
            let holding: Vec<u32> =
                (0..partitions).filter(|p| Portion::new(partitions, *p).expect("in range").holds(hash)).collect();
            assert_eq!(holding, [hash.portion(partitions).partition()]);
        }
        assert!(Portion::ALL.holds(hash));
        assert_eq!(Portion::new(3, 3), None);
    }
}
