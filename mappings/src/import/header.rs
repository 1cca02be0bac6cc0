//! The first line of a file: by what its values are separated, and which column is which.

use super::file::fields;
use super::unreadable::Unreadable;

/// What a header must name beside `column`, for those whose does not.
pub(super) fn expected(column: &str) -> String {
    format!("`{column}` and one of `{USER}` and `{EMAIL}`, separated by commas, semicolons or tabs")
}

const USER: &str = "zoho_user_id";
const EMAIL: &str = "email";

/// What separates values, the likeliest last.
const SEPARATORS: [char; 3] = ['\t', ';', ','];

/// Which column is which.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) separator: char,
    pub(super) columns: usize,
    /// The one that says something of each person.
    pub(super) value: usize,
    pub(super) person: usize,
    /// Whether people are named by their addresses, not by their ids.
    pub(super) by_email: bool,
}

impl Header {
    /// The columns that a line names, `column` and one for people, whatever their order, their case and the spaces around
    /// them.
    pub(super) fn read(line: u64, text: &str, column: &'static str) -> Result<Self, Unreadable> {
        let count = |separator: &char| text.matches(*separator).count();
        let separator = SEPARATORS.into_iter().max_by_key(count).unwrap_or(',');
        let names = fields(text, separator).ok_or(Unreadable::UnclosedQuote { line })?;
        let names: Vec<String> = names.into_iter().map(|name| name.to_lowercase()).collect();
        let at = |wanted: &str| names.iter().position(|name| name == wanted);
        let (value, user, email) = (at(column), at(USER), at(EMAIL));
        let problems = problems(&names, column);
        match (value, user.or(email)) {
            (Some(value), Some(person)) if problems.is_empty() => {
                Ok(Header { separator, columns: names.len(), value, person, by_email: user.is_none() })
            }
            _ => Err(Unreadable::Header { line, problems, column }),
        }
    }
}

fn problems(names: &[String], column: &str) -> Vec<String> {
    let has = |wanted: &str| names.iter().any(|name| name == wanted);
    let mut problems = Vec::new();
    if !has(column) {
        problems.push(format!("the column `{column}` is missing"));
    }
    match (has(USER), has(EMAIL)) {
        (false, false) => problems.push(format!("a column `{USER}` or `{EMAIL}` is missing")),
        (true, true) => problems.push(format!("`{USER}` and `{EMAIL}` are both there, of which one is taken")),
        _ => {}
    }
    for (at, name) in names.iter().enumerate() {
        if name.is_empty() {
            problems.push(format!("column {} has no name", at + 1));
        } else if ![column, USER, EMAIL].contains(&name.as_str()) {
            problems.push(format!("the column `{name}` is unknown"));
        } else if names[..at].contains(name) {
            problems.push(format!("the column `{name}` is there twice"));
        }
    }
    problems
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const CONTACT: &str = "zoho_contact_id";

    fn refused(text: &str) -> String {
        Header::read(1, text, CONTACT).unwrap_err().to_string()
    }

    #[test]
    fn separators_are_found_by_the_header() {
        for separator in [',', ';', '\t'] {
            let header = Header::read(1, &format!("email{separator}\"Zoho_Contact_Id\" "), CONTACT).unwrap();
            let expected = Header { separator, columns: 2, value: 1, person: 0, by_email: true };
            assert_eq!(header, expected);
        }
        assert!(!Header::read(1, "zoho_contact_id,zoho_user_id", CONTACT).unwrap().by_email);
    }

    #[test]
    fn everything_that_is_wrong_with_a_header_is_said_at_once() {
        let said = refused("contact;email;email;zoho_user_id;");
        for problem in [
            "line 1: the column `zoho_contact_id` is missing",
            "`zoho_user_id` and `email` are both there",
            "the column `contact` is unknown",
            "the column `email` is there twice",
            "column 5 has no name",
            "expected a header with `zoho_contact_id`",
        ] {
            assert!(said.contains(problem), "{said}");
        }
        assert!(refused("zoho_contact_id").contains("a column `zoho_user_id` or `email` is missing"));
        assert!(refused("zoho_contact_id|email").contains("the column `zoho_contact_id|email` is unknown"));
        assert!(refused("zoho_contact_id,\"email").contains("does not close"));
    }
}
