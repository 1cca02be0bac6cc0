//! Why a file cannot be understood.

use super::{LONGEST_LINE_BYTES, MOST_LINES};

/// Why a file cannot be understood, so that none of its lines was looked at. Whoever made it must correct it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Unreadable {
    /// It has no line that says something.
    #[error("the file is empty; expected a header with {}", super::header::expected(column))]
    Empty {
        /// The column that it needs beside the one for people.
        column: &'static str,
    },
    /// Its first line does not name the columns that are needed, or names others.
    #[error("line {line}: {}; expected a header with {}", problems.join(", "), super::header::expected(column))]
    Header {
        /// The line, from 1.
        line: u64,
        /// Everything that is wrong with it.
        problems: Vec<String>,
        /// The column that it needs beside the one for people.
        column: &'static str,
    },
    /// Bytes that are no text.
    #[error("line {line} is not UTF-8; save the file as CSV in UTF-8")]
    NotUtf8 {
        /// The line, from 1.
        line: u64,
    },
    /// A character that no text has.
    #[error("line {line} has a NUL character; the file is damaged, or is in UTF-16: save it as CSV in UTF-8")]
    Nul {
        /// The line, from 1.
        line: u64,
    },
    /// A character that has no place in a value.
    #[error("line {line} has the control character U+{:04X}; lines end in LF or CRLF", u32::from(*character))]
    Control {
        /// The line, from 1.
        line: u64,
        /// The character.
        character: char,
    },
    /// A line that is longer than [`LONGEST_LINE_BYTES`].
    #[error("line {line} is longer than {LONGEST_LINE_BYTES} bytes")]
    TooLong {
        /// The line, from 1.
        line: u64,
    },
    /// A value that begins with a quote and does not end with one in its line.
    #[error("line {line} has a quote that does not close; a value cannot go on in the next line")]
    UnclosedQuote {
        /// The line, from 1.
        line: u64,
    },
    /// More lines than [`MOST_LINES`].
    #[error("the file has more than {MOST_LINES} lines; split it")]
    TooManyLines,
    /// It could not be read to its end.
    #[error("the file cannot be read")]
    Io(#[from] std::io::Error),
}
