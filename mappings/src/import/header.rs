//! The first line of a file: by what its values are separated, and which column is which.

use super::file::fields;
use super::unreadable::Unreadable;

/// What a header must name, for those whose does not.
pub(super) const EXPECTED: &str =
    "`zoho_contact_id` and one of `zoho_user_id` and `email`, separated by commas, semicolons or tabs";

const CONTACT: &str = "zoho_contact_id";
const USER: &str = "zoho_user_id";
const EMAIL: &str = "email";

/// What separates values, the likeliest last.
const SEPARATORS: [char; 3] = ['\t', ';', ','];

/// Which column is which.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) separator: char,
    pub(super) columns: usize,
    pub(super) contact: usize,
    pub(super) person: usize,
    /// Whether salespeople are named by their addresses, not by their ids.
    pub(super) by_email: bool,
}

impl Header {
    /// The columns that a line names, whatever their order, their case and the spaces around them.
    pub(super) fn read(line: u64, text: &str) -> Result<Self, Unreadable> {
        let count = |separator: &char| text.matches(*separator).count();
        let separator = SEPARATORS.into_iter().max_by_key(count).unwrap_or(',');
        let names = fields(text, separator).ok_or(Unreadable::UnclosedQuote { line })?;
        let names: Vec<String> = names.into_iter().map(|name| name.to_lowercase()).collect();
        let at = |wanted: &str| names.iter().position(|name| name == wanted);
        let (contact, user, email) = (at(CONTACT), at(USER), at(EMAIL));
        let problems = problems(&names);
        match (contact, user.or(email)) {
            (Some(contact), Some(person)) if problems.is_empty() => {
                Ok(Header { separator, columns: names.len(), contact, person, by_email: user.is_none() })
            }
            _ => Err(Unreadable::Header { line, problems }),
        }
    }
}

fn problems(names: &[String]) -> Vec<String> {
    let has = |wanted: &str| names.iter().any(|name| name == wanted);
    let mut problems = Vec::new();
    if !has(CONTACT) {
        problems.push(format!("the column `{CONTACT}` is missing"));
    }
    match (has(USER), has(EMAIL)) {
        (false, false) => problems.push(format!("a column `{USER}` or `{EMAIL}` is missing")),
        (true, true) => problems.push(format!("`{USER}` and `{EMAIL}` are both there, of which one is taken")),
        _ => {}
    }
    for (at, name) in names.iter().enumerate() {
        if name.is_empty() {
            problems.push(format!("column {} has no name", at + 1));
        } else if ![CONTACT, USER, EMAIL].contains(&name.as_str()) {
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

    fn refused(text: &str) -> String {
        Header::read(1, text).unwrap_err().to_string()
    }

    #[test]
    fn separators_are_found_by_the_header() {
        for separator in [',', ';', '\t'] {
            let header = Header::read(1, &format!("email{separator}\"Zoho_Contact_Id\" ")).unwrap();
            let expected = Header { separator, columns: 2, contact: 1, person: 0, by_email: true };
            assert_eq!(header, expected);
        }
        assert!(!Header::read(1, "zoho_contact_id,zoho_user_id").unwrap().by_email);
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
