//! Limits of one provider account, shared by everyone who calls it.
//!
//! A call names its [`Lane`]; the [`Budget`] lets it pass, makes it wait, or says until when the lane is closed.
//! A provider's refusal closes a lane and can only ever be pushed later. One `Budget` value serves one account, so lane
//! names carry no account.

use std::borrow::Cow;
use std::fmt::Debug;
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use crate::error::{Error, ThrottleScope, Throttled};

mod lane_state;
mod limits;
mod memory;

pub use lane_state::{LaneState, Reservation};
pub use limits::Limits;
pub use memory::MemoryBudget;

/// Something with its own limit at the provider.
#[derive(Debug, Clone, PartialEq)]
pub struct Lane {
    /// Stable name inside the account, such as `workdrive.metadata` or `workdrive.folder:ID`.
    pub name: Cow<'static, str>,
    /// How much may pass.
    pub limit: Limit,
}

impl Lane {
    /// What a caller is told when the lane is closed until a moment.
    #[must_use]
    pub fn throttled(&self, until: DateTime<Utc>) -> Throttled {
        let scope = match self.name.split_once(':') {
            Some(("workdrive.folder", id)) => ThrottleScope::Folder(id.to_owned()),
            _ if self.name.starts_with("oauth.") => ThrottleScope::Account,
            _ if self.name.starts_with("cliq") => ThrottleScope::User,
            _ if self.name.starts_with("crm") || self.name.starts_with("books") => ThrottleScope::Organization,
            _ => ThrottleScope::Token,
        };
        Throttled { until, scope, reason: format!("budget of {}", self.name) }
    }
}

/// How much may pass through a lane.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Limit {
    /// Evenly spaced calls, with a small burst after a pause.
    Rate {
        /// Sustained calls per second; greater than 0.
        per_second: f64,
        /// Calls that may pass at once after a pause; at least 1.
        burst: u32,
    },
    /// At most so many calls in any window of this length, wherever the window begins.
    Window {
        /// Calls per window; at least 1.
        permits: u32,
        /// Length of the rolling window.
        window: Duration,
    },
    /// No limit of our own; only the provider's refusals count.
    Unlimited,
}

/// Decides when a call may be made. Shared by all processes that use the account.
#[async_trait]
pub trait Budget: Send + Sync + Debug {
    /// Waits until one call in this lane is allowed.
    ///
    /// # Errors
    /// [`Error::Throttled`] at once, and without using a permit, when the wait would be longer than the budget is
    /// willing to wait; [`Error::Store`] when the shared state cannot be reached.
    ///
    /// # Cancellation
    /// Dropping the future while it waits may lose the permit it waited for; it never lets an extra call through.
    async fn acquire(&self, lane: &Lane) -> Result<(), Error>;

    /// Remembers that the provider refused this lane until `until`. An earlier time than the known one changes nothing.
    ///
    /// # Errors
    /// [`Error::Store`] when the shared state cannot be reached.
    async fn refuse(&self, lane: &Lane, until: DateTime<Utc>) -> Result<(), Error>;
}
