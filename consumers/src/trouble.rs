//! What an attempt ran into, and what follows from it for the effect.

use std::time::Duration;

use chrono::{DateTime, Utc};
use providers::error::{Error as Refusal, Outcome};

use crate::Error;
use crate::ledger::{Effect, Verdict};

/// Why an attempt has no result.
#[derive(Debug, thiserror::Error)]
pub enum Trouble {
    /// The provider refused, or the way to it failed.
    #[error(transparent)]
    Provider(#[from] Refusal),
    /// Our own machinery failed.
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
/// Pause before work of a stopped account is looked at again; claims leave it alone meanwhile.
const STOPPED_ACCOUNT: Duration = Duration::from_secs(5);

impl Trouble {
    /// Stable code.
    #[must_use]
    pub fn code(&self) -> String {
        match self {
            Trouble::Provider(refusal) => refusal.code().to_owned(),
            Trouble::Ours(_) => "internal".to_owned(),
            Trouble::Wrong { code, .. } | Trouble::Hopeless { code, .. } => (*code).to_owned(),
        }
    }

    /// What follows for the effect.
    #[must_use]
    pub fn verdict(&self, effect: &Effect, patience: Patience, now: DateTime<Utc>) -> Verdict {
        let (code, error) = (self.code(), in_words(self));
        let tries_left = effect.attempt + 1 < patience.max_attempts;
        let retry = || Verdict::Retry {
            code: code.clone(),
            error: error.clone(),
            not_before: now + pause(patience.retry_base, effect.attempt),
        };
        let failed =
            || Verdict::Failed { code: code.clone(), error: error.clone(), events: Vec::new(), dead_letter: true };
        match self {
            Trouble::Provider(Refusal::Throttled(throttled)) => {
                Verdict::Wait { code, error, until: throttled.until.max(now) }
            }
            Trouble::Provider(refusal) if refusal.stops_account() => {
                Verdict::Wait { code, error, until: now + STOPPED_ACCOUNT }
            }
            // While an effect is being settled nothing is written, so nothing can have happened unnoticed.
            Trouble::Provider(refusal) if refusal.outcome() == Outcome::Unknown && !effect.unknown => {
                Verdict::Unknown { code, error, settle_at: now + patience.settle_after }
            }
            Trouble::Provider(refusal) if effect.unknown && refusal.is_retryable() => {
                Verdict::Wait { code, error, until: now + pause(patience.retry_base, effect.attempt) }
            }
            Trouble::Provider(refusal) if refusal.is_retryable() && tries_left => retry(),
            Trouble::Wrong { .. } if tries_left => retry(),
            _ => failed(),
        }
    }
}

fn pause(base: Duration, attempt: i64) -> Duration {
    let doubled = base.saturating_mul(1 << attempt.clamp(0, 10));
    let jitter = doubled.mul_f64(rand::random_range(0.0..0.25));
    (doubled + jitter).min(LONGEST_PAUSE)
}

/// The error with its causes, on one line.
fn in_words(error: &dyn std::error::Error) -> String {
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
