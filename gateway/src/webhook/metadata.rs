//! What is kept of a request besides its body: headers and query, bounded, without secrets.
//!
//! Written straight from the request as JSON of the same shape as [`catalogue::delivery::Metadata`].

use std::borrow::Cow;

use actix_web::http::header::{HeaderMap, HeaderName};
use serde::ser::{Serialize, SerializeMap as _, Serializer};

use super::traceparent;

/// How much is kept. Larger requests lose the headers that come last, and the end of long values.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    headers: usize,
    value_bytes: usize,
    total_bytes: usize,
}

/// What a recorded delivery keeps.
pub(crate) const RECORDED: Bounds = Bounds { headers: 64, value_bytes: 1024, total_bytes: 8 * 1024 };
/// What a rejected request keeps; anybody can send those.
pub(crate) const REJECTED: Bounds = Bounds { headers: 32, value_bytes: 512, total_bytes: 2 * 1024 };

/// Parts of a header's or parameter's name that say its value is a secret.
const SECRET_NAMES: [&str; 9] =
    ["authorization", "cookie", "token", "secret", "signature", "api-key", "apikey", "password", "credential"];

const LONGEST_QUERY_BYTES: usize = 2048;
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

fn is_secret(name: &str) -> bool {
    SECRET_NAMES.iter().any(|part| name.contains(part))
}

/// Metadata of a delivery, borrowed from its request.
#[derive(Debug, serde::Serialize)]
pub(crate) struct Metadata<'a> {
    headers: KeptHeaders<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    query: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    traceparent: Option<&'a str>,
}

impl<'a> Metadata<'a> {
    /// Takes what may be kept; `signature_header` is dropped whatever its name is.
    pub(crate) fn new(
        headers: &'a HeaderMap,
        query: &'a str,
        signature_header: Option<&'a HeaderName>,
        bounds: Bounds,
    ) -> Self {
        let traceparent = headers.get(TRACEPARENT).and_then(|value| value.to_str().ok());
        Metadata {
            headers: KeptHeaders { headers, signature_header, bounds },
            query: (!query.is_empty()).then(|| without_secrets(query)),
            traceparent: traceparent.filter(|text| traceparent::is_valid(text)),
        }
    }
}

#[derive(Debug)]
struct KeptHeaders<'a> {
    headers: &'a HeaderMap,
    signature_header: Option<&'a HeaderName>,
    bounds: Bounds,
}

impl Serialize for KeptHeaders<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        let mut room = self.bounds.total_bytes;
        let names =
            self.headers.keys().filter(|name| Some(*name) != self.signature_header && !is_secret(name.as_str()));
        for name in names.take(self.bounds.headers) {
            let value = joined(self.headers, name);
            let value = cut(&value, self.bounds.value_bytes);
            let Some(rest) = room.checked_sub(name.as_str().len() + value.len()) else { break };
            room = rest;
            map.serialize_entry(name.as_str(), value)?;
        }
        map.end()
    }
}

/// The values of one header; several are one list (RFC 9110, section 5.2).
fn joined<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Cow<'a, str> {
    let mut values = headers.get_all(name).map(|value| String::from_utf8_lossy(value.as_bytes()));
    let mut all = values.next().unwrap_or_default();
    for value in values {
        let all = all.to_mut();
        all.push_str(", ");
        all.push_str(&value);
    }
    all
}

/// The first `length` bytes of `text`, or a few less to end with a whole character.
pub(crate) fn cut(text: &str, length: usize) -> &str {
    &text[..text.floor_char_boundary(length)]
}

fn without_secrets(query: &str) -> Cow<'_, str> {
    let query = cut(query, LONGEST_QUERY_BYTES);
    let names_secret = |pair: &str| pair.split_once('=').is_some_and(|(name, _)| is_secret(&name.to_ascii_lowercase()));
    if !query.split('&').any(names_secret) {
        return Cow::Borrowed(query);
    }
    let pairs = query.split('&').map(|pair| match pair.split_once('=') {
        Some((name, _)) if names_secret(pair) => Cow::Owned(format!("{name}=redacted")),
        _ => Cow::Borrowed(pair),
    });
    Cow::Owned(pairs.collect::<Vec<_>>().join("&"))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use actix_web::http::header::HeaderValue;
    use catalogue::delivery;

    use super::*;

    fn kept(
        pairs: &[(&str, &[u8])],
        query: &str,
        signature_header: Option<&str>,
        bounds: Bounds,
    ) -> delivery::Metadata {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(HeaderName::from_bytes(name.as_bytes()).unwrap(), HeaderValue::from_bytes(value).unwrap());
        }
        let signature_header = signature_header.map(|name| HeaderName::from_bytes(name.as_bytes()).unwrap());
        let metadata = Metadata::new(&headers, query, signature_header.as_ref(), bounds);
        serde_json::from_str(&serde_json::to_string(&metadata).unwrap()).unwrap()
    }

    #[test]
    fn headers_are_kept_as_the_catalogue_reads_them() {
        let kept = kept(
            &[("X-One", b"1"), ("x-two", b"a"), ("x-two", b"b"), ("x-bytes", b"caf\xe9"), ("webhook-id", b"msg_1")],
            "conn=7&x",
            None,
            RECORDED,
        );
        let headers: Vec<(&str, &str)> = kept.headers.iter().map(|(name, value)| (&**name, &**value)).collect();
        assert_eq!(headers, [("webhook-id", "msg_1"), ("x-bytes", "caf\u{fffd}"), ("x-one", "1"), ("x-two", "a, b")]);
        assert_eq!(kept.query.as_deref(), Some("conn=7&x"));
        assert_eq!(kept.traceparent, None);
    }

    #[test]
    fn secrets_are_never_kept() {
        let kept = kept(
            &[
                ("Authorization", b"Bearer hunter2"),
                ("Proxy-Authorization", b"hunter2"),
                ("cookie", b"hunter2"),
                ("x-hub-signature-256", b"hunter2"),
                ("X-Api-Key", b"hunter2"),
                ("x-goog-channel-token", b"hunter2"),
                ("x-hmac", b"hunter2"),
                ("x-kept", b"1"),
            ],
            "a=1&Access_Token=hunter2&secret=hunter2",
            Some("x-hmac"),
            RECORDED,
        );
        assert_eq!(kept.headers.into_keys().collect::<Vec<_>>(), ["x-kept"]);
        assert_eq!(kept.query.as_deref(), Some("a=1&Access_Token=redacted&secret=redacted"));
    }

    #[test]
    fn count_and_size_are_bounded() {
        let many: Vec<(String, Vec<u8>)> = (0..90).map(|at| (format!("x-{at}"), vec![b'v'; 4000])).collect();
        let many: Vec<(&str, &[u8])> = many.iter().map(|(name, value)| (&**name, &**value)).collect();
        let large = kept(&many, &"q".repeat(10_000), None, RECORDED);
        assert_eq!(large.headers.len(), 7);
        assert!(large.headers.values().all(|value| value.len() == 1024));
        assert_eq!(large.query.map(|query| query.len()), Some(2048));
        let small: Vec<(&str, &[u8])> = many.iter().map(|(name, _)| (*name, &b"v"[..])).collect();
        assert_eq!(kept(&small, "", None, RECORDED).headers.len(), 64);
        assert_eq!(kept(&small, "", None, REJECTED).headers.len(), 32);
    }

    #[test]
    fn a_valid_trace_parent_is_taken_over() {
        const GOOD: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        assert_eq!(kept(&[("traceparent", GOOD.as_bytes())], "", None, RECORDED).traceparent.as_deref(), Some(GOOD));
        assert_eq!(kept(&[("traceparent", b"00-nonsense")], "", None, RECORDED).traceparent, None);
    }
}
