//! Where a Zoho account lives, and the hosts of that data centre.
//!
//! The hosts are a table and never derived from one another: Canada and Saudi Arabia do not follow the pattern.
//! Source: zoho.com/accounts/protocol/oauth/multi-dc.html and the host lists of the WorkDrive and Cliq API pages.

use std::fmt;
use std::str::FromStr;

use url::Url;

/// A Zoho data centre. A grant made in one is good in that one only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Region {
    /// United States.
    Com,
    /// European Union.
    Eu,
    /// India.
    In,
    /// Australia.
    Au,
    /// Japan.
    Jp,
    /// Canada.
    Ca,
    /// Saudi Arabia.
    Sa,
    /// China.
    Cn,
}

/// The name is not that of a region.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown zoho region {0:?}; known are com, eu, in, au, jp, ca, sa, cn")]
pub struct UnknownRegion(pub String);

impl Region {
    /// Every region.
    pub const ALL: [Self; 8] = [Self::Com, Self::Eu, Self::In, Self::Au, Self::Jp, Self::Ca, Self::Sa, Self::Cn];

    /// The short name used in settings.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Com => "com",
            Self::Eu => "eu",
            Self::In => "in",
            Self::Au => "au",
            Self::Jp => "jp",
            Self::Ca => "ca",
            Self::Sa => "sa",
            Self::Cn => "cn",
        }
    }

    /// The base URL of the data centre's accounts server.
    ///
    /// # Panics
    /// Never: the hosts are constants.
    #[must_use]
    pub fn accounts_server(self) -> Url {
        https(self.hosts()[0], "")
    }

    /// The data centre that the accounts server means by a `location`.
    #[must_use]
    pub fn at_location(location: &str) -> Option<Self> {
        // The one name that differs from ours.
        if location.eq_ignore_ascii_case("us") {
            return Some(Self::Com);
        }
        Self::ALL.into_iter().find(|region| *region != Self::Com && region.as_str().eq_ignore_ascii_case(location))
    }

    /// Hosts: accounts server, API domain, WorkDrive download, WorkDrive upload, Cliq.
    fn hosts(self) -> [&'static str; 5] {
        match self {
            Self::Com => {
                ["accounts.zoho.com", "www.zohoapis.com", "download.zoho.com", "upload.zoho.com", "cliq.zoho.com"]
            }
            Self::Eu => ["accounts.zoho.eu", "www.zohoapis.eu", "download.zoho.eu", "upload.zoho.eu", "cliq.zoho.eu"],
            Self::In => ["accounts.zoho.in", "www.zohoapis.in", "download.zoho.in", "upload.zoho.in", "cliq.zoho.in"],
            Self::Au => [
                "accounts.zoho.com.au",
                "www.zohoapis.com.au",
                "download.zoho.com.au",
                "upload.zoho.com.au",
                "cliq.zoho.com.au",
            ],
            Self::Jp => ["accounts.zoho.jp", "www.zohoapis.jp", "download.zoho.jp", "upload.zoho.jp", "cliq.zoho.jp"],
            Self::Ca => [
                "accounts.zohocloud.ca",
                "www.zohoapis.ca",
                "download.zohocloud.ca",
                "upload.zohocloud.ca",
                "cliq.zohocloud.ca",
            ],
            Self::Sa => ["accounts.zoho.sa", "www.zohoapis.sa", "files.zoho.sa", "files.zoho.sa", "cliq.zoho.sa"],
            Self::Cn => [
                "accounts.zoho.com.cn",
                "www.zohoapis.com.cn",
                "download.zoho.com.cn",
                "upload.zoho.com.cn",
                "cliq.zoho.com.cn",
            ],
        }
    }
}

impl FromStr for Region {
    type Err = UnknownRegion;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wanted = text.trim().to_ascii_lowercase();
        let found = Self::ALL.into_iter().find(|region| region.as_str() == wanted);
        found.ok_or_else(|| UnknownRegion(text.to_owned()))
    }
}

impl fmt::Display for Region {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// Base URLs of one account; each may be replaced, for a proxy, a test or a simulator. Paths in them are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoints {
    /// Accounts server; `/oauth/v2/…` is appended.
    pub accounts: Url,
    /// API domain; `/crm/v8/…` and `/books/v3/…` are appended.
    pub api: Url,
    /// WorkDrive API; `/api/v1/…` is appended. By default the API domain's `/workdrive`.
    pub workdrive: Url,
    /// WorkDrive download host; `/v1/workdrive/download/…` is appended.
    pub download: Url,
    /// WorkDrive stream upload host; `/workdrive-api/v1/stream/upload` is appended.
    pub upload: Url,
    /// Cliq host; `/api/v2/…` and `/api/v3/…` are appended.
    pub cliq: Url,
}

impl Endpoints {
    /// The documented hosts of a region.
    ///
    /// # Panics
    /// Never: the hosts are constants.
    #[must_use]
    pub fn for_region(region: Region) -> Self {
        let [accounts, api, download, upload, cliq] = region.hosts();
        Self {
            accounts: https(accounts, ""),
            api: https(api, ""),
            workdrive: https(api, "workdrive"),
            download: https(download, ""),
            upload: https(upload, ""),
            cliq: https(cliq, ""),
        }
    }
}

fn https(host: &str, path: &str) -> Url {
    Url::parse(&format!("https://{host}/{path}")).expect("constant hosts are valid")
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn every_region_is_found_by_its_name() {
        for region in Region::ALL {
            assert_eq!(region.to_string().parse(), Ok(region));
            let _ = Endpoints::for_region(region);
        }
        assert_eq!(" EU ".parse(), Ok(Region::Eu));
    }

    #[test]
    fn an_unknown_region_names_the_known_ones() {
        let error = "mars".parse::<Region>().unwrap_err().to_string();
        assert_eq!(error, "unknown zoho region \"mars\"; known are com, eu, in, au, jp, ca, sa, cn");
    }

    #[test]
    fn canada_and_saudi_arabia_keep_their_irregular_hosts() {
        let canada = Endpoints::for_region(Region::Ca);
        assert_eq!(canada.accounts.as_str(), "https://accounts.zohocloud.ca/");
        assert_eq!(canada.workdrive.as_str(), "https://www.zohoapis.ca/workdrive");
        let arabia = Endpoints::for_region(Region::Sa);
        assert_eq!(arabia.download.as_str(), "https://files.zoho.sa/");
    }
}
