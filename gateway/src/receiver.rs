//! What one account accepts: how its deliveries are verified, how large they may be, what they promise.

use std::collections::HashMap;

use actix_web::http::header::HeaderName;
use catalogue::delivery;
use event_log::sql::Pool;
use event_log::{Error as LogError, EventId};
use secrecy::{ExposeSecret as _, SecretString};
use service::config::account::{Content, Verify};
use service::config::{Account, Config, SecretRef};

use crate::channels::Channels;
use crate::server::Error;
use crate::signature::zoho_crm::{self, Notification};
use crate::signature::{
    InvalidSettings, Refusal, Request, Tolerance, Verified, hmac, standard_webhooks, zoho_books, zoho_cliq,
};

/// The deliveries of one account.
#[derive(Debug)]
pub(crate) struct Receiver {
    pub(crate) account: String,
    pub(crate) organization: String,
    pub(crate) body_limit_bytes: usize,
    json_promised: bool,
    scheme: Scheme,
}

#[derive(Debug)]
enum Scheme {
    Hmac(hmac::Verifier),
    StandardWebhooks(standard_webhooks::Verifier),
    ZohoCrm(Channels),
    ZohoBooks(zoho_books::Verifier),
    ZohoCliq(zoho_cliq::Verifier),
}

/// A delivery that was believed.
#[derive(Debug)]
pub(crate) struct Believed {
    /// Recognises the delivery when it is sent again, where something in it does.
    pub(crate) event_id: Option<EventId>,
    /// What is recorded of it besides its bytes.
    pub(crate) data: delivery::Received,
}

/// Why a delivery was not believed.
#[derive(Debug)]
pub(crate) enum Unbelieved {
    /// It does not prove where it comes from.
    Refused(Refusal),
    /// Whether it does could not be found out.
    Unknown(LogError),
}

impl From<Refusal> for Unbelieved {
    fn from(refusal: Refusal) -> Self {
        Unbelieved::Refused(refusal)
    }
}

/// Longest delivery id that is recorded as text; longer ones still identify.
const LONGEST_DELIVERY_ID_BYTES: usize = 256;

/// The receivers of all accounts that have a webhook, by name, with their secrets read.
///
/// # Errors
/// [`Error::Secret`] and [`Error::Webhook`] name the account whose settings cannot be used.
pub(crate) fn receivers(config: &Config, readers: &Pool) -> Result<HashMap<String, Receiver>, Error> {
    let mut receivers = HashMap::new();
    for account in config.accounts.values() {
        if let Some(receiver) = Receiver::new(account, config, readers)? {
            receivers.insert(account.name.clone(), receiver);
        }
    }
    Ok(receivers)
}

impl Receiver {
    fn new(account: &Account, config: &Config, readers: &Pool) -> Result<Option<Self>, Error> {
        let Some(webhook) = &account.webhook else { return Ok(None) };
        let resolve = |secret: &SecretRef| {
            config.resolve(secret).map_err(|source| Error::Secret { account: account.name.clone(), source })
        };
        let resolve_all = |secrets: &[SecretRef]| secrets.iter().map(resolve).collect::<Result<Vec<SecretString>, _>>();
        let invalid =
            |source: InvalidSettings| Error::Webhook { account: account.name.clone(), source: Box::new(source) };
        let scheme = match &webhook.verify {
            Verify::Hmac(settings) => {
                let secrets = resolve_all(&settings.secrets)?;
                Scheme::Hmac(hmac::Verifier::new(settings, &secrets).map_err(invalid)?)
            }
            Verify::StandardWebhooks(settings) => {
                let secrets = resolve_all(&settings.secrets)?;
                let tolerance = Tolerance(settings.tolerance);
                Scheme::StandardWebhooks(standard_webhooks::Verifier::new(&secrets, tolerance).map_err(invalid)?)
            }
            Verify::ZohoCrm { channel } => {
                let by_hand = match channel {
                    Some(channel) => {
                        let token = resolve(&channel.token)?;
                        Some((channel.channel_id.clone(), zoho_crm::hash_token(token.expose_secret())))
                    }
                    None => None,
                };
                Scheme::ZohoCrm(Channels::new(&account.name, readers.clone(), by_hand))
            }
            Verify::ZohoBooks { secrets } => {
                Scheme::ZohoBooks(zoho_books::Verifier::new(&resolve_all(secrets)?).map_err(invalid)?)
            }
            Verify::ZohoCliq { public_key } => {
                Scheme::ZohoCliq(zoho_cliq::Verifier::new(&resolve(public_key)?).map_err(invalid)?)
            }
        };
        Ok(Some(Receiver {
            account: account.name.clone(),
            organization: account.organization.clone(),
            body_limit_bytes: webhook.body_limit_bytes,
            json_promised: webhook.content == Content::Json,
            scheme,
        }))
    }

    /// The header that proves a delivery, where it has a name of the sender's choice.
    pub(crate) fn signature_header(&self) -> Option<&HeaderName> {
        match &self.scheme {
            Scheme::Hmac(verifier) => Some(verifier.signature_header()),
            // These names say what they hold, which is reason enough not to keep it.
            Scheme::StandardWebhooks(_) | Scheme::ZohoCrm(_) | Scheme::ZohoBooks(_) | Scheme::ZohoCliq(_) => None,
        }
    }

    /// The answer that the sender wants to a delivery that is in the log, where it is not our own.
    pub(crate) fn answer(&self) -> Option<&'static str> {
        match &self.scheme {
            Scheme::ZohoCliq(_) => Some(zoho_cliq::ANSWER),
            Scheme::Hmac(_) | Scheme::StandardWebhooks(_) | Scheme::ZohoCrm(_) | Scheme::ZohoBooks(_) => None,
        }
    }

    /// Whether the request is a delivery of this account.
    ///
    /// # Errors
    /// [`Unbelieved`].
    pub(crate) async fn verify(&self, request: &Request<'_>) -> Result<Believed, Unbelieved> {
        match &self.scheme {
            Scheme::Hmac(verifier) => {
                let verified = verifier.verify(request)?;
                Ok(self.named_by_sender("hmac", &verified, request.body))
            }
            Scheme::StandardWebhooks(verifier) => {
                let verified = verifier.verify(request)?;
                Ok(self.named_by_sender("standard-webhooks", &verified, request.body))
            }
            Scheme::ZohoCrm(channels) => {
                let notification = Notification::parse(request.body)?;
                let known = channels.token_hash(notification.channel_id()).await.map_err(Unbelieved::Unknown)?;
                notification.verify(known)?;
                let mut believed = self.named_by_content("zoho-crm", notification.identity().as_deref(), request.body);
                believed.data.registration_id = Some(notification.channel_id().to_owned());
                Ok(believed)
            }
            Scheme::ZohoBooks(verifier) => {
                let verified = verifier.verify(request)?;
                Ok(self.named_by_content("zoho-books", verified.identity.as_deref(), request.body))
            }
            Scheme::ZohoCliq(verifier) => {
                verifier.verify(request)?;
                Ok(self.named_by_content("zoho-cliq", zoho_cliq::identity(request.body).as_deref(), request.body))
            }
        }
    }

    fn named_by_sender(&self, verify: &str, verified: &Verified<'_>, body: &[u8]) -> Believed {
        let mut believed = self.named_by_content(verify, verified.delivery_id, body);
        believed.data.delivery_id =
            verified.delivery_id.map(|id| crate::webhook::cut(id, LONGEST_DELIVERY_ID_BYTES).to_owned());
        believed
    }

    fn named_by_content(&self, verify: &str, identity: Option<&str>, body: &[u8]) -> Believed {
        let json = is_json(body);
        Believed {
            event_id: identity.map(|identity| self.event_id(identity)),
            data: delivery::Received {
                verify: verify.to_owned(),
                delivery_id: None,
                registration_id: None,
                json,
                flagged: self.json_promised && !json,
                size_bytes: body.len() as u64,
            },
        }
    }

    fn event_id(&self, delivery_id: &str) -> EventId {
        EventId::derived(&["delivery", &self.account, delivery_id])
    }
}

/// Whether the bytes are JSON in UTF-8 (RFC 8259), without keeping any of it.
fn is_json(body: &[u8]) -> bool {
    std::str::from_utf8(body).is_ok_and(|text| serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok())
}

#[cfg(test)]
mod tests {
    use super::is_json;

    #[test]
    fn json_is_told_from_everything_else() {
        for good in ["{}", " [1, 2]\n", "null", "\"\u{e9}\""] {
            assert!(is_json(good.as_bytes()), "{good}");
        }
        for bad in [&b""[..], b"{", b"a=1", b"{} {}", b"\"\xff\"", b"\x00"] {
            assert!(!is_json(bad), "{bad:?}");
        }
    }

    #[test]
    fn deeply_nested_json_does_not_exhaust_the_stack() {
        let depth = 500_000;
        assert!(is_json(format!("{}{}", "[".repeat(depth), "]".repeat(depth)).as_bytes()));
    }
}
