//! How long to stay away after a throttle answer, and which lane it closes.
//!
//! Zoho CRM never says how long: the same answer means "too many calls in flight" or "the credits of the day are gone", so
//! the wait doubles while refusals go on. WorkDrive says how long, but not whether it means one folder or the account: a
//! refused listing closes that folder, and the account too as soon as a second folder is refused meanwhile. Cliq never
//! says how long either, but its lock has a documented length, and it is on the person, whatever the call. What Books
//! says depends on its code.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use crate::zoho::call::Product;

/// First wait after a CRM refusal, and the longest.
const CRM_FIRST_WAIT: TimeDelta = TimeDelta::seconds(5);
const CRM_LONGEST_WAIT: TimeDelta = TimeDelta::minutes(15);

/// Wait after a WorkDrive refusal that names no time.
const WORKDRIVE_WAIT: TimeDelta = TimeDelta::seconds(60);

/// Wait after a Books refusal whose code is unknown: the window of its limit.
const BOOKS_WAIT: TimeDelta = TimeDelta::minutes(1);

/// Between two replacements of a token because of answers that may mean something else. A refresh token gives ten access
/// tokens in ten minutes.
const DOUBT_EVERY: TimeDelta = TimeDelta::minutes(10);

/// Added to what the provider says: returning exactly on time was seen to be refused again.
const MARGIN: TimeDelta = TimeDelta::seconds(1);

/// Memory of recent throttle answers of one account in this process.
#[derive(Debug)]
pub(crate) struct Pace {
    cliq_lock: TimeDelta,
    crm_refusals: AtomicU32,
    refused_folder: Mutex<Option<(String, DateTime<Utc>)>>,
    doubted_at: Mutex<Option<DateTime<Utc>>>,
}

impl Pace {
    pub(crate) fn new(cliq_lock: Duration) -> Self {
        Self {
            cliq_lock: TimeDelta::from_std(cliq_lock).unwrap_or(TimeDelta::MAX),
            crm_refusals: AtomicU32::new(0),
            refused_folder: Mutex::default(),
            doubted_at: Mutex::default(),
        }
    }

    /// When to come back.
    pub(crate) fn until(&self, product: Product, now: DateTime<Utc>, wait: Option<TimeDelta>) -> DateTime<Utc> {
        let usual = match product {
            Product::Crm => {
                let refusals = self.crm_refusals.fetch_add(1, Ordering::Relaxed).min(16);
                (CRM_FIRST_WAIT * 2_i32.pow(refusals)).min(CRM_LONGEST_WAIT)
            }
            Product::WorkDrive => WORKDRIVE_WAIT,
            Product::Cliq => return now + wait.unwrap_or_default().max(self.cliq_lock) + MARGIN,
            Product::Books => BOOKS_WAIT,
        };
        now + wait.unwrap_or(usual) + MARGIN
    }

    /// A call went through.
    pub(crate) fn passed(&self, product: Product) {
        if product == Product::Crm {
            self.crm_refusals.store(0, Ordering::Relaxed);
        }
    }

    /// Whether the token may be replaced on a mere suspicion; notes that it was.
    pub(crate) fn may_doubt(&self, now: DateTime<Utc>) -> bool {
        let mut doubted_at = self.doubted_at.lock().unwrap_or_else(PoisonError::into_inner);
        if doubted_at.is_some_and(|last| now - last < DOUBT_EVERY) {
            return false;
        }
        *doubted_at = Some(now);
        true
    }

    /// Notes that listing `folder` is refused until `until`; whether another folder is refused at this moment too.
    pub(crate) fn refused_listing(&self, folder: &str, now: DateTime<Utc>, until: DateTime<Utc>) -> bool {
        let mut refused = self.refused_folder.lock().unwrap_or_else(PoisonError::into_inner);
        let another = refused.as_ref().is_some_and(|(known, known_until)| known != folder && *known_until > now);
        *refused = Some((folder.to_owned(), until));
        another
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn crm_waits_double_until_a_call_passes() {
        let (pace, now) = (Pace::new(Duration::from_secs(600)), DateTime::UNIX_EPOCH);
        let seconds = |pace: &Pace| (pace.until(Product::Crm, now, None) - now).num_seconds();
        assert_eq!([seconds(&pace), seconds(&pace), seconds(&pace)], [6, 11, 21]);
        for _ in 0..20 {
            assert!(seconds(&pace) <= 901);
        }
        pace.passed(Product::Crm);
        assert_eq!(seconds(&pace), 6);
    }

    #[test]
    fn workdrive_adds_a_margin_to_what_the_provider_says() {
        let (pace, now) = (Pace::new(Duration::from_secs(600)), DateTime::UNIX_EPOCH);
        let until = |wait| pace.until(Product::WorkDrive, now, wait) - now;
        assert_eq!(until(Some(TimeDelta::seconds(84))), TimeDelta::seconds(85));
        assert_eq!(until(None), TimeDelta::seconds(61));
    }

    #[test]
    fn a_second_refused_folder_closes_the_account() {
        let (pace, now) = (Pace::new(Duration::from_secs(600)), DateTime::UNIX_EPOCH);
        let until = now + TimeDelta::seconds(300);
        assert!(!pace.refused_listing("a", now, until));
        assert!(!pace.refused_listing("a", now, until));
        assert!(pace.refused_listing("b", now, until));
        assert!(!pace.refused_listing("c", until, until));
    }

    #[test]
    fn a_cliq_lock_is_waited_out_whole_even_when_less_is_announced() {
        let (pace, now) = (Pace::new(Duration::from_secs(600)), DateTime::UNIX_EPOCH);
        for (announced, seconds) in [(None, 601), (Some(30), 601), (Some(1800), 1801)] {
            let until = pace.until(Product::Cliq, now, announced.map(TimeDelta::seconds));
            assert_eq!((until - now).num_seconds(), seconds);
        }
    }

    #[test]
    fn a_token_is_replaced_on_suspicion_once_in_ten_minutes() {
        let (pace, now) = (Pace::new(Duration::from_secs(600)), DateTime::UNIX_EPOCH);
        let asked = [0, 1, 599, 600].map(|seconds| pace.may_doubt(now + TimeDelta::seconds(seconds)));
        assert_eq!(asked, [true, false, false, true]);
    }
}
