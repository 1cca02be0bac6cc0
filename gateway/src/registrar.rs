//! Keeps the providers' promises to call us alive: created, renewed early with overlap, compared with what they really have.
//!
//! Each target (a module of an account) has a keeper. It looks at our rows and, every few minutes, at the provider; the
//! plan of what to do next is a pure function of the two. A row is committed before the provider is called, so after
//! a crash or a lost answer the provider is asked what became of it before anything is created again. One registrar works
//! at a time; others stand by.

use std::sync::Arc;
use std::time::Duration;

use event_log::{release_lease, take_lease};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

mod keeper;
mod plan;
mod rows;
mod view;

pub use view::{RegistrationView, registrations};

use crate::intake::pause::{Patience, wait};
use crate::intake::settings::Target;
use crate::intake::{Error, Intake, all_or_stop};
use keeper::Keeper;

/// What a CRM watch channel is called in `registrations` and in events.
pub(crate) const KIND: &str = "zoho-crm-watch";

const LEASE_NAME: &str = "registrar";

/// How long the work is ours without a sign of life, and how often we give one.
const LEASE: Duration = Duration::from_secs(30);
const PROLONG_EVERY: Duration = Duration::from_secs(10);

/// How often a standby asks for the work.
const ASK_EVERY: Duration = Duration::from_secs(2);

/// Keeps all registrations until `stop`.
pub(crate) async fn run(intake: Arc<Intake>, stop: CancellationToken) -> Result<(), Error> {
    tell_what_is_not_wished(&intake);
    let mut patience = Patience::default();
    while !stop.is_cancelled() {
        let worked = work_while_held(&intake, &stop).await;
        patience.survive("the registrar", worked, &stop).await?;
        wait(ASK_EVERY, &stop).await;
    }
    Ok(())
}

/// Works as long as the lease is ours.
async fn work_while_held(intake: &Arc<Intake>, stop: &CancellationToken) -> Result<(), Error> {
    if !hold(intake).await? {
        return Ok(());
    }
    let ours = stop.child_token();
    let mut tasks = JoinSet::new();
    for (target, wished) in targets_to_keep(intake).await? {
        tasks.spawn(Keeper::new(intake.clone(), target, wished)?.run(ours.clone()));
    }
    tasks.spawn(keep_lease(intake.clone(), ours.clone()));
    all_or_stop(tasks, &ours).await?;
    let leased_by = intake.leased_by.clone();
    intake.log.write(move |unit| Box::pin(async move { Ok(release_lease(unit, LEASE_NAME, &leased_by).await?) })).await
}

async fn hold(intake: &Intake) -> Result<bool, Error> {
    let leased_by = intake.leased_by.clone();
    intake
        .log
        .write(move |unit| Box::pin(async move { Ok(take_lease(unit, LEASE_NAME, &leased_by, LEASE).await?) }))
        .await
}

/// Prolongs the lease; when it is lost, the keepers finish their step and end.
async fn keep_lease(intake: Arc<Intake>, ours: CancellationToken) -> Result<(), Error> {
    while !ours.is_cancelled() {
        wait(PROLONG_EVERY, &ours).await;
        match hold(&intake).await {
            Ok(true) => {}
            Ok(false) => {
                tracing::warn!("another process has taken over the registrations");
                ours.cancel();
            }
            Err(error) if error.is_retryable() => {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "the registrar's lease could not be prolonged"
                );
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// The targets with a wish, and those of an earlier configuration whose rows are to be cleared away. While it is not known
/// where providers reach us nothing is wished for, but nothing is torn down either: it may be a slip.
async fn targets_to_keep(intake: &Intake) -> Result<Vec<(Target, bool)>, Error> {
    let settings = &intake.settings;
    let wanted: Vec<Target> = settings.targets().into_iter().filter(|target| target.registered).collect();
    let mut former = Vec::new();
    for (account, module) in rows::targets(intake.log.database().readers()).await? {
        let is_same = |target: &Target| target.account == account && target.module.as_str() == module;
        let Ok(module) = module.parse() else { continue };
        if settings.public_url.is_none() || wanted.iter().any(is_same) || !intake.has_client(&account) {
            continue;
        }
        let organization = settings.organization_of(&account);
        let (fields, polls) = (Vec::new(), Vec::new());
        former.push((Target { account, organization, module, fields, polls, registered: false }, false));
    }
    let reachable = |target: &Target| settings.notify_url(&target.account).is_ok();
    Ok(wanted.into_iter().filter(reachable).map(|target| (target, true)).chain(former).collect())
}

fn tell_what_is_not_wished(intake: &Intake) {
    for target in intake.settings.targets().iter().filter(|target| target.registered) {
        if let Err(reason) = intake.settings.notify_url(&target.account) {
            tracing::warn!(
                account.id = %target.account,
                "no registration for {} is kept: {reason}; polls still find every change",
                target.module
            );
        }
    }
}
