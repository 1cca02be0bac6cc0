//! The right to refresh one credential, exclusive among the processes on one database.
//!
//! The lease is short and prolonged while it is held, so that the crash of its holder delays the next one by seconds.

use std::sync::Arc;
use std::time::Duration;

use event_log::Log;
use providers::zoho::token::RefreshLease;
use tokio::sync::OwnedMutexGuard;
use tokio::time::Instant;
use tokio_util::sync::{CancellationToken, DropGuard};
use uuid::Uuid;

use super::Shared;

/// How long the others wait for a holder that crashed.
const DURATION: Duration = Duration::from_secs(10);

/// How often a held lease is prolonged: two may fail before it is lost.
const PROLONG_EVERY: Duration = Duration::from_secs(3);

/// How often a taken lease is asked for again.
const ASK_EVERY: Duration = Duration::from_millis(100);

/// Longer than waiting for a permit and for the provider's answer take together.
const LONGEST_WAIT: Duration = Duration::from_secs(90);

/// Why the lease is not held.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    #[error("another process has been refreshing the token of account {account} for {} seconds", LONGEST_WAIT.as_secs())]
    TakenTooLong { account: String },
    #[error(transparent)]
    Log(#[from] event_log::Error),
}

/// Held by the one that refreshes; given back when dropped.
pub(super) struct Lease {
    _turn: OwnedMutexGuard<()>,
    /// Ends the task that prolongs the lease, which then gives it back.
    _held: Option<DropGuard>,
}

impl RefreshLease for Lease {}

impl Lease {
    /// Keeps out the tasks of this process alone.
    pub(super) fn of_this_process(turn: OwnedMutexGuard<()>) -> Self {
        Self { _turn: turn, _held: None }
    }

    /// Waits for the lease.
    pub(super) async fn take(account: &str, shared: &Shared, turn: OwnedMutexGuard<()>) -> Result<Self, Error> {
        let claim = Claim {
            log: shared.log.clone(),
            name: format!("token.refresh:{account}").into(),
            // One name for each time, so that giving back a lease never takes away the next one.
            leased_by: Uuid::now_v7().to_string().into(),
        };
        let give_up = Instant::now() + LONGEST_WAIT;
        while !claim.take().await? {
            if Instant::now() >= give_up {
                return Err(Error::TakenTooLong { account: account.to_owned() });
            }
            tokio::time::sleep(ASK_EVERY).await;
        }
        let dropped = CancellationToken::new();
        let held = dropped.clone().drop_guard();
        shared.tasks.spawn(claim.keep_until(dropped));
        Ok(Self { _turn: turn, _held: Some(held) })
    }
}

/// One lease by its name, and who asks for it.
struct Claim {
    log: Log,
    name: Arc<str>,
    leased_by: Arc<str>,
}

impl Claim {
    async fn take(&self) -> Result<bool, event_log::Error> {
        let (name, leased_by) = (self.name.clone(), self.leased_by.clone());
        self.log
            .write(move |unit| Box::pin(async move { event_log::take_lease(unit, &name, &leased_by, DURATION).await }))
            .await
    }

    async fn prolong(&self) -> Result<bool, event_log::Error> {
        let (name, leased_by) = (self.name.clone(), self.leased_by.clone());
        self.log
            .write(move |unit| {
                Box::pin(async move { event_log::prolong_lease(unit, &name, &leased_by, DURATION).await })
            })
            .await
    }

    /// Prolongs the lease until it is dropped, then gives it back. What fails here is made good by the lease's end.
    async fn keep_until(self, dropped: CancellationToken) {
        while dropped.run_until_cancelled(tokio::time::sleep(PROLONG_EVERY)).await.is_some() {
            match self.prolong().await {
                Ok(true) => {}
                Ok(false) => {
                    tracing::warn!(lease.name = %self.name, "a refresh lease ran out and was taken by another process");
                    return;
                }
                Err(error) => {
                    tracing::warn!(lease.name = %self.name, %error, "a refresh lease could not be prolonged");
                }
            }
        }
        let (name, leased_by) = (self.name.clone(), self.leased_by.clone());
        let released = self
            .log
            .write(move |unit| Box::pin(async move { event_log::release_lease(unit, &name, &leased_by).await }))
            .await;
        if let Err(error) = released {
            tracing::warn!(lease.name = %self.name, %error, "a refresh lease could not be given back and will run out");
        }
    }
}
