//! Work of which only one process may do it: held by a lease, prolonged while it goes on, taken over when its holder dies.

use std::future::Future;
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use super::is_taken;
use crate::{Error, Log, UnitOfWork, prolong_lease, release_lease, take_lease};

/// How long others wait for a leader that died.
const LEASE: Duration = Duration::from_secs(9);
/// How often a leader prolongs its lease. Two misses are forgiven, then it stops before another can begin.
const PROLONG_EVERY: Duration = Duration::from_secs(2);
/// How long without a prolonged lease a leader works on: less than the lease, so two never work at once.
const TRUST: Duration = Duration::from_secs(7);
/// How often a standby asks for the work.
const ASK_EVERY: Duration = Duration::from_secs(1);

/// A leadership: its name, and who asks for it.
#[derive(Debug, Clone)]
pub struct Leadership {
    /// The log whose database holds the lease.
    pub log: Log,
    /// What is led.
    pub lease_name: String,
    /// A name that no other running process has.
    pub leased_by: String,
}

impl Leadership {
    /// Does `work` whenever the lease is ours, until `stop`; stands by while another process has it.
    ///
    /// `work` gets a token that is cancelled when the lease is lost or `stop` is; it should end soon after. It is started
    /// again after it ends without an error.
    ///
    /// # Errors
    /// What `work` failed with, and failures of the log that do not pass by themselves.
    pub async fn lead<E, W, F>(&self, stop: &CancellationToken, mut work: W) -> Result<(), E>
    where
        E: From<Error>,
        W: FnMut(CancellationToken) -> F,
        F: Future<Output = Result<(), E>>,
    {
        let mut is_told = false;
        while !stop.is_cancelled() {
            let asked_at = Instant::now();
            match self.take().await {
                Ok(true) if asked_at.elapsed() < TRUST => {
                    is_told = false;
                    self.work_while_held(stop, asked_at, &mut work).await?;
                }
                // Too late to be relied on, or not ours.
                Ok(_) => is_told = false,
                Err(error) if error.is_retryable() => {
                    if !std::mem::replace(&mut is_told, true) {
                        tracing::warn!(error = %error, lease.name = self.lease_name, "a lease cannot be asked for; trying again");
                    }
                }
                Err(Error::Closed) if stop.is_cancelled() => {}
                Err(error) => return Err(error.into()),
            }
            stop.run_until_cancelled(tokio::time::sleep(ASK_EVERY)).await;
        }
        Ok(())
    }

    /// Whether the lease is still ours in this unit of work; prolongs it.
    ///
    /// A unit that begins with this is written by the leader or not at all, whatever became of the process meanwhile:
    /// one that was suspended may learn only now that it was replaced.
    ///
    /// # Errors
    /// Database failures.
    pub async fn hold(&self, unit: &mut UnitOfWork<'_>) -> Result<bool, Error> {
        prolong_lease(unit, &self.lease_name, &self.leased_by, LEASE).await
    }

    async fn work_while_held<E, W, F>(&self, stop: &CancellationToken, held_at: Instant, work: &mut W) -> Result<(), E>
    where
        E: From<Error>,
        W: FnMut(CancellationToken) -> F,
        F: Future<Output = Result<(), E>>,
    {
        tracing::debug!(lease.name = self.lease_name, "leading");
        let ours = stop.child_token();
        let worked = async {
            let worked = work(ours.clone()).await;
            ours.cancel();
            worked
        };
        let (worked, ()) = tokio::join!(worked, self.prolong(&ours, held_at));
        self.give_back().await;
        worked
    }

    /// Prolongs the lease until `ours` is cancelled, and cancels it when the lease is lost. `held_at`: when it was asked for.
    async fn prolong(&self, ours: &CancellationToken, mut held_at: Instant) {
        while ours.run_until_cancelled(tokio::time::sleep(PROLONG_EVERY)).await.is_some() {
            let asked_at = Instant::now();
            let patience = TRUST.saturating_sub(held_at.elapsed());
            match tokio::time::timeout(patience, self.prolong_once()).await {
                Ok(Ok(true)) => held_at = asked_at,
                Ok(Ok(false)) => {
                    tracing::warn!(lease.name = self.lease_name, "another process has taken over");
                    ours.cancel();
                }
                Ok(Err(error)) => {
                    tracing::warn!(error = %error, lease.name = self.lease_name, "a lease could not be prolonged");
                }
                Err(_) => {}
            }
            if held_at.elapsed() >= TRUST && !ours.is_cancelled() {
                tracing::warn!(lease.name = self.lease_name, "a lease could not be prolonged in time; its work stops");
                ours.cancel();
            }
        }
    }

    async fn prolong_once(&self) -> Result<bool, Error> {
        let leadership = self.clone();
        self.log.write(move |unit| Box::pin(async move { leadership.hold(unit).await })).await
    }

    async fn take(&self) -> Result<bool, Error> {
        if is_taken(self.log.database().readers(), &self.lease_name, &self.leased_by, self.log.now()).await? {
            return Ok(false);
        }
        let (name, leased_by) = (self.lease_name.clone(), self.leased_by.clone());
        self.log.write(move |unit| Box::pin(async move { take_lease(unit, &name, &leased_by, LEASE).await })).await
    }

    /// So that another process can go on at once. If it fails, the lease runs out by itself.
    async fn give_back(&self) {
        let (name, leased_by) = (self.lease_name.clone(), self.leased_by.clone());
        let giving = self.log.write(move |unit| Box::pin(async move { release_lease(unit, &name, &leased_by).await }));
        if let Ok(Err(error)) = tokio::time::timeout(PROLONG_EVERY, giving).await {
            tracing::debug!(error = %error, lease.name = self.lease_name, "a lease runs out by itself");
        }
    }
}

/// A name for this process that no other has, for leases.
#[must_use]
pub fn process_name() -> String {
    format!("{}:{}", std::process::id(), uuid::Uuid::now_v7().simple())
}
