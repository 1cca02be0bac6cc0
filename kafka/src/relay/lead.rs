//! The relay's lease: one leader, replaced within seconds after it was killed.

use std::time::Duration;

use event_log::{GlobalPosition, release_lease, take_lease};

use super::Relay;
use crate::Error;

/// The lease's name, and the checkpoint's.
pub(super) const NAME: &str = "relay";
/// How long a killed leader is waited for.
pub(super) const LEASE: Duration = Duration::from_secs(10);
/// How often a candidate asks.
const ASK_EVERY: Duration = Duration::from_secs(1);

/// Waits until the lease is held.
pub(super) async fn take(relay: &Relay) -> Result<(), Error> {
    let mut is_known = false;
    loop {
        match hold(relay, None).await {
            Ok(true) => return Ok(()),
            Ok(false) => is_known = false,
            Err(Error::Log(error)) if !error.is_retryable() => return Err(Error::Log(error)),
            Err(error) if !is_known => {
                tracing::warn!(error = crate::error::chain(&error), "the relay cannot ask for its lease; trying again");
                is_known = true;
            }
            Err(_) => {}
        }
        tokio::time::sleep(ASK_EVERY).await;
    }
}

/// What is noted as published: the checkpoint, and rows of partitions.
pub(super) struct Published {
    pub(super) up_to: GlobalPosition,
    pub(super) rows: Vec<(String, GlobalPosition)>,
}

/// Takes or prolongs the lease, and notes with it what is published; gives whether the lease is held. Without it nothing
/// is noted, nor what another leader has noted to be further already.
pub(super) async fn hold(relay: &Relay, published: Option<Published>) -> Result<bool, Error> {
    let holder = relay.holder.clone();
    relay
        .log
        .write(move |unit| {
            Box::pin(async move {
                if !take_lease(unit, NAME, &holder, LEASE).await? {
                    return Ok(false);
                }
                let Some(Published { up_to, rows }) = published else { return Ok(true) };
                if unit.checkpoint(NAME).await? < up_to {
                    unit.save_checkpoint(NAME, up_to).await?;
                    for (row, position) in rows {
                        unit.save_checkpoint(&row, position).await?;
                    }
                }
                Ok::<_, event_log::Error>(true)
            })
        })
        .await
        .map_err(Error::from)
}

/// Lets the next process begin at once.
pub(super) async fn give_back(relay: &Relay) {
    let holder = relay.holder.clone();
    let given = relay.log.write(move |unit| Box::pin(async move { release_lease(unit, NAME, &holder).await })).await;
    if let Err(error) = given {
        tracing::debug!(error = crate::error::chain(&error), "the relay's lease runs out by itself");
    }
}
