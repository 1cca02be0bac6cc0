//! Standard Webhooks, version 1.0.0 (<https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md>,
//! read 2026-11): HMAC-SHA256 over `{webhook-id}.{webhook-timestamp}.{body}`, several signatures in one header.
//!
//! Symmetric signatures (`v1`) are verified; others in the same header, such as `v1a`, are passed over.

use actix_web::http::header::HeaderName;
use secrecy::{ExposeSecret as _, SecretString};
use service::config::account::{Algorithm, TimestampFormat};
use subtle::Choice;

use super::key::{Key, LONGEST_MAC_BYTES};
use super::timestamp::{self, Tolerance};
use super::{InvalidSettings, Refusal, Request, Verified, base64, header};

/// Names the delivery; the same however often it is sent.
pub const ID_HEADER: HeaderName = HeaderName::from_static("webhook-id");
/// When this attempt was made, in seconds since 1970.
pub const TIMESTAMP_HEADER: HeaderName = HeaderName::from_static("webhook-timestamp");
/// One or more signatures with a space between them.
pub const SIGNATURE_HEADER: HeaderName = HeaderName::from_static("webhook-signature");

/// Verifies requests of one sender.
#[derive(Debug, Clone)]
pub struct Verifier {
    keys: Vec<Key>,
    tolerance: Tolerance,
}

impl Verifier {
    /// Parses the secrets: base64, behind `whsec_` or bare. Any of them verifies.
    ///
    /// # Errors
    /// [`InvalidSettings`] naming the secret by its place.
    pub fn new(secrets: &[SecretString], tolerance: Tolerance) -> Result<Self, InvalidSettings> {
        if secrets.is_empty() {
            return Err(InvalidSettings::NoSecret);
        }
        let mut keys = Vec::with_capacity(secrets.len());
        for (at, secret) in secrets.iter().enumerate() {
            let text = secret.expose_secret();
            let text = text.strip_prefix("whsec_").unwrap_or(text);
            let bytes = base64::decode(text).ok_or(InvalidSettings::SecretNotBase64 { number: at + 1 })?;
            if bytes.is_empty() {
                return Err(InvalidSettings::EmptySecret { number: at + 1 });
            }
            keys.push(Key::new(Algorithm::Sha256, &bytes));
        }
        Ok(Verifier { keys, tolerance })
    }

    /// Whether one of the signatures in the request was made with one of the secrets, in time.
    ///
    /// # Errors
    /// Why the request is not believed. A wrong timestamp is only reported once the signature is right.
    pub fn verify<'r>(&self, request: &Request<'r>) -> Result<Verified<'r>, Refusal> {
        let id = header(request.headers, &ID_HEADER).filter(|id| !id.is_empty()).ok_or(Refusal::DeliveryIdMissing)?;
        let timestamp = header(request.headers, &TIMESTAMP_HEADER).ok_or(Refusal::TimestampMissing)?;
        let signatures = header(request.headers, &SIGNATURE_HEADER).ok_or(Refusal::SignatureMissing)?;
        self.verify_signature(id, timestamp, signatures, request.body)?;
        self.tolerance.check(timestamp::parse(TimestampFormat::Unix, timestamp)?, request.now)?;
        Ok(Verified { delivery_id: Some(id) })
    }

    fn verify_signature(&self, id: &str, timestamp: &str, signatures: &str, body: &[u8]) -> Result<(), Refusal> {
        let mut refusal = Refusal::SignatureMalformed;
        let mut found = Choice::from(0);
        for key in &self.keys {
            let expected = key.mac([id.as_bytes(), b".", timestamp.as_bytes(), b".", body]);
            for signature in signatures.split_ascii_whitespace() {
                let mut buffer = [0; LONGEST_MAC_BYTES];
                let encoded = signature.strip_prefix("v1,");
                let Some(candidate) = encoded.and_then(|text| base64::decode_into(text, &mut buffer)) else { continue };
                refusal = Refusal::SignatureMismatch;
                found |= expected.matches(candidate);
            }
        }
        if bool::from(found) { Ok(()) } else { Err(refusal) }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::time::Duration;

    use ::base64::Engine as _;
    use ::base64::engine::general_purpose::STANDARD;
    use actix_web::http::header::{HeaderMap, HeaderValue};
    use chrono::{DateTime, TimeDelta, Utc};
    use proptest::prelude::*;

    use super::*;

    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    const BODY: &[u8] = br#"{"test": 2432232314}"#;
    /// The vector in the test suite of the specification's own Rust library: this id, time, body and secret.
    const SIGNATURE: &str = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";

    fn now() -> DateTime<Utc> {
        DateTime::from_timestamp(1_614_265_330, 0).unwrap()
    }

    fn check_at(secrets: &[&str], signatures: &str, body: &[u8], now: DateTime<Utc>) -> Result<String, Refusal> {
        let mut headers = HeaderMap::new();
        headers.insert(ID_HEADER, HeaderValue::from_static("msg_p5jXN8AQM9LWM0D4loKWxJek"));
        headers.insert(TIMESTAMP_HEADER, HeaderValue::from_static("1614265330"));
        headers.insert(SIGNATURE_HEADER, HeaderValue::from_str(signatures).unwrap());
        let secrets: Vec<SecretString> = secrets.iter().map(|secret| (*secret).into()).collect();
        let verifier = Verifier::new(&secrets, Tolerance(Duration::from_secs(300))).unwrap();
        let verified = verifier.verify(&Request { headers: &headers, query: "", body, now })?;
        Ok(verified.delivery_id.unwrap_or_default().to_owned())
    }

    fn check(secrets: &[&str], signatures: &str, body: &[u8]) -> Result<String, Refusal> {
        check_at(secrets, signatures, body, now())
    }

    #[test]
    fn published_vector_verifies_and_names_the_delivery() {
        assert_eq!(check(&[SECRET], SIGNATURE, BODY), Ok("msg_p5jXN8AQM9LWM0D4loKWxJek".to_owned()));
        assert_eq!(check(&[SECRET.trim_start_matches("whsec_")], SIGNATURE, BODY).map(drop), Ok(()));
    }

    #[test]
    fn one_right_signature_among_several_is_enough() {
        let other = "v1,AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
        let foreign = "v1a,hnO3f9T8Ytu9HwrXslvumlUpqtNVqkhqw/enGzPCXe5BdqzCInXqYXFymVJaA7AZdpXwVLPo3mNl8EM+m7TBAg==";
        assert_eq!(check(&[SECRET], &format!("{other} {foreign} {SIGNATURE}"), BODY).map(drop), Ok(()));
        assert_eq!(check(&["whsec_AAAA", SECRET], SIGNATURE, BODY).map(drop), Ok(()));
        assert_eq!(check(&["whsec_AAAA"], SIGNATURE, BODY), Err(Refusal::SignatureMismatch));
        assert_eq!(check(&[SECRET], foreign, BODY), Err(Refusal::SignatureMalformed));
        assert_eq!(check(&[SECRET], "", BODY), Err(Refusal::SignatureMalformed));
    }

    #[test]
    fn tolerance_is_five_minutes_to_either_side() {
        let edge = TimeDelta::seconds(300);
        let step = TimeDelta::seconds(1);
        assert!(check_at(&[SECRET], SIGNATURE, BODY, now() + edge).is_ok());
        assert!(check_at(&[SECRET], SIGNATURE, BODY, now() - edge).is_ok());
        assert_eq!(check_at(&[SECRET], SIGNATURE, BODY, now() + edge + step), Err(Refusal::TimestampTooOld));
        assert_eq!(check_at(&[SECRET], SIGNATURE, BODY, now() - edge - step), Err(Refusal::TimestampInFuture));
    }

    #[test]
    fn missing_headers_are_told_apart() {
        let verifier = Verifier::new(&[SECRET.into()], Tolerance(Duration::from_secs(300))).unwrap();
        let mut headers = HeaderMap::new();
        let mut refused = Vec::new();
        for (name, value) in [(ID_HEADER, "msg_1"), (TIMESTAMP_HEADER, "1614265330"), (SIGNATURE_HEADER, "v1,AAAA")] {
            refused
                .push(verifier.verify(&Request { headers: &headers, query: "", body: BODY, now: now() }).unwrap_err());
            headers.insert(name, HeaderValue::from_str(value).unwrap());
        }
        assert_eq!(refused, [Refusal::DeliveryIdMissing, Refusal::TimestampMissing, Refusal::SignatureMissing]);
    }

    #[test]
    fn secrets_that_are_not_base64_are_refused_by_place() {
        let refused =
            |secrets: &[SecretString]| Verifier::new(secrets, Tolerance(Duration::from_secs(300))).unwrap_err();
        assert_eq!(refused(&[]), InvalidSettings::NoSecret);
        assert_eq!(refused(&[SECRET.into(), "whsec_!".into()]), InvalidSettings::SecretNotBase64 { number: 2 });
        assert_eq!(refused(&["whsec_".into()]), InvalidSettings::EmptySecret { number: 1 });
    }

    proptest! {
        #[test]
        fn any_flipped_bit_of_the_body_or_the_signature_fails(place in any::<prop::sample::Index>(), bit in 0..8u8) {
            let mut body = BODY.to_vec();
            body[place.index(BODY.len())] ^= 1 << bit;
            prop_assert_eq!(check(&[SECRET], SIGNATURE, &body), Err(Refusal::SignatureMismatch));
            let mut mac = STANDARD.decode(&SIGNATURE[3..]).unwrap();
            let at = place.index(mac.len());
            mac[at] ^= 1 << bit;
            let signature = format!("v1,{}", STANDARD.encode(mac));
            prop_assert_eq!(check(&[SECRET], &signature, BODY), Err(Refusal::SignatureMismatch));
        }
    }
}
