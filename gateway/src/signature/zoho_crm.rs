//! Zoho CRM's watch notifications: no signature, but the channel's token comes back in the body.
//!
//! What the body holds, and that nothing else proves where it comes from:
//! <https://www.zoho.com/crm/developer/docs/api/v8/notifications/overview.html> (read 2026-11). There is no delivery id
//! either, so one is derived from what the notification says.

use std::borrow::Cow;

use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use super::{Refusal, identity};

/// SHA-256 of a channel's token. The token itself is not kept anywhere.
pub type TokenHash = [u8; 32];

/// SHA-256 of `token`, as kept with the registration.
#[must_use]
pub fn hash_token(token: &str) -> TokenHash {
    Sha256::digest(token).into()
}

/// A notification as far as the gateway looks at it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notification<'a> {
    channel_id: Cow<'a, str>,
    token_hash: TokenHash,
    operation: Cow<'a, str>,
    ids: Vec<Cow<'a, str>>,
    server_time: Option<Cow<'a, str>>,
}

#[derive(Deserialize)]
struct Body<'a> {
    #[serde(borrow)]
    channel_id: Text<'a>,
    #[serde(borrow)]
    token: Cow<'a, str>,
    #[serde(borrow, default)]
    operation: Cow<'a, str>,
    #[serde(borrow, default)]
    ids: Vec<Text<'a>>,
    #[serde(borrow, default)]
    server_time: Option<Text<'a>>,
}

/// Ids are 18 digits long and come as JSON strings or numbers.
#[derive(Deserialize)]
#[serde(untagged)]
pub(super) enum Text<'a> {
    #[serde(borrow)]
    String(Cow<'a, str>),
    Number(u64),
}

impl<'a> From<Text<'a>> for Cow<'a, str> {
    fn from(text: Text<'a>) -> Self {
        match text {
            Text::String(text) => text,
            Text::Number(number) => number.to_string().into(),
        }
    }
}

impl<'a> Notification<'a> {
    /// Reads the body.
    ///
    /// # Errors
    /// [`Refusal::BodyMalformed`] when it is not JSON or lacks channel or token: then nothing can prove where it is from.
    pub fn parse(body: &'a [u8]) -> Result<Self, Refusal> {
        let text = std::str::from_utf8(body).map_err(|_| Refusal::BodyMalformed)?;
        let body: Body<'a> = serde_json::from_str(text).map_err(|_| Refusal::BodyMalformed)?;
        Ok(Notification {
            channel_id: body.channel_id.into(),
            token_hash: hash_token(&body.token),
            operation: body.operation,
            ids: body.ids.into_iter().map(Into::into).collect(),
            server_time: body.server_time.map(Into::into),
        })
    }

    /// The channel it claims to come through.
    #[must_use]
    pub fn channel_id(&self) -> &str {
        &self.channel_id
    }

    /// Whether its token is the one of its channel; `known` is what we keep for the channel, if we have such a channel.
    ///
    /// # Errors
    /// [`Refusal::ChannelUnknown`], [`Refusal::TokenMismatch`].
    pub fn verify(&self, known: Option<TokenHash>) -> Result<(), Refusal> {
        let matches = self.token_hash.ct_eq(&known.unwrap_or_default());
        match known {
            None => Err(Refusal::ChannelUnknown),
            Some(_) if !bool::from(matches) => Err(Refusal::TokenMismatch),
            Some(_) => Ok(()),
        }
    }

    /// What makes two notifications the same one sent twice: SHA-256 over channel, operation, sorted ids and Zoho's time.
    ///
    /// `None` without Zoho's time: then two changes of one record look alike, and keeping a double is better than
    /// losing a change.
    #[must_use]
    pub fn identity(&self) -> Option<String> {
        let server_time = self.server_time.as_ref()?;
        let mut ids: Vec<&str> = self.ids.iter().map(AsRef::as_ref).collect();
        ids.sort_unstable();
        let parts = [&*self.channel_id, &*self.operation, &**server_time].into_iter().chain(ids);
        Some(identity::of(parts.map(str::as_bytes)))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn body(channel: &str, ids: &str, server_time: &str) -> String {
        format!(
            r#"{{"server_time":{server_time},"query_params":{{}},"module":"Deals","resource_uri":"https://www.zohoapis.com/crm/v8/Deals","ids":{ids},"operation":"update","channel_id":{channel},"token":"k8-opaque"}}"#
        )
    }

    fn identity(body: &str) -> Option<String> {
        Notification::parse(body.as_bytes()).unwrap().identity()
    }

    #[test]
    fn only_the_token_of_the_channel_verifies() {
        let body = body("\"1000000068001\"", r#"["5200000000123456"]"#, "1768471500123");
        let notification = Notification::parse(body.as_bytes()).unwrap();
        assert_eq!(notification.channel_id(), "1000000068001");
        assert_eq!(notification.verify(Some(hash_token("k8-opaque"))), Ok(()));
        assert_eq!(notification.verify(Some(hash_token("k8-opaquf"))), Err(Refusal::TokenMismatch));
        assert_eq!(notification.verify(None), Err(Refusal::ChannelUnknown));
    }

    #[test]
    fn a_body_without_proof_is_malformed() {
        for bad in [
            "",
            "{}",
            "[]",
            "null",
            "hello",
            r#"{"channel_id":"1"}"#,
            r#"{"token":"1"}"#,
            r#"{"channel_id":"1","token":null}"#,
        ] {
            assert_eq!(Notification::parse(bad.as_bytes()), Err(Refusal::BodyMalformed), "{bad}");
        }
        assert_eq!(Notification::parse(b"{\"channel_id\":\"1\",\"token\":\"\xff\"}"), Err(Refusal::BodyMalformed));
        let twice = r#"{"channel_id":"1","token":"a","token":"b"}"#;
        assert_eq!(Notification::parse(twice.as_bytes()), Err(Refusal::BodyMalformed));
    }

    #[test]
    fn the_same_notification_has_one_identity_however_it_is_written() {
        let first = identity(&body("\"1000000068001\"", r#"["1","2"]"#, "1768471500123"));
        assert!(first.is_some());
        assert_eq!(first, identity(&body("1000000068001", r#"["2", "1"]"#, "1768471500123")));
        assert_eq!(first, identity(&body("\"1000000068001\"", "[2,1]", "\"1768471500123\"")));
        for other in [
            body("\"1000000068002\"", r#"["1","2"]"#, "1768471500123"),
            body("\"1000000068001\"", r#"["12"]"#, "1768471500123"),
            body("\"1000000068001\"", r#"["1","2"]"#, "1768471500124"),
        ] {
            assert_ne!(first, identity(&other), "{other}");
        }
    }

    #[test]
    fn without_the_providers_time_there_is_no_identity() {
        assert_eq!(identity(r#"{"channel_id":"1","token":"a","ids":["1"],"operation":"update"}"#), None);
    }

    proptest! {
        #[test]
        fn any_changed_token_fails(token in "[ -~]{1,50}", other in "[ -~]{1,50}") {
            let body = serde_json::json!({"channel_id": "1", "token": token}).to_string();
            let verified = Notification::parse(body.as_bytes()).unwrap().verify(Some(hash_token(&other)));
            prop_assert_eq!(verified.is_ok(), token == other);
        }

        #[test]
        fn no_body_makes_parsing_panic(body in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = Notification::parse(&body);
        }
    }
}
