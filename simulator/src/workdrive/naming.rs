//! Names as WorkDrive keeps them: decoding of sent names and the time in the name of a second one.

use percent_encoding::percent_decode_str;

use crate::clock::{Millis, instant};

/// The name of a new item whose name is taken: `name DD-MM-YYYY HH:MM:SS:mmm.ext` (zoho.md section 13).
pub(crate) fn suffixed(name: &str, at: Millis) -> String {
    let stamp = instant(at).format("%d-%m-%Y %H:%M:%S:%3f");
    match name.rsplit_once('.') {
        Some((stem, extension)) if !stem.is_empty() => format!("{stem} {stamp}.{extension}"),
        _ => format!("{name} {stamp}"),
    }
}

/// Undoes one layer of percent encoding if it is one. Clients encode once or twice and both work
/// (zoho.md section 3.7); so a name that holds a percent sign must be sent encoded twice.
pub(crate) fn decoded(name: &str) -> String {
    match percent_decode_str(name).decode_utf8() {
        Ok(decoded) => decoded.into_owned(),
        Err(_) => name.to_owned(),
    }
}

/// Without the full-width forms U+FF01 to U+FF5E, which may vanish on the way (zoho.md section 3.7).
pub(crate) fn without_full_width(name: &str) -> String {
    name.chars().filter(|letter| !('\u{FF01}'..='\u{FF5E}').contains(letter)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suffix_comes_before_the_extension() {
        assert_eq!(suffixed("plan.pdf", 1_768_471_500_123), "plan 15-01-2026 10:05:00:123.pdf");
        assert_eq!(suffixed("plan", 1_768_471_500_123), "plan 15-01-2026 10:05:00:123");
        assert_eq!(suffixed(".env", 1_768_471_500_123), ".env 15-01-2026 10:05:00:123");
    }

    #[test]
    fn encoded_names_come_out_the_same() {
        assert_eq!(decoded("a%20b.txt"), "a b.txt");
        assert_eq!(decoded("100%.txt"), "100%.txt");
        assert_eq!(decoded("grün.txt"), "grün.txt");
    }
}
