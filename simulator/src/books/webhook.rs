//! Workflow webhooks and what their signature covers (zoho.md section 4.5).

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};
use sha2::Sha256;

use crate::call::Query;
use crate::knobs::{BooksKnobs, SignatureEncoding};
use crate::notify::Notification;
use crate::seed::{BooksWebhookFormat, BooksWebhookSeed};
use crate::world::World;

const SIGNATURE: &str = "x-zoho-webhook-signature";

/// Kinds of things that webhooks tell about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Entity {
    Contact,
    User,
}

impl Entity {
    fn name(self) -> &'static str {
        match self {
            Self::Contact => "contact",
            Self::User => "user",
        }
    }

    fn is_wanted(self, webhook: &BooksWebhookSeed) -> bool {
        match self {
            Self::Contact => webhook.contacts,
            Self::User => webhook.users,
        }
    }
}

/// Puts a notification for every webhook that wants this kind of entity into the outbox.
pub(crate) fn raise(world: &mut World, organization: usize, entity: Entity, detail: &Value) {
    let webhooks = &world.organizations[organization].books.webhooks;
    let wanted = webhooks.iter().filter(|webhook| entity.is_wanted(webhook));
    let raised: Vec<Notification> =
        wanted.map(|webhook| notification(webhook, entity, detail, &world.knobs.books)).collect();
    world.journal.webhooks.raised += raised.len() as u64;
    world.outbox.extend(raised);
}

fn notification(webhook: &BooksWebhookSeed, entity: Entity, detail: &Value, knobs: &BooksKnobs) -> Notification {
    let mut signed = Query::parse(webhook.url.split_once('?').map_or("", |(_, query)| query));
    let (content_type, body) = match webhook.format {
        BooksWebhookFormat::Json if knobs.wrap_webhook_entity => {
            ("application/json", json!({entity.name(): detail}).to_string())
        }
        BooksWebhookFormat::Json => ("application/json", detail.to_string()),
        BooksWebhookFormat::Form => ("application/x-www-form-urlencoded", form(detail)),
    };
    let raw = match webhook.format {
        BooksWebhookFormat::Json => body.as_str(),
        BooksWebhookFormat::Form => {
            signed = signed.followed_by(Query::parse(&body));
            ""
        }
    };
    let mut headers = vec![("content-type", content_type.to_owned())];
    if let Some(secret) = &webhook.secret {
        headers.push((SIGNATURE, signature(secret, &signed, raw, knobs.signature_encoding)));
    }
    Notification { url: webhook.url.clone(), headers, body }
}

/// The plain values of an entity; what is a list or an object is left out.
fn form(detail: &Value) -> String {
    let Some(fields) = detail.as_object() else { return String::new() };
    let plain = fields.iter().filter_map(|(name, value)| {
        let text = match value {
            Value::String(text) => text.clone(),
            Value::Number(number) => number.to_string(),
            Value::Bool(flag) => flag.to_string(),
            _ => return None,
        };
        Some(format!("{name}={}", utf8_percent_encode(&text, NON_ALPHANUMERIC)))
    });
    plain.collect::<Vec<_>>().join("&")
}

/// HMAC-SHA256 over the decoded parameters, sorted by key and strung together without separators, and the raw body.
fn signature(secret: &str, parameters: &Query, raw_body: &str, encoding: SignatureEncoding) -> String {
    let mut sorted: Vec<(&str, &str)> = parameters.pairs().collect();
    sorted.sort_by_key(|(name, _)| *name);
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("HMAC takes keys of any length");
    for (name, value) in sorted {
        mac.update(name.as_bytes());
        mac.update(value.as_bytes());
    }
    mac.update(raw_body.as_bytes());
    let bytes = mac.finalize().into_bytes();
    match encoding {
        SignatureEncoding::Hex => hex::encode(bytes),
        SignatureEncoding::Base64 => STANDARD.encode(bytes),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The string to sign is the documented example's (zoho.md section 4.5).
    #[test]
    fn signature_covers_sorted_parameters_and_the_raw_body() {
        let body = r#"{"created_date":"2019-03-06","event_id":"5675"}"#;
        let text = format!("namebasicsubscription_id90343{body}");
        let mut mac = Hmac::<Sha256>::new_from_slice(b"abcdefghijkl0123").expect("any key");
        mac.update(text.as_bytes());
        let expected = hex::encode(mac.finalize().into_bytes());
        let parameters = Query::parse("subscription_id=90343&name=basic");
        assert_eq!(signature("abcdefghijkl0123", &parameters, body, SignatureEncoding::Hex), expected);
    }
}
