//! Idempotent effects on the outside world, over the effect ledger.
//!
//! Deciders follow the log and write intents into the ledger: `transfer` (a pending record asks for its folder),
//! `crm-update` (a completed transfer checks its record), `ingest` (a completed sync sends its messages),
//! `contact-update` (a customer that was given to a salesperson gets that owner in Books) and `notify` (endpoints are told
//! what happens). Dispatchers, one per account and lane, do what the ledger says. Whatever crashes, an effect is settled
//! before it is ever done again: by reading the provider back, or by a key that the receiver recognises.

pub mod check;
pub mod consumer;
pub mod contact_update;
pub mod context;
pub mod crm_update;
pub mod dead_letter;
mod error;
mod heartbeat;
pub mod idle;
pub mod ingest;
pub mod ledger;
pub mod notify;
pub mod pause;
mod runner;
mod running;
pub mod settings;
mod spool;
mod story;
pub mod transfer;
pub mod trouble;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

pub use context::{Context, Timing};
pub use error::Error;
pub use settings::Settings;

pub use consumer::Consumer;

use crate::ledger::{Kind, Lane};
use crate::runner::Share;

/// Effects of the control lane that run at a time, per account: they are short, and many wait on the same listings.
const CONTROL_SLOTS: u32 = 4;

/// Runs the consumers until `stop`, then lets running effects finish until `abort`; what is left is parked.
///
/// `alone` says that no other process works on this database: then everything that is found started was left behind
/// by a process that ended, and is settled at once instead of when its lease runs out.
///
/// # Errors
/// When the log or the ledger fails for a reason that no waiting helps.
///
/// # Cancellation
/// Dropping the future is a crash: started effects are settled at the next start.
pub async fn run(
    context: Arc<Context>,
    alone: bool,
    stop: CancellationToken,
    abort: CancellationToken,
) -> Result<(), Error> {
    let work = Work { alone, consumers: Consumer::ALL.into(), carrier: None };
    run_some(context, work, stop, abort).await
}

/// What a process of the consumers does.
#[derive(Debug, Clone)]
pub struct Work {
    /// No other process works on this database: what is found started was left behind by a process that ended, and is
    /// settled at once instead of when its lease runs out.
    pub alone: bool,
    /// Which consumers.
    pub consumers: BTreeSet<Consumer>,
    /// What carries the events; absent: the log is followed directly.
    pub carrier: Option<kafka::Settings>,
}

/// As [`run`], for some of the consumers.
///
/// # Errors
/// As [`run`].
///
/// # Cancellation
/// As [`run`].
pub async fn run_some(
    context: Arc<Context>,
    work: Work,
    stop: CancellationToken,
    abort: CancellationToken,
) -> Result<(), Error> {
    recover(&context, work.alone).await?;
    if work.consumers.contains(&Consumer::ContactUpdate) {
        contact_update::tell_read_only(&context).await?;
    }
    let mut tasks: JoinSet<Result<(), Error>> = JoinSet::new();
    if work.consumers.contains(&Consumer::Notify) && !context.settings.endpoints.is_empty() {
        notify::register(&context).await?;
        tasks.spawn(notify::history::run(context.clone(), stop.clone()));
    }
    for consumer in &work.consumers {
        tasks.spawn(consumer.follow(context.clone(), work.carrier.clone(), stop.clone()));
    }
    for share in shares(&context, &work.consumers) {
        tasks.spawn(runner::dispatch(context.clone(), share, stop.clone(), abort.clone()));
    }
    let hearts = CancellationToken::new();
    let heart = heartbeat::beat(context.clone(), hearts.clone());
    let mut heart = std::pin::pin!(heart);
    let mut result = Ok(());
    loop {
        tokio::select! {
            ended = tasks.join_next() => match ended {
                None => break,
                Some(Ok(Ok(()))) => {}
                Some(Ok(Err(error))) => { result = result.and(Err(error)); stop.cancel(); }
                Some(Err(panicked)) => {
                    tracing::error!(error = %panicked, "a consumer panicked");
                    stop.cancel();
                }
            },
            () = &mut heart => {}
        }
    }
    hearts.cancel();
    park(&context).await;
    result
}

/// What there is to be dispatched: by account and lane.
fn shares(context: &Context, consumers: &BTreeSet<Consumer>) -> Vec<Share> {
    let kinds: Vec<Kind> = consumers.iter().flat_map(|consumer| consumer.kinds()).copied().collect();
    let of = |account: String, lane: Lane, slots: u32, is_wanted: fn(Kind) -> bool| {
        let kinds = kinds.iter().copied().filter(|kind| kind.lane() == lane && is_wanted(*kind)).collect();
        Share { account, lane, kinds, slots }
    };
    let mut shares = Vec::new();
    for account in changed_accounts(context) {
        let transfers = context.settings.transfers.0.values().filter(|one| one.destination == account);
        let files = transfers.map(|one| one.concurrency).sum();
        shares.push(of(account.clone(), Lane::Control, CONTROL_SLOTS, Kind::is_of_transfer));
        shares.push(of(account, Lane::Files, files, Kind::is_of_transfer));
    }
    for ingest in context.settings.ingests.all() {
        shares.push(of(ingest.account(), Lane::Control, ingest.concurrency, |kind| kind == Kind::PostBatch));
    }
    for account in context.settings.organizations.written() {
        shares.push(of(account.to_owned(), Lane::Control, CONTROL_SLOTS, |kind| kind == Kind::AssignContact));
    }
    for endpoint in context.settings.endpoints.all() {
        let account = endpoint.ledger_account();
        shares.push(of(account, Lane::Control, endpoint.concurrency, |kind| kind == Kind::PostNotification));
    }
    shares.retain(|share| share.slots > 0 && !share.kinds.is_empty());
    shares
}

/// Accounts that transfers change.
fn changed_accounts(context: &Context) -> BTreeSet<String> {
    context.settings.transfers.0.values().flat_map(|one| [one.crm.clone(), one.destination.clone()]).collect()
}

async fn recover(context: &Context, alone: bool) -> Result<(), Error> {
    let settle_after = context.timing.settle_after;
    let found = context
        .log
        .write::<_, Error, _>(move |unit| {
            Box::pin(async move {
                match alone {
                    true => ledger::recover_all(unit, settle_after).await,
                    false => ledger::recover_expired(unit, settle_after).await,
                }
            })
        })
        .await?;
    if found > 0 {
        tracing::info!(
            effects = found,
            "effects were left behind by a process that ended; their outcome is settled first"
        );
    }
    Ok(())
}

async fn park(context: &Context) {
    let (leased_by, settle_after) = (context.leased_by.clone(), context.timing.settle_after);
    let parking = context
        .log
        .write::<_, Error, _>(move |unit| Box::pin(async move { ledger::park(unit, &leased_by, settle_after).await }));
    match tokio::time::timeout(Duration::from_secs(5), parking).await {
        Ok(Ok(0)) => {}
        Ok(Ok(parked)) => tracing::warn!(
            effects = parked,
            "effects did not finish in time and are parked; the next start settles them"
        ),
        Ok(Err(error)) => {
            tracing::warn!(error = %error, "running effects could not be parked; the next start settles them")
        }
        Err(_) => tracing::warn!("running effects could not be parked in time; the next start settles them"),
    }
}
