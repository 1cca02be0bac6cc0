//! Which accounts server a callback may name.

use url::Url;

use crate::http::same_origin;
use crate::zoho::Region;
use crate::zoho::oauth::Error;
use crate::zoho::refusal::words;

/// An accounts server that may see our client secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountsServer {
    url: Url,
    region: Option<Region>,
}

impl AccountsServer {
    /// Its base URL.
    #[must_use]
    pub fn url(&self) -> &Url {
        &self.url
    }

    /// The data centre; `None` for a configured server that is not Zoho's own. The grant of a person who lives in another
    /// region than the account is configured for cannot be used until that is changed.
    #[must_use]
    pub fn region(&self) -> Option<Region> {
        self.region
    }

    /// Reads the two parameters of a callback. The configured server keeps its path.
    pub(super) fn of_callback(
        configured: &Url,
        location: Option<&str>,
        accounts_server: Option<&str>,
    ) -> Result<Self, Error> {
        let server = match accounts_server {
            Some(text) => Self::named(configured, text)?,
            None => Self::located(configured, location),
        };
        let Some((location, region)) = location.zip(server.region) else { return Ok(server) };
        if Region::at_location(location) != Some(region) {
            return Err(Error::LocationMismatch { location: words(location), server: server.url });
        }
        Ok(server)
    }

    fn named(configured: &Url, text: &str) -> Result<Self, Error> {
        let untrusted = || Error::UntrustedServer { server: words(text) };
        let url = Url::parse(text).map_err(|_| untrusted())?;
        let is_bare = url.username().is_empty() && url.password().is_none();
        if is_bare && same_origin(&url, configured) {
            return Ok(Self::configured(configured));
        }
        let region = Region::ALL.into_iter().find(|region| same_origin(&url, &region.accounts_server()));
        let region = region.filter(|_| is_bare).ok_or_else(untrusted)?;
        Ok(Self { url: region.accounts_server(), region: Some(region) })
    }

    /// Only where the configured server is one of Zoho's does a location mean another of them: a proxy or a simulator
    /// serves every location itself.
    fn located(configured: &Url, location: Option<&str>) -> Self {
        let configured = Self::configured(configured);
        match (configured.region, location.and_then(Region::at_location)) {
            (Some(_), Some(region)) => Self { url: region.accounts_server(), region: Some(region) },
            _ => configured,
        }
    }

    fn configured(url: &Url) -> Self {
        let region = Region::ALL.into_iter().find(|region| same_origin(url, &region.accounts_server()));
        Self { url: url.clone(), region }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        Url::parse(text).unwrap()
    }

    fn com() -> Url {
        Region::Com.accounts_server()
    }

    #[test]
    fn a_grant_of_another_data_centre_is_exchanged_there() {
        for region in Region::ALL {
            let named = region.accounts_server();
            let server = AccountsServer::of_callback(&com(), None, Some(named.as_str())).unwrap();
            assert_eq!((server.url(), server.region()), (&named, Some(region)));
        }
        let india = AccountsServer::of_callback(&com(), Some("in"), Some("https://accounts.zoho.in")).unwrap();
        assert_eq!(india.url().as_str(), "https://accounts.zoho.in/");
        let by_location = AccountsServer::of_callback(&com(), Some("ca"), None).unwrap();
        assert_eq!(by_location.url().as_str(), "https://accounts.zohocloud.ca/");
        let neither = AccountsServer::of_callback(&com(), None, None).unwrap();
        assert_eq!((neither.url(), neither.region()), (&com(), Some(Region::Com)));
        let home = AccountsServer::of_callback(&com(), Some("us"), Some("https://accounts.zoho.com")).unwrap();
        assert_eq!(home.region(), Some(Region::Com));
    }

    #[test]
    fn a_server_that_is_not_known_never_learns_the_secret() {
        for bad in [
            "https://accounts.zoho.com.evil.example",
            "https://evil.example/accounts.zoho.com",
            "http://accounts.zoho.com",
            "https://accounts.zoho.com:8443",
            "https://accounts.zoho.com@evil.example",
            "https://user@accounts.zoho.com",
            "https://evil.accounts.zoho.in",
            "//accounts.zoho.com",
            "accounts.zoho.com",
            "",
        ] {
            let refused = AccountsServer::of_callback(&com(), None, Some(bad));
            assert!(matches!(refused, Err(Error::UntrustedServer { .. })), "{bad}: {refused:?}");
        }
    }

    #[test]
    fn words_that_disagree_are_refused() {
        for location in ["eu", "mars"] {
            let refused = AccountsServer::of_callback(&com(), Some(location), Some("https://accounts.zoho.in"));
            assert!(matches!(refused, Err(Error::LocationMismatch { .. })), "{location}");
        }
    }

    #[test]
    fn a_configured_server_serves_every_location_and_keeps_its_path() {
        let configured = url("http://127.0.0.1:9100/accounts");
        for named in [None, Some("http://127.0.0.1:9100"), Some("http://127.0.0.1:9100/accounts")] {
            let server = AccountsServer::of_callback(&configured, Some("us"), named).unwrap();
            assert_eq!((server.url(), server.region()), (&configured, None));
        }
        assert!(AccountsServer::of_callback(&configured, None, Some("http://127.0.0.1:9101")).is_err());
    }
}
