//! The roles of the ERP that exist, as far as the settings know them.

use std::collections::BTreeSet;

use service::config::account::Books;

use crate::Error;

/// The word that stands for "ask a person" in the settings.
const REVIEW: &str = "review";

/// The roles that the table gives to somebody, and `default_role`; each once, in the order of the alphabet.
#[must_use]
pub fn of(books: &Books) -> Vec<String> {
    each_once(books.roles.values().chain(&books.default_role).map(String::as_str))
}

/// The role that somebody has typed, as it stands in the settings.
///
/// # Errors
/// [`Error::UnknownRole`].
pub(crate) fn named(account: &str, books: &Books, typed: &str) -> Result<String, Error> {
    let roles = of(books);
    match among(&roles, typed) {
        Some(role) => Ok(role.to_owned()),
        None => Err(Error::UnknownRole { role: typed.trim().to_owned(), account: account.to_owned(), roles }),
    }
}

fn each_once<'r>(roles: impl Iterator<Item = &'r str>) -> Vec<String> {
    let named: BTreeSet<&str> = roles.map(str::trim).filter(|role| !role.is_empty() && *role != REVIEW).collect();
    named.into_iter().map(str::to_owned).collect()
}

/// The role of that name; whatever its case, where no two differ by it only.
fn among<'r>(roles: &'r [String], typed: &str) -> Option<&'r str> {
    let typed = typed.trim();
    let folded = typed.to_lowercase();
    let mut alike = roles.iter().filter(|role| role.to_lowercase() == folded);
    let exact = roles.iter().find(|role| *role == typed);
    let found = exact.or_else(|| alike.next().filter(|_| alike.next().is_none()));
    found.map(String::as_str)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_are_those_that_somebody_can_have() {
        assert_eq!(
            each_once(["sales", "boss", "review", " sales", "", "guest"].into_iter()),
            ["boss", "guest", "sales"]
        );
    }

    #[test]
    fn a_role_is_known_by_its_name_whatever_its_case() {
        let roles = ["Boss", "boss", "Sales"].map(str::to_owned);
        assert_eq!(among(&roles, " sales "), Some("Sales"));
        assert_eq!(among(&roles, "boss"), Some("boss"));
        assert_eq!(among(&roles, "BOSS"), None, "two are meant");
        assert_eq!(among(&roles, "chef"), None);
    }

    #[test]
    fn a_role_that_does_not_exist_is_refused_with_those_that_do() {
        let said = |roles: &[&str]| {
            let roles = roles.iter().map(|role| (*role).to_owned()).collect();
            Error::UnknownRole { role: "chef".to_owned(), account: "org-a".to_owned(), roles }.to_string()
        };
        assert_eq!(
            said(&["boss", "sales"]),
            "there is no role \"chef\"; the roles are boss, sales: [accounts.org-a.books.roles] and `default_role` name them"
        );
        assert!(said(&[]).ends_with("there are none yet: add some to [accounts.org-a.books.roles]"));
    }
}
