//! Signatures of any sender that puts an HMAC of the body, and perhaps of a timestamp, into a header.

use actix_web::http::header::HeaderName;
use secrecy::{ExposeSecret as _, SecretString};
use service::config::account::{Encoding, Hmac, Part, TimestampFormat};
use subtle::Choice;

use super::key::{Key, LONGEST_MAC_BYTES};
use super::timestamp::{self, Tolerance};
use super::{InvalidSettings, Refusal, Request, Verified, base64, header};

/// Verifies requests of one sender.
#[derive(Debug, Clone)]
pub struct Verifier {
    keys: Vec<Key>,
    header: HeaderName,
    prefix: String,
    encoding: Encoding,
    delivery_id_header: Option<HeaderName>,
    timestamp: Option<Timestamp>,
    content: Vec<Part>,
}

#[derive(Debug, Clone)]
struct Timestamp {
    header: HeaderName,
    format: TimestampFormat,
    tolerance: Tolerance,
}

/// What the headers say besides the signature.
#[derive(Clone, Copy)]
struct Named<'r> {
    timestamp: Option<&'r str>,
    delivery_id: Option<&'r str>,
}

impl Verifier {
    /// Parses the settings. Any of `secrets` verifies, so that a new one works before the old one is taken away.
    ///
    /// # Errors
    /// [`InvalidSettings`] naming what cannot be used.
    pub fn new(settings: &Hmac, secrets: &[SecretString]) -> Result<Self, InvalidSettings> {
        if secrets.is_empty() {
            return Err(InvalidSettings::NoSecret);
        }
        let mut keys = Vec::with_capacity(secrets.len());
        for (at, secret) in secrets.iter().enumerate() {
            let secret = secret.expose_secret();
            if secret.is_empty() {
                return Err(InvalidSettings::EmptySecret { number: at + 1 });
            }
            keys.push(Key::new(settings.algorithm, secret.as_bytes()));
        }
        let timestamp = settings.timestamp.as_ref().map(|timestamp| {
            let header = header_name(&timestamp.header)?;
            Ok(Timestamp { header, format: timestamp.format, tolerance: Tolerance(timestamp.tolerance) })
        });
        Ok(Verifier {
            keys,
            header: header_name(&settings.header)?,
            prefix: settings.prefix.clone(),
            encoding: settings.encoding,
            delivery_id_header: settings.delivery_id_header.as_deref().map(header_name).transpose()?,
            timestamp: timestamp.transpose()?,
            content: settings.signed_content.parts().to_vec(),
        })
    }

    /// The header that carries the signature.
    #[must_use]
    pub fn signature_header(&self) -> &HeaderName {
        &self.header
    }

    /// Whether one of the signatures in the request was made with one of the secrets, in time.
    ///
    /// # Errors
    /// Why the request is not believed. A wrong timestamp is only reported once the signature is right.
    pub fn verify<'r>(&self, request: &Request<'r>) -> Result<Verified<'r>, Refusal> {
        let find = |name: &HeaderName| header(request.headers, name).filter(|text| !text.is_empty());
        let named = Named {
            timestamp: self.timestamp.as_ref().and_then(|expected| find(&expected.header)),
            delivery_id: self.delivery_id_header.as_ref().and_then(find),
        };
        if self.timestamp.is_some() && named.timestamp.is_none() {
            return Err(Refusal::TimestampMissing);
        }
        if self.content.contains(&Part::DeliveryId) && named.delivery_id.is_none() {
            return Err(Refusal::DeliveryIdMissing);
        }
        self.verify_signature(request, named)?;
        if let Some((expected, text)) = self.timestamp.as_ref().zip(named.timestamp) {
            expected.tolerance.check(timestamp::parse(expected.format, text)?, request.now)?;
        }
        Ok(Verified { delivery_id: named.delivery_id })
    }

    fn verify_signature(&self, request: &Request<'_>, named: Named<'_>) -> Result<(), Refusal> {
        let mut refusal = Refusal::SignatureMissing;
        let mut found = Choice::from(0);
        for key in &self.keys {
            let expected = key.mac(self.signed(request.body, named));
            for value in request.headers.get_all(&self.header) {
                let mut buffer = [0; LONGEST_MAC_BYTES];
                let Some(candidate) = value.to_str().ok().and_then(|text| self.decode(text.trim(), &mut buffer)) else {
                    refusal = Refusal::SignatureMalformed;
                    continue;
                };
                refusal = Refusal::SignatureMismatch;
                found |= expected.matches(candidate);
            }
        }
        if bool::from(found) { Ok(()) } else { Err(refusal) }
    }

    fn signed<'r>(&'r self, body: &'r [u8], named: Named<'r>) -> impl Iterator<Item = &'r [u8]> {
        self.content.iter().map(move |part| match part {
            Part::Literal(text) => text.as_bytes(),
            Part::Timestamp => named.timestamp.unwrap_or_default().as_bytes(),
            Part::DeliveryId => named.delivery_id.unwrap_or_default().as_bytes(),
            Part::Body => body,
        })
    }

    fn decode<'b>(&self, text: &str, buffer: &'b mut [u8; LONGEST_MAC_BYTES]) -> Option<&'b [u8]> {
        let text = text.strip_prefix(self.prefix.as_str())?;
        match self.encoding {
            Encoding::Hex => {
                let bytes = buffer.get_mut(..text.len() / 2)?;
                hex::decode_to_slice(text, bytes).ok()?;
                Some(bytes)
            }
            Encoding::Base64 => base64::decode_into(text, buffer),
        }
    }
}

fn header_name(name: &str) -> Result<HeaderName, InvalidSettings> {
    HeaderName::from_bytes(name.as_bytes()).map_err(|_| InvalidSettings::HeaderName(name.to_owned()))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::time::Duration;

    use actix_web::http::header::{HeaderMap, HeaderValue};
    use chrono::{DateTime, TimeDelta, Utc};
    use proptest::prelude::*;

    use service::config::account::{self, Algorithm, SignedContent};

    use super::*;

    fn settings(header: &str) -> Hmac {
        Hmac {
            secrets: Vec::new(),
            algorithm: Algorithm::Sha256,
            header: header.to_owned(),
            prefix: String::new(),
            encoding: Encoding::Hex,
            signed_content: SignedContent::body(),
            delivery_id_header: None,
            timestamp: None,
        }
    }

    fn now() -> DateTime<Utc> {
        DateTime::from_timestamp(1_700_000_000, 0).unwrap()
    }

    fn headers(pairs: &[(&str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(HeaderName::from_bytes(name.as_bytes()).unwrap(), HeaderValue::from_str(value).unwrap());
        }
        headers
    }

    fn check_with(
        settings: &Hmac,
        secrets: &[&str],
        pairs: &[(&str, &str)],
        body: &[u8],
    ) -> Result<Option<String>, Refusal> {
        let headers = headers(pairs);
        let request = Request { headers: &headers, query: "", body, now: now() };
        let secrets: Vec<SecretString> = secrets.iter().map(|secret| (*secret).into()).collect();
        let verified = Verifier::new(settings, &secrets).unwrap().verify(&request)?;
        Ok(verified.delivery_id.map(str::to_owned))
    }

    fn check(settings: &Hmac, pairs: &[(&str, &str)], body: &[u8]) -> Result<Option<String>, Refusal> {
        check_with(settings, &["Jefe"], pairs, body)
    }

    /// RFC 4231 and RFC 2202, test case 2: key "Jefe", data "what do ya want for nothing?".
    const DATA: &[u8] = b"what do ya want for nothing?";
    const SHA1: &str = "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79";
    const SHA256: &str = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
    const SHA512: &str = "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea2505549758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737";

    #[test]
    fn published_vectors_verify_in_every_algorithm_encoding_and_case() {
        for (algorithm, mac) in [(Algorithm::Sha1, SHA1), (Algorithm::Sha256, SHA256), (Algorithm::Sha512, SHA512)] {
            let mut settings = Hmac { algorithm, ..settings("X-Signature") };
            assert_eq!(check(&settings, &[("x-signature", mac)], DATA), Ok(None));
            assert_eq!(check(&settings, &[("x-signature", &mac.to_uppercase())], DATA), Ok(None));
            settings.encoding = Encoding::Base64;
            settings.prefix = "mac=".to_owned();
            use ::base64::Engine as _;
            let bytes = hex::decode(mac).unwrap();
            let standard = ::base64::engine::general_purpose::STANDARD.encode(&bytes);
            let url_safe = ::base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(&bytes);
            assert_eq!(check(&settings, &[("x-signature", &format!("mac={standard}"))], DATA), Ok(None));
            assert_eq!(check(&settings, &[("x-signature", &format!("mac={url_safe}"))], DATA), Ok(None));
        }
    }

    #[test]
    fn refusals_say_what_is_wrong_with_the_header() {
        let settings = Hmac { prefix: "sha256=".to_owned(), ..settings("x-signature") };
        let signed = format!("sha256={SHA256}");
        assert_eq!(check(&settings, &[], DATA), Err(Refusal::SignatureMissing));
        assert_eq!(check(&settings, &[("x-signature", SHA256)], DATA), Err(Refusal::SignatureMalformed));
        assert_eq!(check(&settings, &[("x-signature", "sha256=zz")], DATA), Err(Refusal::SignatureMalformed));
        let too_long = format!("sha256={}", "00".repeat(500));
        assert_eq!(check(&settings, &[("x-signature", &too_long)], DATA), Err(Refusal::SignatureMalformed));
        assert_eq!(check(&settings, &[("x-signature", "sha256=00")], DATA), Err(Refusal::SignatureMismatch));
        assert_eq!(check(&settings, &[("x-signature", "sha256=")], DATA), Err(Refusal::SignatureMismatch));
        assert_eq!(check(&settings, &[("x-signature", &signed)], b"else"), Err(Refusal::SignatureMismatch));
        assert_eq!(check(&settings, &[("x-signature", "sha256=00"), ("x-signature", &signed)], DATA), Ok(None));
    }

    #[test]
    fn any_of_several_secrets_verifies_during_rotation() {
        let signed = [("x-signature", SHA256)];
        let check = |secrets| check_with(&settings("x-signature"), secrets, &signed, DATA);
        assert_eq!(check(&["new", "Jefe"]), Ok(None));
        assert_eq!(check(&["Jefe", "new"]), Ok(None));
        assert_eq!(check(&["new"]), Err(Refusal::SignatureMismatch));
    }

    fn sign(secret: &str, parts: &[&[u8]]) -> String {
        let mac = Key::new(Algorithm::Sha256, secret.as_bytes()).mac(parts.iter().copied());
        hex::encode(mac.as_bytes())
    }

    #[test]
    fn timestamp_is_covered_by_the_signature_and_held_to_the_tolerance() {
        let settings = Hmac {
            timestamp: Some(account::Timestamp {
                header: "x-timestamp".to_owned(),
                format: TimestampFormat::Unix,
                tolerance: Duration::from_secs(60),
            }),
            signed_content: SignedContent::parse("v0:{timestamp}:{body}").unwrap(),
            ..settings("x-signature")
        };
        let check = |pairs: &[(&str, &str)], body: &[u8]| check_with(&settings, &["secret"], pairs, body);
        let send = |age: i64| {
            let timestamp = (now() - TimeDelta::seconds(age)).timestamp().to_string();
            let signature = sign("secret", &[b"v0:", timestamp.as_bytes(), b":", b"body"]);
            check(&[("x-signature", &signature), ("x-timestamp", &timestamp)], b"body")
        };
        assert_eq!(send(0), Ok(None));
        assert_eq!(send(60), Ok(None));
        assert_eq!(send(61), Err(Refusal::TimestampTooOld));
        assert_eq!(send(-60), Ok(None));
        assert_eq!(send(-61), Err(Refusal::TimestampInFuture));
        let signature = sign("secret", &[b"v0:1:body"]);
        let moved = now().timestamp().to_string();
        assert_eq!(
            check(&[("x-signature", &signature), ("x-timestamp", &moved)], b"body"),
            Err(Refusal::SignatureMismatch)
        );
        assert_eq!(check(&[("x-signature", &signature)], b"body"), Err(Refusal::TimestampMissing));
        let signature = sign("secret", &[b"v0:soon:body"]);
        assert_eq!(
            check(&[("x-signature", &signature), ("x-timestamp", "soon")], b"body"),
            Err(Refusal::TimestampMalformed)
        );
    }

    #[test]
    fn delivery_id_is_read_where_the_sender_gives_one() {
        let settings = Hmac { delivery_id_header: Some("X-GitHub-Delivery".to_owned()), ..settings("x-signature") };
        assert_eq!(check(&settings, &[("x-signature", SHA256)], DATA), Ok(None));
        let named = check(&settings, &[("x-signature", SHA256), ("x-github-delivery", "72d3162e")], DATA);
        assert_eq!(named, Ok(Some("72d3162e".to_owned())));
    }

    #[test]
    fn delivery_id_can_be_part_of_what_is_signed() {
        let settings = Hmac {
            delivery_id_header: Some("x-id".to_owned()),
            signed_content: SignedContent::parse("{delivery_id}.{body}").unwrap(),
            ..settings("x-signature")
        };
        let check = |pairs: &[(&str, &str)]| check_with(&settings, &["secret"], pairs, b"body");
        let signature = sign("secret", &[b"7.body"]);
        assert_eq!(check(&[("x-signature", &signature), ("x-id", "7")]), Ok(Some("7".to_owned())));
        assert_eq!(check(&[("x-signature", &signature), ("x-id", "8")]), Err(Refusal::SignatureMismatch));
        assert_eq!(check(&[("x-signature", &signature)]), Err(Refusal::DeliveryIdMissing));
    }

    #[test]
    fn settings_that_cannot_verify_are_refused_and_secrets_never_shown() {
        let refused = |header, secrets: &[&str]| {
            let secrets: Vec<SecretString> = secrets.iter().map(|secret| (*secret).into()).collect();
            Verifier::new(&settings(header), &secrets).unwrap_err()
        };
        assert_eq!(refused("x-signature", &[]), InvalidSettings::NoSecret);
        assert_eq!(refused("x-signature", &["hunter2", ""]), InvalidSettings::EmptySecret { number: 2 });
        assert_eq!(refused("a b", &["hunter2"]), InvalidSettings::HeaderName("a b".to_owned()));
        let verifier = Verifier::new(&settings("x"), &["hunter2".into()]).unwrap();
        assert!(!format!("{verifier:?}").contains("hunter2"));
    }

    proptest! {
        #[test]
        fn any_flipped_bit_of_the_body_or_the_signature_fails(
            body in proptest::collection::vec(any::<u8>(), 1..200),
            place in any::<prop::sample::Index>(),
            bit in 0..8u8,
        ) {
            let settings = settings("x-signature");
            let check = |settings, pairs: &[(&str, &str)], body: &[u8]| check_with(settings, &["secret"], pairs, body);
            let signature = sign("secret", &[&body]);
            prop_assert_eq!(check(&settings, &[("x-signature", &signature)], &body), Ok(None));
            let mut changed = body.clone();
            changed[place.index(body.len())] ^= 1 << bit;
            prop_assert!(check(&settings, &[("x-signature", &signature)], &changed).is_err());
            let mut changed = hex::decode(&signature).unwrap();
            let at = place.index(changed.len());
            changed[at] ^= 1 << bit;
            prop_assert!(check(&settings, &[("x-signature", &hex::encode(changed))], &body).is_err());
        }
    }
}
