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

/// The same for names that are one to people, and may be one to a provider.
pub(crate) fn comparable(name: &str) -> String {
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

/// Whether the name carries our stamp.
#[must_use]
pub fn is_stamped(name: &str) -> bool {
    let (stem, _) = split(name);
    let shape: String = stem.chars().rev().take(16).map(|one| if one.is_ascii_digit() { '0' } else { one }).collect();
    shape == "000000_00000000_"
}

/// The name as an upload can carry it: control characters do not fit the form. They are put back by renaming.
#[must_use]
pub fn sendable(name: &str) -> String {
    name.chars().map(|one| if one.is_control() { '_' } else { one }).collect()
}

/// Whether a stored name may be what became of `wanted`: the same, with a stamp of ours or a suffix of the provider's
/// before its extension, or as it was sent, without the full-width characters that the provider drops on upload.
#[must_use]
pub fn may_be(wanted: &str, stored: &str) -> bool {
    let sent = sendable(wanted);
    let kept = without_full_width(&sent);
    [wanted, &sent, &kept]
        .into_iter()
        .filter(|name| !name.is_empty())
        .any(|name| is_same(name, stored) || has_suffix(name, stored))
}

/// `stem SUFFIX.ext` for a wanted `stem.ext`, where SUFFIX is a time or a counter: digits and what stands between them.
/// A stem that was cut to make room for the suffix counts too.
#[must_use]
pub fn has_suffix(wanted: &str, stored: &str) -> bool {
    let (stem, extension) = split(wanted);
    let Some(rest) = stored.strip_suffix(extension) else { return false };
    let common: usize = stem.chars().zip(rest.chars()).take_while(|(a, b)| a == b).count();
    let was_cut = common >= MAX_CHARS / 2 && stored.chars().count() >= MAX_CHARS - LONGEST_SUFFIX;
    if common < stem.chars().count() && !was_cut {
        return false;
    }
    let suffix: Vec<char> = rest.chars().skip(common).collect();
    suffix.len() <= LONGEST_SUFFIX
        && suffix.first().is_some_and(|first| !first.is_ascii_digit())
        && suffix.iter().any(char::is_ascii_digit)
        && suffix.iter().all(|one| one.is_ascii_digit() || " _-:.()".contains(*one))
}

/// The provider's own: a space, `DD-MM-YYYY HH:MM:SS:mmm`, and room for brackets.
const LONGEST_SUFFIX: usize = 30;

fn without_full_width(name: &str) -> String {
    name.chars().filter(|one| !('\u{ff00}'..='\u{ffef}').contains(one)).collect()
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
    fn stored_name_is_recognised_with_our_stamp_and_with_the_providers_suffix() {
        for stored in
            ["plan.pdf", "plan_20260102_030405.pdf", "plan 02-01-2026 03:04:05:678.pdf", "plan (1).pdf", "plan_1.pdf"]
        {
            assert!(may_be("plan.pdf", stored), "{stored}");
        }
        for other in ["plan2.pdf", "plan.txt", "plan b.pdf", "planning_1.pdf", "pla_1.pdf", "plan_.pdf"] {
            assert!(!may_be("plan.pdf", other), "{other}");
        }
        assert!(may_be("\u{ff21}plan.pdf", "plan.pdf"));
        assert!(may_be("pl\u{1}an.pdf", "pl_an_20260102_030405.pdf"));
    }

    #[test]
    fn long_name_is_recognised_after_its_stem_was_cut_for_the_stamp() {
        let name = format!("{}.pdf", "a".repeat(251));
        assert!(may_be(&name, &stamped(&name, noon())));
        assert!(!may_be(&name, "aaaa_20260102_030405.pdf"));
    }

    #[test]
    fn our_stamp_is_told_from_other_suffixes() {
        assert!(is_stamped("plan_20260102_030405.pdf"));
        assert!(is_stamped("_20260102_030405"));
        assert!(!is_stamped("plan 02-01-2026 03:04:05:678.pdf"));
        assert!(!is_stamped("20260102_030405"));
    }

    #[test]
    fn hostile_names_are_composed_without_panic_and_keep_their_text() {
        for name in ["..", ".", "/", "a/b.txt", "a\u{0}b.txt", "trailing.", "trailing ", "\u{202e}fdp.exe", "...", "é."]
        {
            let stamped = stamped(name, noon());
            assert!(is_stamped(&stamped), "{name:?} gave {stamped:?}");
            assert!(may_be(name, &stamped), "{name:?} gave {stamped:?}");
        }
    }

    #[test]
    fn names_that_differ_only_in_case_or_composition_do_not_meet() {
        let mut taken = TakenNames::default();
        assert!(taken.insert("Ümlaut.txt"));
        for name in ["ümlaut.TXT", "U\u{308}mlaut.txt"] {
            let free = free(name, &taken, noon());
            assert!(is_stamped(&free), "{free}");
            assert!(taken.insert(&free));
        }
    }

    #[test]
    fn composed_and_decomposed_names_are_the_same() {
        assert!(is_same("u\u{308}", "ü"));
        assert!(!is_same("a", "A"));
    }
}
