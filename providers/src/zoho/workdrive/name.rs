//! When two names are the same.

use caseless::canonical_caseless_match_str;
use unicode_normalization::{UnicodeNormalization, is_nfc};

/// Whether two names are the same to the people who type them: regardless of case, by full Unicode case folding
/// (`STRASSE` is `Straße`), and of how accents are composed.
#[must_use]
pub fn names_match(a: &str, b: &str) -> bool {
    a == b || canonical_caseless_match_str(a, b)
}

/// Whether two names are the same text after Unicode normalisation (NFC). Case counts.
#[must_use]
pub fn nfc_eq(a: &str, b: &str) -> bool {
    if a == b {
        return true;
    }
    if is_nfc(a) && is_nfc(b) {
        return false;
    }
    a.nfc().eq(b.nfc())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_and_composition_do_not_distinguish_names() {
        assert!(names_match("STRASSE 5", "Straße 5"));
        assert!(names_match("Café", "CAFE\u{301}"));
        assert!(names_match("ΑΣ", "ας"));
        assert!(!names_match("Alpha 17", "Alpha 170"));
        assert!(!names_match("Alpha", "Alpha "));
    }

    #[test]
    fn nfc_eq_ignores_composition_only() {
        assert!(nfc_eq("Café", "Cafe\u{301}"));
        assert!(!nfc_eq("Café", "café"));
    }
}
