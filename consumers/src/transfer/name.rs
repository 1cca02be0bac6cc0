//! Names at the destination.
//!
//! Provider names are data: they are compared and sent, never used as paths.

use std::collections::HashSet;

use chrono::{DateTime, Duration, Utc};
use unicode_normalization::UnicodeNormalization;

/// The names in one folder, compared after NFC normalisation and case folding, as people see them.
#[derive(Debug, Clone, Default)]
pub struct TakenNames(HashSet<String>);

impl TakenNames {
    /// Adds a name; `false` if it was there.
    pub fn insert(&mut self, name: &str) -> bool {
        self.0.insert(comparable(name))
    }

    /// Whether the name is taken.
    #[must_use]
    pub fn contains(&self, name: &str) -> bool {
        self.0.contains(&comparable(name))
    }
}

fn comparable(name: &str) -> String {
    let normal: String = name.nfc().collect();
    caseless::default_case_fold_str(&normal)
}

/// The first free name: `wanted`, else `wanted_YYYYMMDD_HHMMSS.ext`, later by a second as often as needed.
#[must_use]
pub fn free(wanted: &str, taken: &TakenNames, now: DateTime<Utc>) -> String {
    if !taken.contains(wanted) {
        return wanted.to_owned();
    }
    (0..)
        .map(|seconds| stamped(wanted, now + Duration::seconds(seconds)))
        .find(|name| !taken.contains(name))
        .unwrap_or_else(|| wanted.to_owned())
}

/// Longest name we compose, in characters; providers accept 255.
const MAX_CHARS: usize = 255;

/// `original_name_YYYYMMDD_HHMMSS.ext`.
#[must_use]
pub fn stamped(name: &str, at: DateTime<Utc>) -> String {
    let (stem, extension) = split(name);
    let stamp = at.format("_%Y%m%d_%H%M%S");
    let tail = format!("{stamp}{extension}");
    let room = MAX_CHARS.saturating_sub(tail.chars().count());
    let stem: String = stem.chars().take(room).collect();
    format!("{stem}{tail}")
}

/// Stem and extension with its dot. A leading dot starts no extension, and neither does one before a space.
fn split(name: &str) -> (&str, &str) {
    match name.rfind('.') {
        Some(0) | None => (name, ""),
        Some(at) if name[at..].contains(' ') => (name, ""),
        Some(at) => name.split_at(at),
    }
}

/// Whether a provider stored the name we wanted. Normalisation may differ, nothing else.
#[must_use]
pub fn is_same(wanted: &str, stored: &str) -> bool {
    wanted.nfc().eq(stored.nfc())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noon() -> DateTime<Utc> {
        "2026-01-02T03:04:05Z".parse().expect("a time")
    }

    #[test]
    fn taken_name_gets_a_stamp_before_its_extension() {
        for (name, expected) in [
            ("plan.pdf", "plan_20260102_030405.pdf"),
            ("archive.tar.gz", "archive.tar_20260102_030405.gz"),
            ("README", "README_20260102_030405"),
            (".env", ".env_20260102_030405"),
            ("v1. final", "v1. final_20260102_030405"),
        ] {
            assert_eq!(stamped(name, noon()), expected);
        }
    }

    #[test]
    fn free_name_steps_a_second_until_nothing_is_taken() {
        let mut taken = TakenNames::default();
        assert_eq!(free("a.txt", &taken, noon()), "a.txt");
        for _ in 0..3 {
            let name = free("a.txt", &taken, noon());
            assert!(taken.insert(&name));
        }
        assert!(taken.contains("A_20260102_030406.TXT"));
    }

    #[test]
    fn long_name_keeps_its_extension_and_stays_within_the_limit() {
        let name = format!("{}.pdf", "ü".repeat(251));
        let stamped = stamped(&name, noon());
        assert_eq!(stamped.chars().count(), MAX_CHARS);
        assert!(stamped.ends_with("_20260102_030405.pdf"));
    }

    #[test]
    fn composed_and_decomposed_names_are_the_same() {
        assert!(is_same("u\u{308}", "ü"));
        assert!(!is_same("a", "A"));
    }
}
