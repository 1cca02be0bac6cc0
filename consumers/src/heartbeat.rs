//! Keeping the leases of what runs, letting go of what cannot be kept, and taking over what nobody works on any more.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Instant;

use tokio_util::sync::CancellationToken;

use crate::context::Context;
use crate::running::AtWork;
use crate::{Error, ledger};

/// Prolongs leases until `stop`. Where they cannot be prolonged for too long, what runs is let go of before another
/// process may begin to settle it; an effect that another process has taken over is let go of at once.
pub(crate) async fn beat(context: Arc<Context>, stop: CancellationToken) {
    let lease = context.timing.lease;
    let trust = context.timing.trust();
    let mut held_at = Instant::now();
    while stop.run_until_cancelled(tokio::time::sleep(lease / 6)).await.is_some() {
        let running = context.running.all();
        let asked_at = Instant::now();
        match tokio::time::timeout(trust.saturating_sub(held_at.elapsed()), prolong(&context, &running)).await {
            Ok(Ok(beat)) => {
                held_at = asked_at;
                running
                    .iter()
                    .filter(|one| beat.kept.contains(&one.effect_key))
                    .for_each(|one| one.hold.prolong(asked_at + trust));
                let_go(running.iter().filter(|one| !beat.kept.contains(&one.effect_key)));
                if beat.found > 0 {
                    tracing::warn!(
                        effects = beat.found,
                        "nobody works on some started effects any more; their outcome is settled"
                    );
                    context.work_was_planned();
                }
            }
            Ok(Err(error)) => tracing::warn!(error = %error, "leases could not be prolonged"),
            Err(_) => tracing::warn!("leases could not be prolonged in time"),
        }
        if held_at.elapsed() >= trust {
            let running = context.running.all();
            if !running.is_empty() {
                tracing::warn!(
                    "effects are let go of, because the database could not be reached; they are settled later"
                );
                let_go(running.iter());
            }
            // Whatever begins from now on has a lease of its own.
            held_at = Instant::now();
        }
    }
}

/// Ends attempts. One that has ended already, and whose outcome is being written, is not touched by it.
fn let_go<'a>(effects: impl Iterator<Item = &'a AtWork>) {
    effects.for_each(|one| one.let_go.cancel());
}

struct Beat {
    /// Keys of the effects that are still ours.
    kept: HashSet<String>,
    /// Effects that were left behind by others.
    found: u64,
}

async fn prolong(context: &Context, running: &[AtWork]) -> Result<Beat, Error> {
    let (leased_by, timing) = (context.leased_by.clone(), context.timing);
    let keys: Vec<String> = running.iter().map(|one| one.effect_key.clone()).collect();
    context
        .log
        .write(move |unit| {
            Box::pin(async move {
                let kept = ledger::renew(unit, &leased_by, &keys, timing.lease).await?;
                let found = ledger::recover_expired(unit, timing.settle_after).await?;
                Ok(Beat { kept, found })
            })
        })
        .await
}
