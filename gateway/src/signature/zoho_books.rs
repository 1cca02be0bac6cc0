//! Workflow webhooks of Zoho Books: HMAC-SHA256 over the parameters and the body
//! (<https://www.zoho.com/billing/kb/webhooks/securing-webhooks.html>, read 2026-11).
//!
//! Parameters of the address and of a form are decoded, sorted by name and strung together without separators; a body that is
//! no form follows as it is. So the signature does not tell `a=bc` from `ab=c`, nor a form from a query: [`Verified::identity`]
//! goes by nothing but what is signed, and whoever reads values believes those of a JSON body without a query alone.
//! Implementers disagree on how it is written, so hexadecimal digits and base64 are both read. There is no time in it.
//!
//! Nothing is computed over a request without a signature that could be right, or with more than 1,000 parameters.

use std::borrow::Cow;

use actix_web::http::header::{self, HeaderMap, HeaderName};
use percent_encoding::percent_decode;
use secrecy::{ExposeSecret as _, SecretString};
use service::config::account::Algorithm;
use subtle::Choice;

use super::key::Key;
use super::{InvalidSettings, Refusal, Request, base64, identity};

/// Where the signature stands.
pub const SIGNATURE_HEADER: HeaderName = HeaderName::from_static("x-zoho-webhook-signature");

/// What a secret of Books is long.
const SECRET_LENGTHS: std::ops::RangeInclusive<usize> = 12..=50;

/// Length of an HMAC-SHA256.
const MAC_BYTES: usize = 32;

/// Room for a signature that is read; decoding base64 asks for up to two bytes more than come out.
const SIGNATURE_ROOM_BYTES: usize = MAC_BYTES + 2;

/// The name of the time when an entity was changed last.
const MODIFIED: &[u8] = b"last_modified_time";

/// Most parameters of the query and the form together. An entity has about a hundred values.
const MOST_PARAMETERS: usize = 1_000;

/// Verifies requests of one Books organisation.
#[derive(Debug, Clone)]
pub struct Verifier {
    keys: Vec<Key>,
}

/// A parameter's name and value, decoded.
type Parameter<'r> = (Cow<'r, [u8]>, Cow<'r, [u8]>);

impl Verifier {
    /// Parses the secrets. Any of them verifies, so that a new one works before the old one is taken away.
    ///
    /// # Errors
    /// [`InvalidSettings::NoSecret`], [`InvalidSettings::BooksSecret`] naming the secret by its place.
    pub fn new(secrets: &[SecretString]) -> Result<Self, InvalidSettings> {
        if secrets.is_empty() {
            return Err(InvalidSettings::NoSecret);
        }
        let mut keys = Vec::with_capacity(secrets.len());
        for (at, secret) in secrets.iter().enumerate() {
            let secret = secret.expose_secret().as_bytes();
            if !SECRET_LENGTHS.contains(&secret.len()) || !secret.iter().all(u8::is_ascii_alphanumeric) {
                return Err(InvalidSettings::BooksSecret { number: at + 1 });
            }
            keys.push(Key::new(Algorithm::Sha256, secret));
        }
        Ok(Verifier { keys })
    }

    /// Whether one of the signatures in the request was made with one of the secrets.
    ///
    /// # Errors
    /// Why the request is not believed.
    pub fn verify(&self, request: &Request<'_>) -> Result<Verified, Refusal> {
        let candidates = candidates(request.headers)?;
        let signed = signed(request)?;
        let mut found = Choice::from(0);
        for key in &self.keys {
            let expected = key.mac([&*signed]);
            for candidate in &candidates {
                found |= expected.matches(candidate);
            }
        }
        if !bool::from(found) {
            return Err(Refusal::SignatureMismatch);
        }
        Ok(Verified { identity: is_dated(&signed).then(|| identity::of([&*signed])) })
    }
}

/// A request that Books signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// What makes two requests the same one sent twice: all that is signed, if the entity in it says when it was changed
    /// last. What a stranger can change without the secret is no part of it, so no other spelling is another request.
    ///
    /// The entity's id and that time alone would not do, since the time has seconds and a workflow can change an entity
    /// twice in one. `None` without that time: then a change there and back again looks like the first one repeated, and
    /// keeping a double is better than losing a change.
    pub identity: Option<String>,
}

/// The signatures that could be right.
fn candidates(headers: &HeaderMap) -> Result<Vec<[u8; MAC_BYTES]>, Refusal> {
    if !headers.contains_key(&SIGNATURE_HEADER) {
        return Err(Refusal::SignatureMissing);
    }
    let texts = headers.get_all(&SIGNATURE_HEADER).filter_map(|value| value.to_str().ok());
    let candidates: Vec<_> = texts.filter_map(|text| decode(text.trim())).collect();
    if candidates.is_empty() { Err(Refusal::SignatureMalformed) } else { Ok(candidates) }
}

/// Whether what is signed says when an entity was changed last: the name, and a digit where the value begins, as in
/// `"last_modified_time": "2026-…` and in the parameter `last_modified_time2026-…`.
fn is_dated(signed: &[u8]) -> bool {
    let begins_value = |rest: &[u8]| {
        let mut value = rest.iter().skip_while(|byte| matches!(**byte, b'"' | b':' | b' ' | b'\t' | b'\r' | b'\n'));
        value.next().is_some_and(u8::is_ascii_digit)
    };
    signed
        .windows(MODIFIED.len())
        .enumerate()
        .any(|(at, name)| name == MODIFIED && begins_value(&signed[at + MODIFIED.len()..]))
}

/// What is signed: the parameters in their order, then the body unless it is a form.
fn signed<'r>(request: &Request<'r>) -> Result<Cow<'r, [u8]>, Refusal> {
    let is_form = is_form(request.headers);
    let (form, raw) = if is_form { (request.body, &[][..]) } else { (&[][..], request.body) };
    let mut all: Vec<Parameter<'r>> = Vec::new();
    for parameter in parameters(request.query.as_bytes()).chain(parameters(form)) {
        if all.len() == MOST_PARAMETERS {
            return Err(Refusal::ParametersMalformed);
        }
        all.push(parameter);
    }
    if all.is_empty() {
        return Ok(Cow::Borrowed(raw));
    }
    all.sort_by(|(one, _), (other, _)| one.cmp(other));
    let parts = all.iter().flat_map(|(name, value)| [&**name, &**value]).chain([raw]);
    Ok(Cow::Owned(parts.collect::<Vec<_>>().concat()))
}

/// The parameters of a query string or form; what lies between two `&`, or after the last one, may be empty.
fn parameters(encoded: &[u8]) -> impl Iterator<Item = Parameter<'_>> {
    encoded.split(|byte| *byte == b'&').filter(|pair| !pair.is_empty()).map(|pair| {
        let at = pair.iter().position(|byte| *byte == b'=');
        let (name, value) = at.map_or((pair, &[][..]), |at| (&pair[..at], &pair[at + 1..]));
        (decoded(name), decoded(value))
    })
}

/// As bytes, so that two texts that are no UTF-8 do not become the same.
fn decoded(text: &[u8]) -> Cow<'_, [u8]> {
    if !text.contains(&b'+') {
        return percent_decode(text).into();
    }
    let spaced: Vec<u8> = text.iter().map(|byte| if *byte == b'+' { b' ' } else { *byte }).collect();
    Cow::Owned(percent_decode(&spaced).collect())
}

fn is_form(headers: &HeaderMap) -> bool {
    let media_type = super::header(headers, &header::CONTENT_TYPE).and_then(|text| text.split(';').next());
    media_type.is_some_and(|text| text.trim().eq_ignore_ascii_case("application/x-www-form-urlencoded"))
}

/// Reads a signature in either way of writing; the length tells which it is.
fn decode(text: &str) -> Option<[u8; MAC_BYTES]> {
    let mut bytes = [0; MAC_BYTES];
    if text.len() == 2 * MAC_BYTES {
        hex::decode_to_slice(text, &mut bytes).ok()?;
        return Some(bytes);
    }
    let mut room = [0; SIGNATURE_ROOM_BYTES];
    bytes.copy_from_slice(base64::decode_into(text, &mut room).filter(|bytes| bytes.len() == MAC_BYTES)?);
    Some(bytes)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use ::base64::Engine as _;
    use ::base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
    use actix_web::http::header::HeaderValue;
    use chrono::DateTime;
    use proptest::prelude::*;

    use super::*;

    const SECRET: &str = "abcdefghijkl0123";
    const JSON: &str = "application/json";
    const FORM: &str = "application/x-www-form-urlencoded; charset=UTF-8";
    /// Parameters, body and what is signed of them, from the provider's own page.
    const QUERY: &str = "subscription_id=90343&name=basic";
    const BODY: &str = r#"{"created_date":"2019-03-06","event_id":"5675"}"#;
    const SIGNED: &str = r#"namebasicsubscription_id90343{"created_date":"2019-03-06","event_id":"5675"}"#;

    fn mac(signed: &[u8]) -> Vec<u8> {
        Key::new(Algorithm::Sha256, SECRET.as_bytes()).mac([signed]).as_bytes().to_vec()
    }

    fn hex_of(signed: &str) -> String {
        hex::encode(mac(signed.as_bytes()))
    }

    fn headers(content_type: &'static str, signatures: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
        for signature in signatures {
            headers.append(SIGNATURE_HEADER, HeaderValue::from_str(signature).unwrap());
        }
        headers
    }

    fn request<'a>(headers: &'a HeaderMap, query: &'a str, body: &'a [u8]) -> Request<'a> {
        Request { headers, query, body, now: DateTime::from_timestamp(1_768_471_500, 0).unwrap() }
    }

    fn check_with(secrets: &[&str], headers: &HeaderMap, query: &str, body: &[u8]) -> Result<(), Refusal> {
        let secrets: Vec<SecretString> = secrets.iter().map(|secret| (*secret).into()).collect();
        Verifier::new(&secrets).unwrap().verify(&request(headers, query, body)).map(|_| ())
    }

    fn check(content_type: &'static str, signature: &str, query: &str, body: &str) -> Result<(), Refusal> {
        check_with(&[SECRET], &headers(content_type, &[signature]), query, body.as_bytes())
    }

    #[test]
    fn the_providers_example_verifies_in_both_ways_of_writing() {
        // From `printf '%s' SIGNED | openssl dgst -sha256 -hmac SECRET`.
        let by_openssl = "89efb2f87c3a62d18fc509df30eb9cf47f81acbb186c75ca9f0402341f5de197";
        assert_eq!(hex_of(SIGNED), by_openssl);
        let bytes = mac(SIGNED.as_bytes());
        for signature in
            [by_openssl.to_owned(), by_openssl.to_uppercase(), STANDARD.encode(&bytes), URL_SAFE_NO_PAD.encode(&bytes)]
        {
            assert_eq!(check(JSON, &signature, QUERY, BODY), Ok(()), "{signature}");
        }
        assert_eq!(check(JSON, by_openssl, &format!("{QUERY}&"), BODY), Ok(()));
        assert_eq!(check(JSON, by_openssl, "name=basic&&subscription_id=90343", BODY), Ok(()));
        assert_eq!(check(JSON, by_openssl, "name=basic", BODY), Err(Refusal::SignatureMismatch));
        assert_eq!(check(JSON, by_openssl, QUERY, "{}"), Err(Refusal::SignatureMismatch));
    }

    #[test]
    fn a_form_is_signed_over_its_decoded_values_among_those_of_the_query() {
        let body = "contact_name=M%C3%BCller+%26+S%C3%B6hne+%3D+1&a=&b";
        let signed = "abconn7contact_nameMüller & Söhne = 1";
        assert_eq!(check(FORM, &hex_of(signed), "conn=7", body), Ok(()));
        assert_eq!(check(FORM, &hex_of(signed), "conn=7", &format!("{body}&")), Ok(()));
        assert_eq!(check(JSON, &hex_of(signed), "conn=7", body), Err(Refusal::SignatureMismatch));
        assert_eq!(check(FORM, &hex_of("a%C3%BC"), "", "a=%C3%BC"), Err(Refusal::SignatureMismatch));
    }

    #[test]
    fn values_that_are_no_text_stay_apart() {
        let headers = headers(FORM, &[&hex::encode(mac(b"a\xff"))]);
        assert_eq!(check_with(&[SECRET], &headers, "", b"a=%FF"), Ok(()));
        assert_eq!(check_with(&[SECRET], &headers, "", b"a=%FE"), Err(Refusal::SignatureMismatch));
    }

    #[test]
    fn wrong_signatures_are_told_apart() {
        let right = hex_of(BODY);
        let check = |signatures: &[&str]| check_with(&[SECRET], &headers(JSON, signatures), "", BODY.as_bytes());
        assert_eq!(check(&[]), Err(Refusal::SignatureMissing));
        assert_eq!(check(&[&"0".repeat(64)]), Err(Refusal::SignatureMismatch));
        for malformed in ["", "zz", &right[..62], &"z".repeat(64), &format!("{right}00"), "AAAA"] {
            assert_eq!(check(&[malformed]), Err(Refusal::SignatureMalformed), "{malformed}");
        }
        assert_eq!(check(&["zz", &right]), Ok(()));
    }

    #[test]
    fn any_of_several_secrets_verifies_during_rotation() {
        let headers = headers(JSON, &[&hex_of(BODY)]);
        let check = |secrets: &[&str]| check_with(secrets, &headers, "", BODY.as_bytes());
        assert_eq!(check(&["another0secret", SECRET]), Ok(()));
        assert_eq!(check(&[SECRET, "another0secret"]), Ok(()));
        assert_eq!(check(&["another0secret"]), Err(Refusal::SignatureMismatch));
    }

    #[test]
    fn secrets_that_books_does_not_take_are_refused_and_never_shown() {
        let refused = |secrets: &[&str]| {
            let secrets: Vec<SecretString> = secrets.iter().map(|secret| (*secret).into()).collect();
            Verifier::new(&secrets).unwrap_err()
        };
        assert_eq!(refused(&[]), InvalidSettings::NoSecret);
        for bad in ["", "abcdefghijk", &"a".repeat(51), "abcdefghijkl-", "abcdefghijklé"] {
            assert_eq!(refused(&[SECRET, bad]), InvalidSettings::BooksSecret { number: 2 }, "{bad}");
        }
        assert!(!refused(&["hunter2"]).to_string().contains("hunter2"));
        for good in ["abcdefghijkl", &"A1".repeat(25)] {
            assert!(Verifier::new(&[good.into()]).is_ok(), "{good}");
        }
    }

    /// The identity of a request whose signature is right.
    fn named(content_type: &'static str, query: &str, body: &str) -> Option<String> {
        let signature =
            hex::encode(mac(&signed(&request(&headers(content_type, &[]), query, body.as_bytes())).unwrap()));
        let headers = headers(content_type, &[&signature]);
        let verifier = Verifier::new(&[SECRET.into()]).unwrap();
        verifier.verify(&request(&headers, query, body.as_bytes())).unwrap().identity
    }

    #[test]
    fn dated_entities_are_recognised_by_what_they_say() {
        let wrapped = r#"{"contact":{"contact_id":"1","last_modified_time":"2026-01-15T10:05:00+0000"}}"#;
        let bare = r#"{"contact_id":"1","last_modified_time" : "2026-01-15T10:05:00+0000"}"#;
        let form = "contact_id=1&last_modified_time=2026-01-15T10%3A05%3A00%2B0000";
        for (content_type, body) in [(JSON, wrapped), (JSON, bare), (FORM, form)] {
            assert!(named(content_type, "", body).is_some(), "{body}");
            assert_eq!(named(content_type, "", body), named(content_type, "", body));
            assert_ne!(named(content_type, "", body), named(content_type, "on=delete", body));
        }
        let twice_in_a_second = wrapped.replace("\"1\"", "\"2\"");
        assert_ne!(named(JSON, "", wrapped), named(JSON, "", &twice_in_a_second));
    }

    #[test]
    fn what_is_not_dated_is_never_taken_for_a_repetition() {
        for body in
            [r#"{"user":{"user_id":"1","user_role":"admin"}}"#, r#"{"last_modified_time":""}"#, "[]", "", "hello"]
        {
            assert_eq!(named(JSON, "", body), None, "{body}");
        }
        assert_eq!(named(FORM, "", "last_modified_time=&a=1"), None);
        assert_eq!(named(JSON, "", r#"{"last_modified_time"#), None);
    }

    #[test]
    fn every_spelling_that_one_signature_covers_is_one_request() {
        const TEXT: &str = "text/plain";
        let json = r#"{"contact_id":"1","last_modified_time":"2026-01-15T10:05:00+0000"}"#;
        let encoded = r#"%7b"contact_id":"1","last_modified_time":"2026-01-15T10:05:00%2B0000"%7D"#;
        let form = "contact_id=1&last_modified_time=2026-01-15T10%3A05%3A00%2B0000&name=a+b";
        let json: &[(&'static str, &str, &str)] = &[
            (JSON, "", json),
            (JSON, "&", json),
            (JSON, "&&", json),
            (TEXT, "=", json),
            (JSON, encoded, ""),
            (FORM, "", encoded),
        ];
        let form: &[(&'static str, &str, &str)] = &[
            (FORM, "", form),
            (FORM, "&", &format!("{form}&&")),
            (JSON, form, ""),
            (FORM, "name=a%20b&contact_id=1", "last_modified_time=2026-01-15T10:05:00%2b0000"),
            (FORM, "", "contact_id1last=_modified_time2026-01-15T10:05:00%2B0000namea%20b"),
            (TEXT, "contact_id=1", "last_modified_time2026-01-15T10:05:00+0000namea b"),
        ];
        for spellings in [json, form] {
            let bytes = |(content_type, query, body): &(&'static str, &str, &str)| {
                let headers = headers(content_type, &[]);
                signed(&request(&headers, query, body.as_bytes())).unwrap().into_owned()
            };
            let first = named(spellings[0].0, spellings[0].1, spellings[0].2);
            assert!(first.is_some());
            for spelling in spellings {
                assert_eq!(bytes(spelling), bytes(&spellings[0]), "{spelling:?} has the same signature");
                assert_eq!(named(spelling.0, spelling.1, spelling.2), first, "{spelling:?}");
            }
        }
    }

    #[test]
    fn too_many_parameters_are_refused_and_a_missing_signature_before_them() {
        let many = |count: usize| "a=1&".repeat(count);
        let right = hex_of(&"a1".repeat(1_000));
        assert_eq!(check(FORM, &right, "", &many(1_000)), Ok(()));
        assert_eq!(check(FORM, &right, &many(500), &many(500)), Ok(()));
        assert_eq!(check(FORM, &right, "", &many(1_001)), Err(Refusal::ParametersMalformed));
        assert_eq!(check(JSON, &right, &many(1_001), "{}"), Err(Refusal::ParametersMalformed));
        assert_eq!(check(FORM, "zz", "", &many(1_001)), Err(Refusal::SignatureMalformed));
        let unsigned = headers(FORM, &[]);
        assert_eq!(check_with(&[SECRET], &unsigned, "", many(1_001).as_bytes()), Err(Refusal::SignatureMissing));
    }

    proptest! {
        #[test]
        fn any_flipped_bit_of_the_body_or_the_signature_fails(
            body in proptest::collection::vec(any::<u8>(), 1..200),
            place in any::<prop::sample::Index>(),
            bit in 0..8u8,
        ) {
            let signature = mac(&[b"conn7", &*body].concat());
            let check = |signature: &[u8], body: &[u8]| {
                check_with(&[SECRET], &headers(JSON, &[&hex::encode(signature)]), "conn=7", body)
            };
            prop_assert_eq!(check(&signature, &body), Ok(()));
            let mut changed = body.clone();
            changed[place.index(body.len())] ^= 1 << bit;
            prop_assert!(check(&signature, &changed).is_err());
            let mut changed = signature.clone();
            changed[place.index(signature.len())] ^= 1 << bit;
            prop_assert!(check(&changed, &body).is_err());
        }

        #[test]
        fn any_changed_value_of_a_form_fails(value in "\\PC{0,30}", other in "\\PC{0,30}") {
            let encoded = |value: &str| percent_encoding::utf8_percent_encode(value, percent_encoding::NON_ALPHANUMERIC).to_string();
            let signature = hex_of(&format!("name{value}"));
            let verified = check(FORM, &signature, "", &format!("name={}", encoded(&other)));
            prop_assert_eq!(verified.is_ok(), value == other);
        }

        #[test]
        fn no_body_makes_reading_panic(body in proptest::collection::vec(any::<u8>(), 0..300), query in "\\PC{0,50}") {
            for content_type in [JSON, FORM] {
                let headers = headers(content_type, &[]);
                let request = request(&headers, &query, &body);
                let _ = signed(&request).map(|signed| is_dated(&signed));
            }
        }
    }
}
