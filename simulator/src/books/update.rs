//! `PUT /contacts/{id}`: changes what the body names. The facts have the endpoint's siblings and the schema of the
//! details (zoho.md section 4.3); path, scope and partial bodies are from Books' own OpenAPI file (contacts.yml,
//! `update_contact`), the wording of the answer is not.

use serde_json::{Map, Value, json};

use super::contact::Contact;
use super::dialect::{bad_value, missing, require, success};
use super::read_id;
use super::webhook::{self, Entity};
use crate::answer::Answer;
use crate::context::Context;
use crate::seed::BooksContactType;

const SCOPE: &str = "ZohoBooks.contacts.UPDATE";

pub(super) fn contact(context: &mut Context<'_>, id: &str) -> Result<Answer, Answer> {
    require(context, SCOPE)?;
    let Ok(Value::Object(body)) = serde_json::from_slice(context.body) else { return Err(bad_value("JSONString")) };
    let (now, index) = (context.now, context.caller.organization);
    let books = &mut context.organization_mut().books;
    let number = id.parse().ok().filter(|number| books.contacts.contains_key(number));
    let number: u64 = number.ok_or_else(|| missing("Contact"))?;
    let mut changed = books.contacts.get(&number).ok_or_else(|| missing("Contact"))?.clone();
    let unknown = apply(&mut changed, &body)?;
    if changed.owner_id.is_some_and(|owner| !books.users.contains_key(&owner)) && body.contains_key("owner_id") {
        return Err(bad_value("owner_id"));
    }
    changed.modified_ms = now;
    changed.api_updates += 1;
    books.contacts.insert(number, changed.clone());
    let detail = changed.detail(books);
    if let Some(name) = unknown {
        context.misdeed("unknown_parameter", || format!("{name} in the update of a Books contact"));
    }
    if context.world.knobs.books.echo_webhooks {
        webhook::raise(context.world, index, Entity::Contact, &detail);
    }
    Ok(success("Contact information has been saved.", json!({"contact": detail})))
}

/// Takes over the values; names one that means nothing here.
fn apply(contact: &mut Contact, body: &Map<String, Value>) -> Result<Option<String>, Answer> {
    let mut unknown = None;
    for (name, value) in body {
        let text = || value.as_str().map(str::to_owned).ok_or_else(|| bad_value(name));
        match name.as_str() {
            "contact_name" => contact.name = text()?,
            "company_name" => contact.company_name = text()?,
            "first_name" => contact.first_name = text()?,
            "last_name" => contact.last_name = text()?,
            "email" => contact.email = text()?,
            "phone" => contact.phone = text()?,
            "contact_type" => {
                contact.contact_type = match text()?.as_str() {
                    "customer" => BooksContactType::Customer,
                    "vendor" => BooksContactType::Vendor,
                    _ => return Err(bad_value(name)),
                }
            }
            "owner_id" => {
                let id = text()?;
                contact.owner_id = if id.is_empty() { None } else { Some(read_id(&id).map_err(|_| bad_value(name))?) };
            }
            _ => unknown = Some(name.clone()),
        }
    }
    Ok(unknown)
}
