//! Messages as lines: `[2024-01-15 14:30:25] John Doe: Hello team`.
//!
//! A line begins with a bracket only where a message begins: further lines of the same message are indented by four
//! spaces. Whatever people write or call themselves, nobody can make a line that looks like another's.

use std::collections::BTreeMap;

use catalogue::message::Attachment;
use chrono_tz::Tz;

use super::batch::Kind;
use super::unread::Said;

/// What begins every further line of a message.
const INDENT: &str = "\n    ";

/// Writes the line of a message, with times in a zone. Mentions are written by the names that are known.
pub(super) fn line(said: &Said, timezone: Tz, names: &BTreeMap<String, String>) -> String {
    let time = said.time.with_timezone(&timezone).format("%Y-%m-%d %H:%M:%S");
    let thread = if said.in_thread { "(in thread) " } else { "" };
    let content = match said.kind {
        Kind::Message => content(said, names),
        Kind::Edit => format!("(edited) {}", text(&said.text, names)),
        Kind::Deletion => "(deleted)".to_owned(),
    };
    format!("[{time}] {}: {thread}{content}", name(&said.sender.name)).trim_end().to_owned()
}

/// The text, after what was attached.
fn content(said: &Said, names: &BTreeMap<String, String>) -> String {
    let text = text(&said.text, names);
    match &said.attachment {
        Some(attached) if text.is_empty() => attachment(attached),
        Some(attached) => format!("{} {text}", attachment(attached)),
        None if text.is_empty() => format!("({})", without_text(&said.content_type)),
        None => text,
    }
}

/// What stands for a message that says nothing in words.
fn without_text(content_type: &str) -> String {
    match on_one_line(content_type).as_str() {
        "" | "text" => "no text".to_owned(),
        other => other.to_owned(),
    }
}

fn attachment(attached: &Attachment) -> String {
    let name = match on_one_line(&attached.name) {
        name if name.is_empty() => "without a name".to_owned(),
        name => name,
    };
    match attached.bytes {
        Some(bytes) => format!("[file: {name} ({})]", size(bytes)),
        None => format!("[file: {name}]"),
    }
}

/// A length as people say it, in units of a thousand.
fn size(bytes: u64) -> String {
    let rounded = |unit: u64| bytes.saturating_add(unit / 2) / unit;
    match bytes {
        0..1_000 => format!("{bytes} B"),
        1_000..999_500 => format!("{} KB", rounded(1_000)),
        999_500..999_500_000 => format!("{} MB", rounded(1_000_000)),
        _ => format!("{} GB", rounded(1_000_000_000)),
    }
}

/// Who speaks. A colon ends the name in a line, so there is none in it.
fn name(text: &str) -> String {
    match on_one_line(text).replace(':', ";") {
        name if name.is_empty() => "unknown".to_owned(),
        name => name,
    }
}

/// Words with single spaces between.
fn on_one_line(text: &str) -> String {
    let spaced: String = text.chars().map(|one| if is_break(one) || is_control(one) { ' ' } else { one }).collect();
    spaced.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// What was written, its further lines indented.
fn text(text: &str, names: &BTreeMap<String, String>) -> String {
    let mut plain = String::with_capacity(text.len());
    for one in mentions(&text.replace("\r\n", "\n"), names).chars() {
        match one {
            '\t' => plain.push_str("    "),
            one if is_break(one) => plain.push('\n'),
            one if is_control(one) => plain.push(char::REPLACEMENT_CHARACTER),
            one => plain.push(one),
        }
    }
    plain.trim_start_matches('\n').trim_end().replace('\n', INDENT)
}

/// Ends a line, for one program or another.
fn is_break(one: char) -> bool {
    matches!(one, '\n' | '\r' | '\u{b}' | '\u{c}' | '\u{85}' | '\u{2028}' | '\u{2029}')
}

/// Has no shape of its own, and may change that of others: control characters, and those that turn the direction of text.
fn is_control(one: char) -> bool {
    one.is_control() || matches!(one, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Writes `{@64396901}` as `@Ann` where the name is known.
fn mentions(text: &str, names: &BTreeMap<String, String>) -> String {
    let mut written = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("{@") {
        written.push_str(before);
        let known = after.split_once('}').and_then(|(id, behind)| Some((names.get(id)?, behind)));
        match known {
            Some((who, behind)) => {
                written.push('@');
                written.push_str(&on_one_line(who));
                rest = behind;
            }
            None => {
                written.push_str("{@");
                rest = after;
            }
        }
    }
    written.push_str(rest);
    written
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use catalogue::message::Sender;
    use proptest::prelude::*;

    use super::*;

    fn said(name: &str, text: &str) -> Said {
        Said {
            position: 1,
            kind: Kind::Message,
            message_id: "1705329025000_1".to_owned(),
            time: "2024-01-15T14:30:25Z".parse().unwrap(),
            sender: Sender { id: Some("1".to_owned()), name: name.to_owned() },
            text: text.to_owned(),
            content_type: "text".to_owned(),
            attachment: None,
            in_thread: false,
        }
    }

    fn written(said: &Said) -> String {
        line(said, Tz::UTC, &BTreeMap::new())
    }

    fn file(name: &str, bytes: Option<u64>) -> Option<Attachment> {
        Some(Attachment { name: name.to_owned(), mime_type: None, bytes })
    }

    #[test]
    fn message_is_a_line() {
        assert_eq!(written(&said("John Doe", "Hello team")), "[2024-01-15 14:30:25] John Doe: Hello team");
        assert_eq!(written(&said("John Doe", "a\n\nb\n")), "[2024-01-15 14:30:25] John Doe: a\n    \n    b");
        assert_eq!(written(&said("", "")), "[2024-01-15 14:30:25] unknown: (no text)");
        let card = Said { content_type: "card".to_owned(), ..said("Ann", " ") };
        assert_eq!(written(&card), "[2024-01-15 14:30:25] Ann: (card)");
    }

    #[test]
    fn time_is_that_of_the_zone_also_where_the_clocks_change() {
        for (utc, local) in [
            ("2024-03-31T00:59:59Z", "2024-03-31 01:59:59"),
            ("2024-03-31T01:00:00Z", "2024-03-31 03:00:00"),
            ("2024-10-27T00:30:00Z", "2024-10-27 02:30:00"),
            ("2024-10-27T01:30:00Z", "2024-10-27 02:30:00"),
        ] {
            let said = Said { time: utc.parse().unwrap(), ..said("Ann", "hi") };
            let line = line(&said, Tz::Europe__Berlin, &BTreeMap::new());
            assert_eq!(line, format!("[{local}] Ann: hi"));
        }
    }

    #[test]
    fn attachment_comes_before_its_comment() {
        let with = |attachment, text| written(&Said { attachment, ..said("Ann", text) });
        assert_eq!(with(file("a.png", Some(12_345)), "see"), "[2024-01-15 14:30:25] Ann: [file: a.png (12 KB)] see");
        assert_eq!(with(file("a\nb.png", None), ""), "[2024-01-15 14:30:25] Ann: [file: a b.png]");
        assert_eq!(with(file("", Some(7)), ""), "[2024-01-15 14:30:25] Ann: [file: without a name (7 B)]");
        assert_eq!(
            [999, 1_000, 999_499, 999_500, 2_600_000_000].map(size),
            ["999 B", "1 KB", "999 KB", "1 MB", "3 GB"]
        );
    }

    #[test]
    fn edits_deletions_and_threads_say_so() {
        let edit = Said { kind: Kind::Edit, in_thread: true, ..said("Ann", "better") };
        assert_eq!(written(&edit), "[2024-01-15 14:30:25] Ann: (in thread) (edited) better");
        let deletion = Said { kind: Kind::Deletion, ..said("Ann", "") };
        assert_eq!(written(&deletion), "[2024-01-15 14:30:25] Ann: (deleted)");
    }

    #[test]
    fn mention_is_a_name_where_it_is_known() {
        let names = BTreeMap::from([("7".to_owned(), "Bob\nB".to_owned())]);
        let written = line(&said("Ann", "{@7}, {@8} {@ {@7"), Tz::UTC, &names);
        assert_eq!(written, "[2024-01-15 14:30:25] Ann: @Bob B, {@8} {@ {@7");
    }

    #[test]
    fn nobody_can_write_the_line_of_somebody_else() {
        let forged = "[2024-01-15 14:30:26] Boss: pay them";
        for line_break in ["\n", "\r\n", "\r", "\u{b}", "\u{c}", "\u{85}", "\u{2028}", "\u{2029}"] {
            let line = written(&said("Eve", &format!("hi{line_break}{forged}")));
            assert_eq!(line, format!("[2024-01-15 14:30:25] Eve: hi\n    {forged}"));
        }
        let line = written(&said(&format!("Eve: hi\n{forged}"), "hm"));
        assert_eq!(line, "[2024-01-15 14:30:25] Eve; hi [2024-01-15 14;30;26] Boss; pay them: hm");
        assert_eq!(
            written(&said("Eve", "a\0b\u{1b}[2K\u{202e}c")),
            "[2024-01-15 14:30:25] Eve: a\u{fffd}b\u{fffd}[2K\u{fffd}c"
        );
    }

    /// Who speaks, and what the message says by a line; `None` when it is no line of one message.
    fn parsed(line: &str) -> Option<(String, String)> {
        let (first, rest) = line.split_once('\n').map_or((line, None), |(first, rest)| (first, Some(rest)));
        let (name, text) = first.get(22..)?.split_once(": ")?;
        let mut text = text.to_owned();
        for further in rest.into_iter().flat_map(|rest| rest.split('\n')) {
            text.push('\n');
            text.push_str(further.strip_prefix("    ")?);
        }
        Some((name.to_owned(), text))
    }

    proptest! {
        #[test]
        fn every_line_parses_back_to_who_said_what(name in "\\PC{1,12}|[ -~]{1,12}", words in proptest::collection::vec("[ -~\n\r\t\u{85}\u{2028}äß]{0,9}", 0..6)) {
            let text: String = words.concat();
            let line = written(&said(&name, &text));
            let (who, what) = parsed(&line).expect("the line of one message");
            prop_assert!(!who.contains(':'));
            let normal = |text: &str| text.chars().filter(|one| !one.is_whitespace()).collect::<String>();
            prop_assert_eq!(normal(&who), match normal(&super::name(&name)) { empty if empty.is_empty() => "unknown".to_owned(), name => name });
            let expected = normal(&text);
            prop_assert_eq!(normal(&what), if expected.is_empty() { "(notext)".to_owned() } else { expected });
            let has_breaks = line.contains(['\r', '\u{85}', '\u{2028}', '\u{2029}', '\t']);
            prop_assert!(!has_breaks);
            prop_assert!(line.split('\n').skip(1).all(|further| further.starts_with("    ")));
        }
    }
}
