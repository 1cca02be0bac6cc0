//! `/control/organizations/{name}/books/…`.

use serde::Deserialize;
use serde_json::{Value, json};

use super::{Refusal, read};
use crate::control::Control;
use crate::seed::BooksWebhookSeed;

/// Body of `POST …/contacts/{id}/merge`: the contact that stays.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Merge {
    into: String,
}

/// Body of `POST …/webhooks`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Webhooks {
    webhooks: Vec<BooksWebhookSeed>,
}

pub(super) fn answer(
    control: &Control,
    method: &str,
    organization: &str,
    rest: &[&str],
    body: &[u8],
) -> Result<Value, Refusal> {
    match (method, rest) {
        ("POST", ["users"]) => Ok(json!({"id": control.add_books_user(organization, &read(body)?)?})),
        ("PATCH", ["users", id]) => done(control.change_books_user(organization, id, &read(body)?)),
        ("DELETE", ["users", id]) => done(control.delete_books_user(organization, id)),
        ("POST", ["contacts"]) => Ok(json!({"id": control.add_books_contact(organization, &read(body)?)?})),
        ("PATCH", ["contacts", id]) => done(control.change_books_contact(organization, id, &read(body)?)),
        ("DELETE", ["contacts", id]) => done(control.delete_books_contact(organization, id)),
        ("POST", ["contacts", id, "merge"]) => {
            let merge: Merge = read(body)?;
            done(control.merge_books_contacts(organization, &merge.into, id))
        }
        ("POST", ["webhooks"]) => {
            let Webhooks { webhooks } = read(body)?;
            done(control.set_books_webhooks(organization, webhooks))
        }
        _ => Err(Refusal(404, format!("there is no {method} books/{} of an organization", rest.join("/")))),
    }
}

fn done(outcome: Result<(), crate::control::Error>) -> Result<Value, Refusal> {
    outcome?;
    Ok(json!({}))
}
