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
    /// Reads of Cliq messages in any 60 seconds. Default 14; the 16th locks the person out for 10 minutes.
    pub cliq_messages_per_minute: u32,
    /// Lists of Cliq channels, threads and users in any 60 seconds. Default 18. The provider documents 20 for related
    /// calls and no number for these.
    pub cliq_lists_per_minute: u32,
    /// Searches of Cliq messages in any 60 seconds. Default 45; the provider allows 50.
    pub cliq_searches_per_minute: u32,
    /// Seconds that a throttled person stays locked out of Cliq. Default 600, the longest that is documented for the
    /// calls made here. The answer does not say it, and every call before the end is refused.
    pub cliq_lock_seconds: u32,
    /// Books calls in any 60 seconds, for the whole organisation. Default 30. The provider documents 100, but one
    /// organisation was blocked for an hour at 54, with every other program that uses it.
    pub books_per_minute: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            workdrive_metadata_per_second: 3.0,
            workdrive_listings_per_folder_per_minute: 18,
            token_refreshes_per_10_minutes: 8,
            crm_per_second: 10.0,
            crm_heavy_per_second: 5.0,
            cliq_messages_per_minute: 14,
            cliq_lists_per_minute: 18,
            cliq_searches_per_minute: 45,
            cliq_lock_seconds: 600,
            books_per_minute: 30,
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

    /// Codes of people exchanged for a grant. The provider allows 5 refresh tokens a minute.
    #[must_use]
    pub fn oauth_exchange(&self) -> Lane {
        Lane { name: Cow::Borrowed("oauth.exchange"), limit: per_minute(4) }
    }

    /// Every lane of Cliq: a lock is on the person and closes all of them.
    #[must_use]
    pub fn cliq(&self) -> [Lane; 3] {
        [self.cliq_messages(), self.cliq_lists(), self.cliq_search()]
    }

    /// Reads of Cliq messages.
    #[must_use]
    pub fn cliq_messages(&self) -> Lane {
        Lane { name: Cow::Borrowed("cliq.messages"), limit: per_minute(self.cliq_messages_per_minute) }
    }

    /// Lists of Cliq channels, threads and users.
    #[must_use]
    pub fn cliq_lists(&self) -> Lane {
        Lane { name: Cow::Borrowed("cliq.lists"), limit: per_minute(self.cliq_lists_per_minute) }
    }

    /// Searches of Cliq messages.
    #[must_use]
    pub fn cliq_search(&self) -> Lane {
        Lane { name: Cow::Borrowed("cliq.search"), limit: per_minute(self.cliq_searches_per_minute) }
    }

    /// How long a throttled person stays locked out of Cliq.
    #[must_use]
    pub fn cliq_lock(&self) -> Duration {
        Duration::from_secs(u64::from(self.cliq_lock_seconds))
    }

    /// Every Books call. At most 5 at once, because the provider counts calls in flight as well, and evenly after that.
    #[must_use]
    pub fn books(&self) -> Lane {
        let permits = self.books_per_minute.max(1);
        let burst = permits.div_ceil(6).min(5);
        let per_second = f64::from(permits - burst + 1) / 60.0;
        Lane { name: Cow::Borrowed("books"), limit: Limit::Rate { per_second, burst } }
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

/// So many calls a minute, all at once if need be. Our window is longer than the provider's, so that a call that is slow
/// to arrive cannot meet the next burst in one minute of the provider's.
fn per_minute(permits: u32) -> Limit {
    Limit::Window { permits: permits.max(1), window: Duration::from_secs(65) }
}

/// A rate with a burst of one second's worth.
fn rate(per_second: f64) -> Limit {
    let burst = per_second.clamp(1.0, 1000.0) as u32;
    Limit::Rate { per_second, burst }
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, TimeDelta, Utc};

    use super::*;
    use crate::budget::{LaneState, Reservation};

    /// The most calls in any 60 seconds when somebody always wants one more.
    fn busiest_minute(lane: &Lane) -> usize {
        let mut state = LaneState::default();
        let granted: Vec<DateTime<Utc>> = (0..200)
            .filter_map(|_| match state.reserve(&lane.limit, DateTime::UNIX_EPOCH, TimeDelta::MAX) {
                Reservation::At(moment) => Some(moment),
                Reservation::TooLate(_) => None,
            })
            .collect();
        let within = |first: &DateTime<Utc>| {
            granted.iter().filter(|moment| *moment >= first && **moment - *first < TimeDelta::minutes(1)).count()
        };
        granted.iter().map(within).max().unwrap_or_default()
    }

    #[test]
    fn no_minute_holds_more_than_its_setting() {
        for per_minute in [1, 2, 5, 6, 7, 30, 60, 100] {
            let limits =
                Limits { cliq_messages_per_minute: per_minute, books_per_minute: per_minute, ..Limits::default() };
            assert_eq!(busiest_minute(&limits.cliq_messages()), per_minute as usize);
            assert_eq!(busiest_minute(&limits.books()), per_minute as usize);
        }
    }
}
