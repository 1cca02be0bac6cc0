//! Users and customers of Books, and what roles mean.

use std::time::Duration;

use service::config::Schedule;

use crate::place::Place;

const ACCOUNT: &str = "[accounts.a]\nprovider = 'zoho'\nclient_id = '1'\nclient_secret = 's'\n";

fn lines_of(text: &str) -> Vec<String> {
    let problems = Place::with_file(text).load().unwrap_err();
    problems.problems().iter().map(|problem| problem.message.clone()).collect()
}

#[test]
fn nothing_of_books_is_followed_unless_it_is_said() {
    let config = Place::with_file(ACCOUNT).load().unwrap();
    assert_eq!(config.accounts["a"].books, None);
}

#[test]
fn an_organisation_is_enough_and_unknown_roles_are_for_a_person() {
    let config = Place::with_file(&format!("{ACCOUNT}books.organization_id = '10'\n")).load().unwrap();
    let books = config.accounts["a"].books.clone().unwrap();
    assert_eq!(books.schedule, Schedule::Every(Duration::from_secs(86_400)));
    assert_eq!((books.organization_id.as_str(), books.contact_type.as_str()), ("10", "customer"));
    assert_eq!(books.full_every, Duration::from_secs(7 * 86_400));
    assert_eq!(books.role_of(Some("admin")), None);
}

#[test]
fn roles_are_found_whatever_their_case_and_others_have_the_default() {
    let config = Place::with_file(&format!(
        "{ACCOUNT}[accounts.a.books]\norganization_id = '10'\ndefault_role = 'guest'
        [accounts.a.books.roles]\n'Sales Executive' = 'sales'\nadmin = 'review'"
    ));
    let books = config.load().unwrap().accounts["a"].books.clone().unwrap();
    assert_eq!(books.role_of(Some(" sales EXECUTIVE ")), Some("sales"));
    assert_eq!((books.role_of(Some("staff")), books.role_of(None)), (Some("guest"), Some("guest")));
    assert_eq!(books.role_of(Some("admin")), None, "a role may be for a person although others are not");
}

#[test]
fn what_cannot_be_is_said_with_the_key() {
    assert_eq!(
        lines_of(&format!(
            "{ACCOUNT}[accounts.a.books]\ncontact_type = 'lead'\nfull_every_days = 0\nroles = {{ admin = 1 }}"
        )),
        [
            "`accounts.a.books.contact_type` is none of `customer`, `vendor`",
            "`accounts.a.books.full_every_days` must be from 1 to 365",
            "`accounts.a.books.organization_id` is missing; take it from the organisation's profile in Books",
            "`accounts.a.books.roles.admin` is a whole number here; expected a text in quotes",
        ]
    );
}
