//! The HTTP client all providers share, and the few rules of HTTP that hold for each of them.
//!
//! HTTP/1.1 only, because one provider tells a missing scope in the reason phrase, which HTTP/2 does not have. Redirects
//! are never followed here: the code that knows the credentials decides. TLS is rustls with ring and the roots of the
//! platform, so company authorities and `SSL_CERT_FILE` count.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::header::{HeaderMap, RETRY_AFTER};
use url::Url;

use crate::error::{BoxError, Outcome};

pub(crate) mod answer;
pub(crate) mod code;
pub(crate) mod content;
pub(crate) mod measure;
pub(crate) mod outgoing;

pub use content::Content;

/// Connections kept open per host while idle. More than the transfers that usually run at once, so none reconnects.
const IDLE_CONNECTIONS_PER_HOST: usize = 32;

/// Everything but the unreserved characters of RFC 3986.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Builds the HTTP client; one for the whole process, so that connections are shared.
///
/// # Errors
/// When TLS cannot be set up at all. A machine without trusted certificates is no error: plain HTTP works, and HTTPS
/// calls fail naming the certificate.
pub fn client() -> Result<reqwest::Client, BoxError> {
    client_of(builder)
}

/// The client of a builder, with the trust that [`client`] describes.
///
/// # Errors
/// As [`client`].
pub(crate) fn client_of(builder: impl Fn() -> reqwest::ClientBuilder) -> Result<reqwest::Client, BoxError> {
    // Fails only when a provider is installed already, which serves as well.
    let _ = rustls::crypto::ring::default_provider().install_default();
    match builder().build() {
        Ok(client) => Ok(client),
        Err(error) => {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "the platform's trusted certificates cannot be loaded; HTTPS calls will fail"
            );
            Ok(builder().tls_certs_only([]).build()?)
        }
    }
}

pub(crate) fn builder() -> reqwest::ClientBuilder {
    reqwest::Client::builder()
        .user_agent(concat!("gateledger/", env!("CARGO_PKG_VERSION")))
        .http1_only()
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .connect_timeout(Duration::from_secs(10))
        .tcp_nodelay(true)
        .tcp_keepalive(Duration::from_secs(60))
        .pool_max_idle_per_host(IDLE_CONNECTIONS_PER_HOST)
        .pool_idle_timeout(Duration::from_secs(30))
}

/// `base` with path segments appended; each segment is percent-encoded, so an id can never change the path.
pub(crate) fn extend(base: &Url, segments: &[&str]) -> Url {
    let mut url = base.clone();
    if let Ok(mut path) = url.path_segments_mut() {
        path.pop_if_empty().extend(segments);
    }
    url
}

/// `url` with a query in which names and values are percent-encoded, brackets and spaces (`%20`) included.
pub(crate) fn with_query(mut url: Url, pairs: &[(&str, &str)]) -> Url {
    let query: Vec<String> =
        pairs.iter().map(|(name, value)| format!("{}={}", percent_encode(name), percent_encode(value))).collect();
    url.set_query(Some(&query.join("&")));
    url
}

/// UTF-8, percent-encoded except for the unreserved characters of RFC 3986.
pub(crate) fn percent_encode(text: &str) -> String {
    utf8_percent_encode(text, RESERVED).to_string()
}

/// The `Retry-After` header in seconds or as an HTTP date (RFC 9110, section 10.2.3), as a distance from `now`.
pub(crate) fn retry_after(headers: &HeaderMap, now: DateTime<Utc>) -> Option<TimeDelta> {
    let value = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = value.parse::<u32>() {
        return Some(TimeDelta::seconds(i64::from(seconds)));
    }
    let date = DateTime::parse_from_rfc2822(value).ok()?;
    Some((date.to_utc() - now).max(TimeDelta::zero()))
}

/// Whether a request that failed without an answer may have reached the other side.
pub(crate) fn outcome_of(error: &reqwest::Error) -> Outcome {
    if error.is_connect() || error.is_builder() { Outcome::NotDone } else { Outcome::Unknown }
}

/// Whether two URLs are served by the same party: scheme, host and port.
pub(crate) fn same_origin(a: &Url, b: &Url) -> bool {
    a.scheme() == b.scheme() && a.host() == b.host() && a.port_or_known_default() == b.port_or_known_default()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn ids_cannot_leave_their_path_segment() {
        let base = Url::parse("http://127.0.0.1:9100/workdrive/").unwrap();
        let url = extend(&base, &["api", "v1", "files", "../../a?b#c"]);
        assert_eq!(url.as_str(), "http://127.0.0.1:9100/workdrive/api/v1/files/..%2F..%2Fa%3Fb%23c");
    }

    #[test]
    fn brackets_and_spaces_in_queries_are_percent_encoded() {
        let url = with_query(Url::parse("https://a.example/x").unwrap(), &[("page[limit]", "50"), ("q", "a b+c&ü")]);
        assert_eq!(url.as_str(), "https://a.example/x?page%5Blimit%5D=50&q=a%20b%2Bc%26%C3%BC");
    }

    #[test]
    fn retry_after_is_read_as_seconds_and_as_a_date() {
        let now = DateTime::parse_from_rfc3339("2026-01-15T10:00:00Z").unwrap().to_utc();
        let headers = |value: &str| HeaderMap::from_iter([(RETRY_AFTER, value.parse().unwrap())]);
        assert_eq!(retry_after(&headers("84"), now), Some(TimeDelta::seconds(84)));
        assert_eq!(retry_after(&headers("Thu, 15 Jan 2026 10:00:30 GMT"), now), Some(TimeDelta::seconds(30)));
        assert_eq!(retry_after(&headers("soon"), now), None);
        assert_eq!(retry_after(&HeaderMap::new(), now), None);
    }

    #[test]
    fn another_port_is_another_party() {
        let url = |text| Url::parse(text).unwrap();
        assert!(same_origin(&url("https://a.example/x"), &url("https://a.example:443/y")));
        assert!(!same_origin(&url("https://a.example/x"), &url("https://a.example:444/x")));
        assert!(!same_origin(&url("https://a.example/x"), &url("http://a.example/x")));
    }
}
