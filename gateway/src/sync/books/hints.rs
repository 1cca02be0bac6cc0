//! What webhooks of Books tell. A contact comes whole, so its state is the fact where it is newer than what is known; where
//! it is not, the provider is asked, because a deletion carries the last state and says no more. A user asks for the list.
//!
//! Signatures do not say where a parameter's name ends, nor what came in the query. So only JSON without a query is believed
//! about a state; whatever else names a contact, the provider is asked for it.

use std::sync::Arc;
use std::time::Duration;

use catalogue::books::ContactChanged;
use catalogue::delivery::Metadata;
use chrono::{DateTime, Utc};
use event_log::{GlobalPosition, Leadership, RecordedEvent, Subscription};
use mappings::salesperson::{News, Story, contact_gone, record_contacts, what_it_tells};
use providers::error::Error as ProviderError;
use providers::zoho::books::{Contact, Id};
use serde_json::{Map, Value};
use service::config::account::Books;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{Ask, fact, want_users};
use crate::intake::pause::{Backoff, Patience, needs_a_person, wait_out};
use crate::intake::{Error, Intake, only_as_leader};
use crate::sync::jobs::Trigger;

/// How deliveries of Books are verified.
pub(crate) const VERIFY: &str = "zoho-books";
/// Positions of the log looked at in one stretch.
const WINDOW: u32 = 256;
/// Tries after which an answer that cannot be read is taken for one that never can.
const UNREADABLE_TRIES: u32 = 4;
/// How long a checkpoint may stay behind while nothing for us arrives.
const SAVE_EVERY: Duration = Duration::from_secs(5);

/// Follows what Books tells by the webhooks of one account.
pub(in crate::sync) struct Lane {
    pub(in crate::sync) intake: Arc<Intake>,
    pub(in crate::sync) leadership: Leadership,
    /// The account that deliveries come to.
    pub(in crate::sync) deliveries_to: String,
    /// The account whose users and customers they tell of.
    pub(in crate::sync) account: String,
}

/// What a delivery is about.
enum Told {
    /// A contact with its state.
    Contact(Box<Contact>),
    /// A contact whose state stands nowhere.
    Named(Id),
    User,
}

/// What becomes of it.
enum Outcome {
    State(ContactChanged),
    Fetched(ContactChanged, DateTime<Utc>),
    Gone(String),
    Users,
    Nothing,
}

impl Lane {
    /// Follows the deliveries until `stop`.
    pub(in crate::sync) async fn run(self, stop: CancellationToken) -> Result<(), Error> {
        let mut patience = Patience::default();
        while !stop.is_cancelled() {
            let followed = self.follow(&stop).await;
            patience.survive("reading what books tells", followed, &stop).await?;
        }
        Ok(())
    }

    async fn follow(&self, stop: &CancellationToken) -> Result<(), Error> {
        let types = vec![catalogue::delivery::RECEIVED];
        let name = self.subscription_name();
        let subscription = Subscription::open(&self.intake.log, name, types, WINDOW).await?;
        let mut subscription = subscription.of_account(&self.deliveries_to).with_payload();
        let mut saved = subscription.position();
        let mut save_at = Instant::now() + SAVE_EVERY;
        loop {
            let next = async {
                tokio::select! {
                    batch = subscription.next_batch() => Some(batch),
                    () = tokio::time::sleep_until(save_at) => None,
                }
            };
            let Some(next) = stop.run_until_cancelled(next).await else { return Ok(()) };
            let position = subscription.position();
            for delivery in next.transpose()?.map(|batch| batch.events).unwrap_or_default() {
                let Some(outcome) = self.understand(&delivery, stop).await? else { return Ok(()) };
                self.commit(Some((delivery.clone(), outcome)), delivery.global_position).await?;
                saved = delivery.global_position;
            }
            if Instant::now() >= save_at {
                if position != saved {
                    self.commit(None, position).await?;
                    saved = position;
                }
                save_at = Instant::now() + SAVE_EVERY;
            }
        }
    }

    fn subscription_name(&self) -> String {
        format!("books-hints:{}", self.deliveries_to)
    }

    fn books(&self) -> Result<&Books, Error> {
        let books = self.intake.settings.books.get(&self.account);
        books.ok_or_else(|| Error::NoSuchAccount(self.account.clone()))
    }

    /// What a delivery leads to; `None` when the process stops before that is known.
    async fn understand(&self, delivery: &RecordedEvent, stop: &CancellationToken) -> Result<Option<Outcome>, Error> {
        let contact = match read(delivery) {
            None => return Ok(Some(Outcome::Nothing)),
            Some(Told::User) => return Ok(Some(Outcome::Users)),
            Some(Told::Named(id)) => return self.ask(&id, stop).await,
            Some(Told::Contact(contact)) => contact,
        };
        let told = fact::of_contact(&contact);
        let readers = self.intake.log.database().readers();
        let received_at = delivery.received_at.unwrap_or(delivery.recorded_at);
        Ok(match what_it_tells(readers, &self.account, self.books()?, &told, received_at).await? {
            News::State => Some(Outcome::State(told)),
            News::Old | News::NoCustomer => Some(Outcome::Nothing),
            News::Ask => self.ask(&contact.id, stop).await?,
        })
    }

    /// Asks the provider until it answers. A contact that it will never show holds up nobody: the next walk over all
    /// contacts finds what becomes of it.
    async fn ask(&self, id: &Id, stop: &CancellationToken) -> Result<Option<Outcome>, Error> {
        let organization_id = Id::parse(&self.books()?.organization_id)?;
        let client = self.intake.client(&self.account)?;
        let organization = client.books().organization(organization_id);
        let mut changes = self.intake.changes.clone();
        let mut backoff = Backoff::default();
        let mut unreadable = 0;
        loop {
            changes.mark_unchanged();
            let asked_at = self.intake.log.now();
            let Some(found) = stop.run_until_cancelled(organization.contact(id)).await else { return Ok(None) };
            let error = match found {
                Ok(Some(contact)) => return Ok(Some(Outcome::Fetched(fact::of_contact(&contact), asked_at))),
                Ok(None) => return Ok(Some(Outcome::Gone(id.as_str().to_owned()))),
                Err(error) => error,
            };
            unreadable += u32::from(matches!(error, ProviderError::Unreadable { .. }));
            if is_hopeless(&error) || unreadable >= UNREADABLE_TRIES {
                metrics::counter!("hints_skipped_total", "reason" => error.code()).increment(1);
                tracing::warn!(error = &error as &dyn std::error::Error, account.id = %self.account,
                    "a contact that a webhook names cannot be fetched; it is left to the next walk over all contacts");
                return Ok(Some(Outcome::Nothing));
            }
            tracing::warn!(error = &error as &dyn std::error::Error, account.id = %self.account,
                "a contact that a webhook names cannot be fetched; it waits");
            wait_out(&self.intake.log, &mut changes, &error, &mut backoff, stop).await;
            if stop.is_cancelled() {
                return Ok(None);
            }
        }
    }

    /// What follows from a delivery, together with the checkpoint.
    async fn commit(&self, told: Option<(RecordedEvent, Outcome)>, up_to: GlobalPosition) -> Result<(), Error> {
        let (leadership, name, books) = (self.leadership.clone(), self.subscription_name(), self.books()?.clone());
        let account = self.account.clone();
        let organization = self.intake.settings.organization_of(&account).map(str::to_owned);
        let organization = organization.ok_or_else(|| Error::NoSuchAccount(account.clone()))?;
        self.intake
            .log
            .write(move |unit| {
                Box::pin(async move {
                    only_as_leader(unit, &leadership).await?;
                    if let Some((delivery, outcome)) = told {
                        let story = |source, asked_at| Story {
                            account: account.clone(),
                            organization: organization.clone(),
                            source,
                            correlation_id: delivery.correlation_id,
                            causation_id: Some(delivery.id),
                            asked_at,
                            received_at: delivery.received_at.or(Some(delivery.recorded_at)),
                            actor: None,
                        };
                        match outcome {
                            Outcome::Nothing => {}
                            Outcome::State(told) => {
                                record_contacts(unit, &story("webhook", None), &books, &[told], None).await?;
                            }
                            Outcome::Fetched(found, asked_at) => {
                                record_contacts(unit, &story("fetch", Some(asked_at)), &books, &[found], None).await?;
                            }
                            Outcome::Gone(contact_id) => {
                                contact_gone(unit, &story("fetch", None), &books, &contact_id, None).await?;
                            }
                            Outcome::Users => {
                                let trigger = Trigger::Webhook;
                                want_users(unit, &Ask { account, organization, trigger, is_full: false, actor: None })
                                    .await?;
                            }
                        }
                    }
                    unit.save_checkpoint(&name, up_to).await?;
                    Ok(())
                })
            })
            .await
    }
}

/// Whether asking again brings the same, whoever acts: it is about this contact and not about the account.
fn is_hopeless(error: &ProviderError) -> bool {
    !error.is_retryable() && !needs_a_person(error)
}

/// Reads a delivery of Books; anything else leads to nothing.
fn read(delivery: &RecordedEvent) -> Option<Told> {
    let data: catalogue::delivery::Received = delivery.decode().ok()?;
    if data.verify != VERIFY {
        return None;
    }
    let metadata = serde_json::from_str(&delivery.metadata).unwrap_or_default();
    let told = entity(delivery.payload.as_deref().unwrap_or_default(), &metadata);
    if told.is_none() {
        metrics::counter!("hints_skipped_total", "reason" => "malformed").increment(1);
        tracing::warn!(event.id = %delivery.id, "a webhook was kept but leads to nothing: it holds no contact and no user");
    }
    told
}

/// Whether nothing but the body is signed, as it is.
fn is_unambiguous(metadata: &Metadata) -> bool {
    let media_type = metadata.headers.get("content-type").and_then(|text| text.split(';').next()).unwrap_or_default();
    metadata.query.is_none() && media_type.trim().eq_ignore_ascii_case("application/json")
}

/// The entity in a body: JSON, on its own or under its kind, or the values of a form.
fn entity(payload: &[u8], metadata: &Metadata) -> Option<Told> {
    let json = serde_json::from_slice::<Map<String, Value>>(payload).ok();
    let is_believed = json.is_some() && is_unambiguous(metadata);
    let fields = json.unwrap_or_else(|| {
        let values = url::form_urlencoded::parse(payload);
        values.map(|(name, value)| (name.into_owned(), Value::String(value.into_owned()))).collect()
    });
    if fields.contains_key("user") || fields.contains_key("user_id") && !fields.contains_key("contact_id") {
        return Some(Told::User);
    }
    let fields = match fields.get("contact") {
        Some(Value::Object(inner)) => inner.clone(),
        _ => fields,
    };
    let contact = Contact::from_entity(fields).ok()?;
    Some(if is_believed { Told::Contact(Box::new(contact)) } else { Told::Named(contact.id) })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn metadata(content_type: Option<&str>, query: Option<&str>) -> Metadata {
        let headers = content_type.map(|text| ("content-type".to_owned(), text.to_owned()));
        Metadata { headers: headers.into_iter().collect(), query: query.map(str::to_owned), traceparent: None }
    }

    fn json() -> Metadata {
        metadata(Some("application/json"), None)
    }

    #[test]
    fn a_contact_is_found_in_every_kind_of_body() {
        for body in [r#"{"contact":{"contact_id":"46","owner_id":"3"}}"#, r#"{"contact_id":46,"owner_id":"3"}"#] {
            let Some(Told::Contact(contact)) = entity(body.as_bytes(), &json()) else { panic!("{body}") };
            assert_eq!((contact.id.as_str(), contact.owner_id.unwrap().as_str()), ("46", "3"));
        }
        let form = "contact_name=A%20%26%20B&contact_id=46&owner_id=3";
        assert!(matches!(entity(form.as_bytes(), &json()), Some(Told::Named(id)) if id.as_str() == "46"));
    }

    #[test]
    fn a_state_that_the_signature_does_not_settle_is_not_believed() {
        let body = br#"{"contact_id":"46","owner_id":"3"}"#;
        for content_type in ["application/json", "Application/JSON; charset=utf-8"] {
            assert!(matches!(entity(body, &metadata(Some(content_type), None)), Some(Told::Contact(_))));
            assert!(matches!(entity(body, &metadata(Some(content_type), Some("&"))), Some(Told::Named(_))));
        }
        let form = "application/x-www-form-urlencoded";
        for content_type in [None, Some(form), Some("text/plain"), Some("application/json, text/plain")] {
            assert!(matches!(entity(body, &metadata(content_type, None)), Some(Told::Named(_))), "{content_type:?}");
        }
    }

    #[test]
    fn a_user_only_says_that_the_list_has_changed_and_the_rest_says_nothing() {
        for body in [r#"{"user":{"user_id":"3"}}"#, r#"{"user_id":"3"}"#, "user_id=3&name=Ann"] {
            assert!(matches!(entity(body.as_bytes(), &json()), Some(Told::User)), "{body}");
        }
        for body in ["", "[]", "{}", r#"{"invoice":{"invoice_id":"1"}}"#] {
            assert!(entity(body.as_bytes(), &json()).is_none(), "{body}");
        }
    }
}
