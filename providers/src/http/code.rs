//! Codes of errors as the other side writes them. They go into the log, into dead letters and onto screens, so they are
//! kept only as far as a code has to go.

/// Longest code that is kept. The longest that is documented anywhere has 50 characters.
const MOST_CHARACTERS: usize = 80;

/// What is printable of a code, at most 80 characters; `None` where nothing is left.
pub(crate) fn read(text: &str) -> Option<String> {
    // Whatever is neither a letter, a digit, a sign nor a space could hide or reorder what stands beside it.
    let is_printable =
        |character: &char| character.is_ascii_graphic() || character.is_alphanumeric() || *character == ' ';
    let code: String = text.trim().chars().filter(is_printable).take(MOST_CHARACTERS).collect();
    (!code.is_empty()).then_some(code)
}

/// The same, or a name for the status where there is no code.
pub(crate) fn or_status(text: Option<&str>, status: u16) -> String {
    text.and_then(read).unwrap_or_else(|| format!("status_{status}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_short_and_printable() {
        assert_eq!(or_status(Some("INVALID_DATA"), 400), "INVALID_DATA");
        assert_eq!(or_status(Some("a\u{1b}[31mb\r\n\u{202e}c"), 400), "a[31mbc");
        assert_eq!(or_status(Some(&"x".repeat(1 << 20)), 400).len(), MOST_CHARACTERS);
        assert_eq!(or_status(Some("ü"), 400), "ü");
        for nothing in [None, Some(""), Some(" \n\u{0}")] {
            assert_eq!(or_status(nothing, 418), "status_418");
        }
    }
}
