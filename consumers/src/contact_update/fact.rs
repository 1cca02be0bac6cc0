//! What a contact looked like when an effect read it, as a fact like that of any poll.

use catalogue::books::ContactChanged;
use chrono::{DateTime, Utc};
use mappings::salesperson::{Story, contact_gone, record_contacts};
use providers::zoho::books::{Contact, Id};
use service::config::account::Books;

use crate::Error;
use crate::context::Context;
use crate::ledger::Effect;

fn of_contact(contact: &Contact) -> ContactChanged {
    ContactChanged {
        contact_id: contact.id.as_str().to_owned(),
        name: contact.name.clone(),
        kind: contact.kind.clone(),
        status: contact.status.clone(),
        owner_id: contact.owner_id.as_ref().map(Id::to_string),
        owner_name: contact.owner_name.clone(),
        email: contact.email.clone(),
        last_modified_time: contact.last_modified_time,
    }
}

/// Records a contact as it was when it was asked for at `asked_at`, with all that follows: a wish that is fulfilled, or a
/// conflict.
///
/// # Errors
/// [`Error::Mappings`].
pub(super) async fn learn(
    context: &Context,
    effect: &Effect,
    books: &Books,
    contact: &Contact,
    asked_at: DateTime<Utc>,
) -> Result<(), Error> {
    let (story, books, fact) = (story(effect, asked_at), books.clone(), of_contact(contact));
    let recording = context.log.write::<_, mappings::Error, _>(move |unit| {
        Box::pin(async move { record_contacts(unit, &story, &books, &[fact], None).await })
    });
    recording.await?;
    Ok(())
}

/// Records that the contact is gone.
///
/// # Errors
/// [`Error::Mappings`].
pub(super) async fn learn_gone(
    context: &Context,
    effect: &Effect,
    books: &Books,
    contact_id: &str,
    asked_at: DateTime<Utc>,
) -> Result<(), Error> {
    let (story, books, contact_id) = (story(effect, asked_at), books.clone(), contact_id.to_owned());
    let recording = context.log.write::<_, mappings::Error, _>(move |unit| {
        Box::pin(async move { contact_gone(unit, &story, &books, &contact_id, None).await })
    });
    recording.await?;
    Ok(())
}

fn story(effect: &Effect, asked_at: DateTime<Utc>) -> Story {
    Story {
        account: effect.account.clone(),
        organization: effect.organization.clone(),
        source: "fetch",
        correlation_id: effect.correlation_id,
        causation_id: effect.causation_id,
        asked_at: Some(asked_at),
        received_at: None,
        actor: None,
    }
}
