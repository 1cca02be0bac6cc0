//! A file as it is read: bounded, in UTF-8, one line after the other.

use std::io::{BufRead, BufReader, Read};

use super::header::Header;
use super::unreadable::Unreadable;
use super::{LONGEST_LINE_BYTES, MOST_LINES};

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// What a file of one sort says of people.
#[derive(Debug)]
pub(super) struct Sort {
    /// The column that says it.
    pub(super) column: &'static str,
    /// What is wrong with a line that has nothing there.
    pub(super) without_value: &'static str,
    /// What is wrong with a line that names nobody.
    pub(super) without_person: &'static str,
}

/// A file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Contents {
    /// Whether it began with a byte-order mark, which was left out.
    pub(super) byte_order_mark: bool,
    pub(super) lines: Vec<Line>,
}

/// One line that says something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Line {
    /// Its number in the file, from 1.
    pub(super) number: u64,
    /// What it says of the person.
    pub(super) value: String,
    pub(super) person: Person,
}

/// How a line names a person.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Person {
    /// By the id of a user of Books.
    User(String),
    /// By an address, in lower case.
    Email(String),
    /// Not at all, or says nothing of them: this is wrong with the line.
    Broken(String),
}

/// Reads a file with a header to its end; blocks as the reader does. Lines without any value are left out.
///
/// # Errors
/// The first reason for which it cannot be understood.
pub(super) fn read(input: impl Read, sort: &Sort) -> Result<Contents, Unreadable> {
    let mut texts = Texts { input: BufReader::new(input), number: 0, byte_order_mark: false };
    let Some(first) = texts.next_filled()? else { return Err(Unreadable::Empty { column: sort.column }) };
    let header = Header::read(texts.number, &first, sort.column)?;
    let mut lines = Vec::new();
    while let Some(text) = texts.next_filled()? {
        let number = texts.number;
        let values = fields(&text, header.separator).ok_or(Unreadable::UnclosedQuote { line: number })?;
        if values.iter().all(String::is_empty) {
            continue;
        }
        if lines.len() == MOST_LINES {
            return Err(Unreadable::TooManyLines);
        }
        lines.push(line(number, sort, &header, &values));
    }
    Ok(Contents { byte_order_mark: texts.byte_order_mark, lines })
}

/// The values of one line without the spaces around them; none where a quote does not close.
pub(super) fn fields(text: &str, separator: char) -> Option<Vec<String>> {
    let text = format!("{text}\n");
    let delimiter = u8::try_from(separator).expect("separators are ASCII");
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .delimiter(delimiter)
        .terminator(csv::Terminator::Any(b'\n'))
        .buffer_capacity(text.len())
        .from_reader(text.as_bytes());
    let mut record = csv::StringRecord::new();
    reader.read_record(&mut record).expect("one record of UTF-8 in memory can be read");
    // The end of the line belongs to a value only if that is still open.
    let is_open = record.iter().next_back().is_some_and(|value| value.ends_with('\n'));
    (!is_open).then(|| record.iter().map(|value| value.trim().to_owned()).collect())
}

fn line(number: u64, sort: &Sort, header: &Header, values: &[String]) -> Line {
    let value = values.get(header.value).cloned().unwrap_or_default();
    let person = match values.get(header.person) {
        _ if values.len() != header.columns => {
            Person::Broken(format!("the header has {} columns, this line {}", header.columns, values.len()))
        }
        _ if value.is_empty() => Person::Broken(sort.without_value.to_owned()),
        Some(person) if !person.is_empty() && header.by_email => Person::Email(person.to_lowercase()),
        Some(person) if !person.is_empty() => Person::User(person.clone()),
        _ => Person::Broken(sort.without_person.to_owned()),
    };
    Line { number, value, person }
}

/// The lines of a file as text.
struct Texts<R> {
    input: BufReader<R>,
    /// Of the line that was read last.
    number: u64,
    byte_order_mark: bool,
}

impl<R: Read> Texts<R> {
    /// The next line that is not blank, without its end.
    fn next_filled(&mut self) -> Result<Option<String>, Unreadable> {
        while let Some(text) = self.next()? {
            if !text.trim().is_empty() {
                return Ok(Some(text));
            }
        }
        Ok(None)
    }

    fn next(&mut self) -> Result<Option<String>, Unreadable> {
        let mut bytes = Vec::new();
        let most = LONGEST_LINE_BYTES + BYTE_ORDER_MARK.len() + b"\r\n".len() + 1;
        self.input.by_ref().take(most as u64).read_until(b'\n', &mut bytes)?;
        if bytes.is_empty() {
            return Ok(None);
        }
        self.number += 1;
        let line = self.number;
        let mut text = bytes.as_slice();
        if line == 1 && text.starts_with(BYTE_ORDER_MARK) {
            self.byte_order_mark = true;
            text = &text[BYTE_ORDER_MARK.len()..];
        }
        text = text.strip_suffix(b"\n").map_or(text, |text| text.strip_suffix(b"\r").unwrap_or(text));
        if text.len() > LONGEST_LINE_BYTES {
            return Err(Unreadable::TooLong { line });
        }
        let text = std::str::from_utf8(text).map_err(|_| Unreadable::NotUtf8 { line })?;
        match text.chars().find(|one| one.is_control() && *one != '\t') {
            Some('\0') => Err(Unreadable::Nul { line }),
            Some(character) => Err(Unreadable::Control { line, character }),
            None => Ok(Some(text.to_owned())),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const HEADER: &str = "zoho_contact_id,email\n";
    const SORT: Sort = Sort {
        column: "zoho_contact_id",
        without_value: "no customer is named",
        without_person: "no salesperson is named",
    };

    fn read(input: impl Read) -> Result<Contents, Unreadable> {
        super::read(input, &SORT)
    }

    fn refused(bytes: &[u8]) -> String {
        read(bytes).unwrap_err().to_string()
    }

    fn after_header(rest: &[u8]) -> Vec<u8> {
        [HEADER.as_bytes(), rest].concat()
    }

    #[test]
    fn windows_files_are_read_like_others() {
        let plain = read(&b"zoho_contact_id;email\n7;Ann@Example.com\n8;bob@example.com\n"[..]).unwrap();
        let windows = b"\xef\xbb\xbfzoho_contact_id;email\r\n\"7\";  \"ann@example.com\"\r\n8 ;bob@example.com";
        let windows = read(&windows[..]).unwrap();
        assert!(windows.byte_order_mark && !plain.byte_order_mark);
        // A quote after a space is a part of the value.
        assert_eq!(windows.lines[0].person, Person::Email("\"ann@example.com\"".to_owned()));
        assert_eq!(windows.lines[1], plain.lines[1]);
        assert_eq!(plain.lines[0].person, Person::Email("ann@example.com".to_owned()));
    }

    #[test]
    fn numbers_of_lines_count_what_is_left_out() {
        let file = read(&b"\n\nzoho_contact_id,email\n\n , \n7,a@b.c\n,,\n"[..]).unwrap();
        assert_eq!(file.lines.iter().map(|line| line.number).collect::<Vec<_>>(), [6]);
    }

    #[test]
    fn lines_that_say_too_little_or_too_much_are_kept_with_what_is_wrong() {
        let file = read(after_header(b"7\n7,a@b.c,x\n,a@b.c\n7,\n").as_slice()).unwrap();
        let reasons = file.lines.iter().map(|line| match &line.person {
            Person::Broken(reason) => reason.as_str(),
            other => panic!("{other:?}"),
        });
        let reasons: Vec<&str> = reasons.collect();
        assert_eq!(
            reasons,
            [
                "the header has 2 columns, this line 1",
                "the header has 2 columns, this line 3",
                SORT.without_value,
                SORT.without_person
            ]
        );
    }

    #[test]
    fn what_is_no_text_is_named_with_its_line() {
        for (bytes, says) in [
            (&b"7,\xff@b.c\n"[..], "line 2 is not UTF-8"),
            (b"7,a@b.c\n8,a\0@b.c\n", "line 3 has a NUL character"),
            (b"7,a@b.c\r8,a@b.c\n", "line 2 has the control character U+000D"),
            (b"7,a@b.c\n8,\"a@b.c\n9,a@b.c\n", "line 3 has a quote that does not close"),
            (b"7,\"a@b.c\"\"", "line 2 has a quote that does not close"),
        ] {
            let said = refused(&after_header(bytes));
            assert!(said.contains(says), "{said}");
        }
        let utf_16: Vec<u8> = HEADER.encode_utf16().flat_map(u16::to_le_bytes).collect();
        assert!(refused(&utf_16).contains("line 1 has a NUL character"));
        assert!(refused(b"").contains("the file is empty"));
        assert!(refused(b"\xef\xbb\xbf \r\n").contains("the file is empty"));
    }

    #[test]
    fn lengths_are_bounded() {
        let longest =
            |spare: usize| after_header(format!("7,{}\r\n", "a".repeat(LONGEST_LINE_BYTES - spare)).as_bytes());
        assert_eq!(read(longest(2).as_slice()).unwrap().lines.len(), 1);
        assert!(refused(&longest(1)).contains("line 2 is longer than 4096 bytes"));
        let endless = std::io::repeat(b'x');
        assert!(matches!(read(endless), Err(Unreadable::TooLong { line: 1 })));
        let lines = |count: usize| after_header("7,a@b.c\n".repeat(count).as_bytes());
        assert_eq!(read(lines(MOST_LINES).as_slice()).unwrap().lines.len(), MOST_LINES);
        assert!(matches!(read(lines(MOST_LINES + 1).as_slice()), Err(Unreadable::TooManyLines)));
    }
}
