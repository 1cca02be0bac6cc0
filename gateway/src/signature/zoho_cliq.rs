//! Events of Cliq's webhook bots: an RSA signature over the body, made with a key that Cliq keeps.
//!
//! Header and algorithm are as three implementers have them (base64 of RSASSA-PKCS1-v1_5 with SHA-256 over the raw body, read
//! 2026-11); what the body holds is in Cliq's platform help, bot participation handler (read 2026-11). There is no time in the
//! signature, so that a captured event can be sent again for ever. What it says is therefore recognised: see [`identity()`].

mod public_key;

use std::borrow::Cow;

use actix_web::http::header::HeaderName;
use providers::zoho::cliq::MessageId;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;

pub use self::public_key::InvalidKey;

use self::public_key::PublicKey;
use super::zoho_crm::Text;
use super::{InvalidSettings, Refusal, Request, base64, header, identity};

/// Where the signature stands.
pub const SIGNATURE_HEADER: HeaderName = HeaderName::from_static("x-cliq-signature");

/// What Cliq expects of a bot: what to say in the chat, which is nothing. Also for an event that was there before.
pub const ANSWER: &str = r#"{"output":{"text":""}}"#;

/// Room for the longest signature; decoding base64 asks for up to two bytes more than come out.
const SIGNATURE_ROOM_BYTES: usize = 4096 / 8 + 2;

/// Verifies events of one bot.
#[derive(Debug, Clone)]
pub struct Verifier {
    key: PublicKey,
}

impl Verifier {
    /// Reads the bot's public key, a PEM of an RSA key of 2048 to 4096 bits.
    ///
    /// # Errors
    /// [`InvalidSettings::PublicKey`] with what to do about it.
    pub fn new(public_key: &SecretString) -> Result<Self, InvalidSettings> {
        let key = PublicKey::parse(public_key.expose_secret()).map_err(InvalidSettings::PublicKey)?;
        Ok(Verifier { key })
    }

    /// Whether the body was signed with the bot's key. The first signature counts: each costs a calculation.
    ///
    /// # Errors
    /// Why the event is not believed.
    pub fn verify(&self, request: &Request<'_>) -> Result<(), Refusal> {
        if !request.headers.contains_key(SIGNATURE_HEADER) {
            return Err(Refusal::SignatureMissing);
        }
        let mut buffer = [0; SIGNATURE_ROOM_BYTES];
        let signature = header(request.headers, &SIGNATURE_HEADER)
            .and_then(|text| base64::decode_into(text, &mut buffer))
            .filter(|signature| !signature.is_empty())
            .ok_or(Refusal::SignatureMalformed)?;
        if self.key.verifies(request.body, signature) { Ok(()) } else { Err(Refusal::SignatureMismatch) }
    }
}

/// An event as far as the gateway looks at it.
#[derive(Deserialize)]
struct Event<'a> {
    #[serde(borrow, default)]
    operation: Option<Cow<'a, str>>,
    #[serde(borrow)]
    data: Data<'a>,
    #[serde(borrow, default)]
    chat: Option<Named<'a>>,
}

#[derive(Deserialize)]
struct Data<'a> {
    #[serde(borrow)]
    time: Text<'a>,
    #[serde(borrow, default)]
    message: Option<Named<'a>>,
}

#[derive(Deserialize)]
struct Named<'a> {
    #[serde(borrow)]
    id: Text<'a>,
}

/// What makes two events the same one sent twice: operation, chat, message and the event's time; the whole body where it is
/// about no message.
///
/// `None` without the event's time: then an edit there and back again looks like the first one repeated, and keeping a double
/// is better than losing a change.
#[must_use]
pub fn identity(body: &[u8]) -> Option<String> {
    let event: Event<'_> = serde_json::from_slice(body).ok()?;
    let Some((operation, chat, message)) = about_a_message(event.operation, event.chat, event.data.message) else {
        return Some(identity::of([body]));
    };
    let time = Cow::from(event.data.time);
    Some(identity::of([operation.as_bytes(), chat.as_bytes(), message.as_str().as_bytes(), time.as_bytes()]))
}

fn about_a_message<'a>(
    operation: Option<Cow<'a, str>>,
    chat: Option<Named<'a>>,
    message: Option<Named<'a>>,
) -> Option<(Cow<'a, str>, Cow<'a, str>, MessageId)> {
    let message = MessageId::parse(&Cow::from(message?.id)).ok()?;
    Some((operation?, chat?.id.into(), message))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use ::base64::Engine as _;
    use ::base64::engine::general_purpose::STANDARD;
    use actix_web::http::header::{HeaderMap, HeaderValue};
    use chrono::DateTime;
    use proptest::prelude::*;

    use super::*;

    const PUBLIC_KEY: &str = include_str!("../../tests/cliq/rsa-2048.pem");
    const EVENT: &[u8] = include_bytes!("../../tests/cliq/event.json");
    const SIGNATURE: &str = include_str!("../../tests/cliq/event.signature");

    fn check(signature: Option<&str>, body: &[u8]) -> Result<(), Refusal> {
        let mut headers = HeaderMap::new();
        if let Some(signature) = signature {
            headers.insert(SIGNATURE_HEADER, HeaderValue::from_str(signature).unwrap());
        }
        let now = DateTime::from_timestamp(1_768_471_500, 0).unwrap();
        Verifier::new(&PUBLIC_KEY.into()).unwrap().verify(&Request { headers: &headers, query: "", body, now })
    }

    #[test]
    fn only_the_signature_over_exactly_these_bytes_verifies() {
        assert_eq!(check(Some(SIGNATURE), EVENT), Ok(()));
        assert_eq!(check(Some(SIGNATURE.trim_end_matches('=')), EVENT), Ok(()));
        assert_eq!(check(Some(SIGNATURE), &[EVENT, b"\n"].concat()), Err(Refusal::SignatureMismatch));
        assert_eq!(check(Some("AAAA"), EVENT), Err(Refusal::SignatureMismatch));
        assert_eq!(check(Some(&STANDARD.encode([1; 512])), EVENT), Err(Refusal::SignatureMismatch));
        assert_eq!(check(None, EVENT), Err(Refusal::SignatureMissing));
        for malformed in ["", "not base64!", &STANDARD.encode([1; 600])] {
            assert_eq!(check(Some(malformed), EVENT), Err(Refusal::SignatureMalformed), "{malformed}");
        }
    }

    #[test]
    fn a_key_that_cannot_verify_is_refused_without_being_shown() {
        let refused = Verifier::new(&"hunter2".into()).unwrap_err();
        assert_eq!(refused, InvalidSettings::PublicKey(InvalidKey::NotPem));
        assert!(!refused.to_string().contains("hunter2"));
    }

    fn event(operation: &str, chat: &str, message: &str, time: &str) -> String {
        format!(
            r#"{{"operation":"{operation}","data":{{"time":{time},"message":{{"id":"{message}","type":"text"}}}},"user":{{"id":"1"}},"chat":{{"id":"{chat}"}}}}"#
        )
    }

    #[test]
    fn the_same_event_has_one_identity_however_it_is_written() {
        let first = identity(event("message_edited", "CT_1", "1768471500000 402", "1768471500123").as_bytes());
        assert!(first.is_some());
        for same in [
            event("message_edited", "CT_1", "1768471500000_402", "1768471500123"),
            event("message_edited", "CT_1", "1768471500000%20402", "\"1768471500123\""),
        ] {
            assert_eq!(identity(same.as_bytes()), first, "{same}");
        }
        for other in [
            event("message_deleted", "CT_1", "1768471500000 402", "1768471500123"),
            event("message_edited", "CT_2", "1768471500000 402", "1768471500123"),
            event("message_edited", "CT_1", "1768471500000 403", "1768471500123"),
            event("message_edited", "CT_1", "1768471500000 402", "1768471500124"),
        ] {
            assert_ne!(identity(other.as_bytes()), first, "{other}");
        }
    }

    #[test]
    fn an_event_about_no_message_is_recognised_by_its_bytes_and_one_without_time_not_at_all() {
        let added = |user: u8| format!(r#"{{"operation":"added","data":{{"time":1}},"user":{{"id":{user}}}}}"#);
        assert_eq!(identity(added(1).as_bytes()), identity(added(1).as_bytes()));
        assert_ne!(identity(added(1).as_bytes()), identity(added(2).as_bytes()));
        assert!(identity(added(1).as_bytes()).is_some());
        for body in [r#"{"operation":"added","data":{}}"#, r#"{"operation":"added"}"#, "[]", "", "hello"] {
            assert_eq!(identity(body.as_bytes()), None, "{body}");
        }
    }

    proptest! {
        #[test]
        fn any_flipped_bit_of_the_body_or_the_signature_fails(place in any::<prop::sample::Index>(), bit in 0..8u8) {
            let mut changed = EVENT.to_vec();
            changed[place.index(EVENT.len())] ^= 1 << bit;
            prop_assert!(check(Some(SIGNATURE), &changed).is_err());
            let mut changed = STANDARD.decode(SIGNATURE).unwrap();
            let at = place.index(changed.len());
            changed[at] ^= 1 << bit;
            prop_assert!(check(Some(&STANDARD.encode(changed)), EVENT).is_err());
        }

        #[test]
        fn no_body_makes_reading_panic(body in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = identity(&body);
        }
    }
}
