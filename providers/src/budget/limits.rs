//! The limits of an account as settings.

use std::borrow::Cow;
use std::time::Duration;

use crate::budget::{Lane, Limit};

/// Limits of one Zoho account. The defaults stay below what is documented or was measured; see each field.
#[derive(Debug, Clone, PartialEq)]
pub struct Limits {
    /// WorkDrive metadata and listing calls per second. Default 3. No official number exists; about 6 were measured as
    /// sustainable without bursts. Higher risks penalties of minutes, lower only costs time.
    pub workdrive_metadata_per_second: f64,
    /// Listings of one and the same folder in any 60 seconds. Default 18; the 20th is refused for about 300 seconds.
    pub workdrive_listings_per_folder_per_minute: u32,
    /// Access tokens asked for in any 10 minutes. Default 8; the provider allows 10 for each refresh token.
    pub token_refreshes_per_10_minutes: u32,
    /// CRM calls per second, with a burst of one second's worth. Default 10. The provider counts calls in flight
    /// (5 to 25 by edition) and credits per day, not calls per second.
    pub crm_per_second: f64,
    /// CRM queries (COQL) per second. Default 5. They share a smaller allowance of 10 calls in flight.
    pub crm_heavy_per_second: f64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            workdrive_metadata_per_second: 3.0,
            workdrive_listings_per_folder_per_minute: 18,
            token_refreshes_per_10_minutes: 8,
            crm_per_second: 10.0,
            crm_heavy_per_second: 5.0,
        }
    }
}

impl Limits {
    /// Requests for access tokens.
    #[must_use]
    pub fn oauth_token(&self) -> Lane {
        let limit =
            Limit::Window { permits: self.token_refreshes_per_10_minutes.max(1), window: Duration::from_secs(600) };
        Lane { name: Cow::Borrowed("oauth.token"), limit }
    }

    /// Every CRM call.
    #[must_use]
    pub fn crm(&self) -> Lane {
        Lane { name: Cow::Borrowed("crm"), limit: rate(self.crm_per_second) }
    }

    /// CRM calls that share the smaller allowance, in addition to [`Self::crm`].
    #[must_use]
    pub fn crm_heavy(&self) -> Lane {
        Lane { name: Cow::Borrowed("crm.heavy"), limit: rate(self.crm_heavy_per_second) }
    }

    /// WorkDrive calls other than moving bytes. Strictly spaced: a burst of 1 is all that was measured to be tolerated.
    #[must_use]
    pub fn workdrive_metadata(&self) -> Lane {
        let limit = Limit::Rate { per_second: self.workdrive_metadata_per_second, burst: 1 };
        Lane { name: Cow::Borrowed("workdrive.metadata"), limit }
    }

    /// Listings of one folder, in addition to [`Self::workdrive_metadata`].
    #[must_use]
    pub fn workdrive_folder(&self, folder_id: &str) -> Lane {
        let limit = Limit::Window {
            permits: self.workdrive_listings_per_folder_per_minute.max(1),
            window: Duration::from_secs(60),
        };
        Lane { name: Cow::Owned(format!("workdrive.folder:{folder_id}")), limit }
    }

    /// Downloads; only refusals count.
    #[must_use]
    pub fn workdrive_download(&self) -> Lane {
        Lane { name: Cow::Borrowed("workdrive.download"), limit: Limit::Unlimited }
    }

    /// Uploads; only refusals count.
    #[must_use]
    pub fn workdrive_upload(&self) -> Lane {
        Lane { name: Cow::Borrowed("workdrive.upload"), limit: Limit::Unlimited }
    }
}

/// A rate with a burst of one second's worth.
fn rate(per_second: f64) -> Limit {
    let burst = per_second.clamp(1.0, 1000.0) as u32;
    Limit::Rate { per_second, burst }
}
