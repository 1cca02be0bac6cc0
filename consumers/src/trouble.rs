//! What an attempt ran into, and what follows from it for the effect.

use std::time::Duration;

use chrono::{DateTime, Utc};
use providers::error::{Error as Refusal, Outcome};

use crate::Error;
use crate::ledger::{Effect, Kind, UNSETTLED, Verdict};

/// Why an attempt has no result.
#[derive(Debug, thiserror::Error)]
pub enum Trouble {
    /// The changed account refused a write, or the way to it failed.
    #[error(transparent)]
    Provider(#[from] Refusal),
    /// The changed account refused a read: nothing was written by it.
    #[error(transparent)]
    Read(Refusal),
    /// The account that is read from refused: nothing was written.
    #[error(transparent)]
    Source(Refusal),
    /// Our own machinery failed before anything was written.
    #[error(transparent)]
    Ours(#[from] Error),
    /// The call succeeded and its result is wrong; trying again may help.
    #[error("{error}")]
    Wrong {
        /// Stable code.
        code: &'static str,
        /// In words.
        error: String,
    },
    /// No attempt can help.
    #[error("{error}")]
    Hopeless {
        /// Stable code.
        code: &'static str,
        /// In words.
        error: String,
    },
}

/// How patient an effect is.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// Failed attempts after which it is given up.
    pub max_attempts: i64,
    /// Pause after the first failed attempt; doubled after each further one.
    pub retry_base: Duration,
    /// How long after a lost answer the provider is asked what became of the call.
    pub settle_after: Duration,
}

/// Longest pause between attempts.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// Pause before work of a stopped account is looked at again.
pub(crate) const STOPPED_ACCOUNT: Duration = Duration::from_secs(5);
/// Pause after no access token could be had; the accounts server is left in peace meanwhile.
const WITHOUT_TOKEN: Duration = Duration::from_secs(2);
/// Pause after our own database or token store failed.
const OURS: Duration = Duration::from_secs(1);
/// Shortest wait, whatever a provider says: nothing may spin.
const SHORTEST_WAIT: Duration = Duration::from_millis(100);
/// Further attempts for an effect that has to be settled: giving up leaves a question for a person.
const SETTLING_ATTEMPTS: i64 = 7;

impl Trouble {
    /// Stable code.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Trouble::Provider(refusal) | Trouble::Read(refusal) | Trouble::Source(refusal) => refusal.code(),
            Trouble::Ours(_) => "internal",
            Trouble::Wrong { code, .. } | Trouble::Hopeless { code, .. } => code,
        }
    }

    /// What a provider said, if it was one.
    #[must_use]
    pub fn refusal(&self) -> Option<&Refusal> {
        match self {
            Trouble::Provider(refusal) | Trouble::Read(refusal) | Trouble::Source(refusal) => Some(refusal),
            _ => None,
        }
    }

    /// What follows for the effect.
    #[must_use]
    pub fn verdict(&self, effect: &Effect, patience: Patience, now: DateTime<Utc>) -> Verdict {
        let (code, error) = (self.code().to_owned(), in_words(self));
        if let Some(until) = self.wait_until(now) {
            return Verdict::Wait { code, error, until };
        }
        let not_before = now + pause(patience.retry_base, effect.attempt);
        let may_pass = self.may_pass(effect);
        if effect.unknown && effect.kind.is_settled_by_reading() {
            let tries_left = effect.attempt + 1 < patience.max_attempts + SETTLING_ATTEMPTS;
            return match may_pass && tries_left {
                true => Verdict::Unknown { code, error, settle_at: not_before },
                false => self.given_up_unsettled(error),
            };
        }
        let tries_left = effect.attempt + 1 < patience.max_attempts;
        match self {
            // Whether it was done is found out even after the last attempt.
            Trouble::Provider(refusal) if refusal.outcome() == Outcome::Unknown => {
                match effect.kind.is_settled_by_reading() || tries_left {
                    true => Verdict::Unknown { code, error, settle_at: settle_at(effect, patience, not_before, now) },
                    false => Verdict::Failed { code, error, events: Vec::new(), dead_letter: true },
                }
            }
            _ if may_pass && tries_left => Verdict::Retry { code, error, not_before },
            _ => Verdict::Failed { code, error, events: Vec::new(), dead_letter: true },
        }
    }

    /// Until when to wait, where that says nothing about the effect itself.
    fn wait_until(&self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        match self {
            Trouble::Ours(error) => error.is_retryable().then_some(now + OURS),
            _ => match self.refusal()? {
                Refusal::Throttled(throttled) => Some(throttled.until.max(now + SHORTEST_WAIT)),
                Refusal::Store(_) => Some(now + OURS),
                refusal if refusal.is_without_token() => Some(now + WITHOUT_TOKEN),
                refusal => refusal.stops_account().then_some(now + STOPPED_ACCOUNT),
            },
        }
    }

    /// Whether another attempt may go better.
    fn may_pass(&self, effect: &Effect) -> bool {
        match self {
            Trouble::Wrong { .. } => true,
            Trouble::Ours(_) | Trouble::Hopeless { .. } => false,
            // The next attempt chooses another name.
            Trouble::Provider(Refusal::NameTaken { .. }) => effect.kind == Kind::CopyFile,
            Trouble::Provider(refusal) | Trouble::Read(refusal) | Trouble::Source(refusal) => refusal.is_retryable(),
        }
    }

    /// Given up while settling. Where the place itself is gone, that is an answer too.
    fn given_up_unsettled(&self, error: String) -> Verdict {
        let is_answer = matches!(
            self,
            Trouble::Hopeless { .. }
                | Trouble::Provider(Refusal::NotFound { .. })
                | Trouble::Read(Refusal::NotFound { .. })
        );
        let (code, error) = match is_answer {
            true => (self.code(), error),
            false => (UNSETTLED, format!("given up before it was known whether it had been done: {error}")),
        };
        Verdict::Failed { code: code.to_owned(), error, events: Vec::new(), dead_letter: true }
    }
}

/// What is settled by reading is settled soon; what is settled by doing it again pauses as every other attempt does.
fn settle_at(effect: &Effect, patience: Patience, not_before: DateTime<Utc>, now: DateTime<Utc>) -> DateTime<Utc> {
    let soon = now + patience.settle_after;
    if effect.kind.is_settled_by_reading() { soon } else { soon.max(not_before) }
}

fn pause(base: Duration, attempt: i64) -> Duration {
    let doubled = base.saturating_mul(1 << attempt.clamp(0, 10));
    let jitter = doubled.mul_f64(rand::random_range(0.0..0.25));
    (doubled + jitter).min(LONGEST_PAUSE)
}

/// The error with its causes, on one line.
pub(crate) fn in_words(error: &dyn std::error::Error) -> String {
    let mut words = error.to_string();
    let mut cause = error.source();
    while let Some(below) = cause {
        let text = below.to_string();
        if !words.contains(&text) {
            words.push_str(": ");
            words.push_str(&text);
        }
        cause = below.source();
    }
    words
}

#[cfg(test)]
mod tests {
    use event_log::StreamName;
    use providers::error::{ThrottleScope, Throttled};

    use super::*;

    fn effect(kind: Kind, attempt: i64, unknown: bool) -> Effect {
        Effect {
            key: "k".to_owned(),
            kind,
            stream: StreamName::new("transfer", "t-1"),
            run: 1,
            account: "a".to_owned(),
            source_account: None,
            organization: "o".to_owned(),
            attempt,
            unknown,
            unknown_since: None,
            claims: 1,
            request: "{}".to_owned(),
            once_key: None,
            correlation_id: uuid::Uuid::nil(),
            causation_id: None,
        }
    }

    fn lost(outcome: Outcome) -> Refusal {
        Refusal::Unavailable { operation: "o", status: Some(500), outcome, source: None }
    }

    fn throttled(until: DateTime<Utc>) -> Refusal {
        Refusal::Throttled(Throttled { until, scope: ThrottleScope::Token, reason: "r".to_owned() })
    }

    fn gone() -> Refusal {
        Refusal::NotFound { what: "file", id: "f".to_owned() }
    }

    fn noon() -> DateTime<Utc> {
        "2026-01-01T12:00:00Z".parse().expect("a time")
    }

    /// The verdict's name, and the code where it gives up.
    fn verdict(trouble: &Trouble, effect: &Effect) -> (&'static str, Option<String>) {
        let patience =
            Patience { max_attempts: 3, retry_base: Duration::from_millis(10), settle_after: Duration::from_secs(1) };
        let verdict = trouble.verdict(effect, patience, noon());
        if let Verdict::Wait { until: at, .. }
        | Verdict::Retry { not_before: at, .. }
        | Verdict::Unknown { settle_at: at, .. } = &verdict
        {
            assert!(*at > noon(), "nothing may be tried again at once");
        }
        let code = match &verdict {
            Verdict::Failed { code, .. } => Some(code.clone()),
            _ => None,
        };
        (verdict.as_str(), code)
    }

    fn failed(code: &str) -> (&'static str, Option<String>) {
        ("failed", Some(code.to_owned()))
    }

    #[test]
    fn write_with_an_unknown_outcome_is_settled_and_a_failed_read_is_only_tried_again() {
        let fresh = effect(Kind::CopyFile, 0, false);
        assert_eq!(verdict(&Trouble::Provider(lost(Outcome::Unknown)), &fresh).0, "unknown");
        assert_eq!(verdict(&Trouble::Provider(lost(Outcome::NotDone)), &fresh).0, "retry");
        assert_eq!(verdict(&Trouble::Source(lost(Outcome::Unknown)), &fresh).0, "retry");
        assert_eq!(verdict(&Trouble::Read(lost(Outcome::Unknown)), &fresh).0, "retry");
    }

    #[test]
    fn last_attempt_with_an_unknown_outcome_is_settled_all_the_same() {
        let last = effect(Kind::CopyFile, 2, false);
        assert_eq!(verdict(&Trouble::Provider(lost(Outcome::Unknown)), &last).0, "unknown");
        assert_eq!(verdict(&Trouble::Provider(lost(Outcome::NotDone)), &last), failed("unavailable"));
    }

    #[test]
    fn settling_ends_some_time_and_says_that_the_question_is_open() {
        let trouble = Trouble::Read(lost(Outcome::Unknown));
        assert_eq!(verdict(&trouble, &effect(Kind::CopyFile, 8, true)).0, "unknown");
        assert_eq!(verdict(&trouble, &effect(Kind::CopyFile, 9, true)), failed(UNSETTLED));
        let settling = effect(Kind::CopyFile, 1, true);
        assert_eq!(verdict(&Trouble::Source(gone()), &settling), failed(UNSETTLED));
        assert_eq!(verdict(&Trouble::Read(gone()), &settling), failed("not_found"));
    }

    #[test]
    fn what_looks_before_it_writes_is_simply_done_again_and_not_for_ever() {
        for kind in [Kind::CopyFolder, Kind::Locate] {
            let trouble = Trouble::Provider(lost(Outcome::Unknown));
            assert_eq!(verdict(&trouble, &effect(kind, 1, true)).0, "unknown");
            assert_eq!(verdict(&trouble, &effect(kind, 2, true)), failed("unavailable"));
        }
    }

    #[test]
    fn limits_missing_rights_and_our_own_trouble_wait_whatever_was_tried() {
        let waits = [
            Trouble::Provider(throttled(noon() + Duration::from_secs(9))),
            Trouble::Source(throttled(noon() - Duration::from_secs(9))),
            Trouble::Source(Refusal::NeedsConsent { reason: "r".to_owned() }),
            Trouble::Provider(Refusal::BadClient { reason: "r".to_owned() }),
            Trouble::Provider(Refusal::Licence { detail: "d".to_owned() }),
            Trouble::Provider(Refusal::Store("disk".into())),
            Trouble::Ours(Error::Log(event_log::Error::Overloaded)),
        ];
        for trouble in &waits {
            for effect in [effect(Kind::CopyFile, 9, false), effect(Kind::CopyFile, 9, true)] {
                assert_eq!(verdict(trouble, &effect).0, "wait", "{trouble}");
            }
        }
    }

    #[test]
    fn refusals_that_no_attempt_changes_fail_at_once() {
        let fresh = effect(Kind::CopyFile, 0, false);
        assert_eq!(verdict(&Trouble::Provider(gone()), &fresh), failed("not_found"));
        let full = Refusal::StorageFull { detail: "d".to_owned() };
        assert_eq!(verdict(&Trouble::Provider(full), &fresh), failed("storage_full"));
        assert_eq!(verdict(&Trouble::Ours(Error::NoSuchTransfer("t".to_owned())), &fresh), failed("internal"));
        let taken = || Trouble::Provider(Refusal::NameTaken { name: "n".to_owned() });
        assert_eq!(verdict(&taken(), &fresh).0, "retry");
        assert_eq!(verdict(&taken(), &effect(Kind::CopyFolder, 0, false)), failed("name_taken"));
    }

    #[test]
    fn pauses_grow_and_stay_below_a_minute() {
        let base = Duration::from_secs(1);
        assert!(pause(base, 0) >= base && pause(base, 0) < base * 2);
        assert!(pause(base, 3) >= base * 8);
        assert_eq!(pause(base, i64::MAX), LONGEST_PAUSE);
    }

    #[test]
    fn missing_access_token_is_waited_for_and_costs_no_attempt() {
        let refused =
            |outcome| Refusal::Unavailable { operation: "oauth.refresh", status: Some(500), outcome, source: None };
        for attempt in [0, 2, 9] {
            let (name, code) =
                verdict(&Trouble::Provider(refused(Outcome::Unknown)), &effect(Kind::CopyFile, attempt, false));
            assert_eq!((name, code), ("wait", None));
        }
        let garbled = Refusal::Unreadable { operation: "oauth.refresh", detail: "d".to_owned() };
        assert_eq!(verdict(&Trouble::Source(garbled), &effect(Kind::CopyFile, 2, true)).0, "wait");
    }
}
