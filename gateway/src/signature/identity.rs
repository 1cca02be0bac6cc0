//! What makes two deliveries the same one sent twice, where the sender does not name its deliveries.

use sha2::{Digest as _, Sha256};

/// SHA-256 over the parts, each with its length, so that no part can flow into the next; in hexadecimal digits.
pub(super) fn of<'p>(parts: impl IntoIterator<Item = &'p [u8]>) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    hex::encode(hash.finalize())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_do_not_flow_into_each_other() {
        let parts: [&[&[u8]]; 4] = [&[b"ab", b"c"], &[b"a", b"bc"], &[b"abc"], &[b"abc", b""]];
        let identities: std::collections::BTreeSet<String> =
            parts.iter().map(|parts| of(parts.iter().copied())).collect();
        assert_eq!(identities.len(), parts.len());
    }
}
