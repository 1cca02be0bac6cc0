//! Keeps the providers' promises to call us alive: created, renewed early with overlap, compared with what they really have.
//!
//! Each target (a module of an account) has a keeper. It looks at our rows and, every few minutes, at the provider; the
//! plan of what to do next is a pure function of the two. A row is committed before the provider is called, so after
//! a crash or a lost answer the provider is asked what became of it before anything is created again.
//!
//! One registrar works at a time, others stand by. One that was replaced without knowing can plan nothing any more; what
//! became of a call that it had begun is recorded all the same, and its successor puts right what is too many.

use std::sync::Arc;

use event_log::Leadership;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

mod keeper;
mod plan;
mod rows;
mod view;

pub use view::{RegistrationView, registrations};

use crate::intake::settings::Target;
use crate::intake::{Error, Intake, all_or_stop, lead};
use keeper::Keeper;

/// What a CRM watch channel is called in `registrations` and in events.
pub(crate) const KIND: &str = "zoho-crm-watch";

const LEASE_NAME: &str = "registrar";

/// Keeps all registrations until `stop`.
pub(crate) async fn run(intake: Arc<Intake>, stop: CancellationToken) -> Result<(), Error> {
    tell_what_is_not_wished(&intake);
    let leadership = intake.leadership(LEASE_NAME);
    lead(&leadership, &stop, async |ours| keep_all(&intake, &leadership, ours).await).await
}

/// Keeps all registrations as long as that is ours to do.
async fn keep_all(intake: &Arc<Intake>, leadership: &Leadership, ours: CancellationToken) -> Result<(), Error> {
    let mut tasks = JoinSet::new();
    for (target, wished) in targets_to_keep(intake).await? {
        tasks.spawn(Keeper::new(intake.clone(), leadership.clone(), target, wished)?.run(ours.clone()));
    }
    if tasks.is_empty() {
        ours.cancelled().await;
    }
    all_or_stop(tasks, &ours).await
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
        let Some(organization) = settings.organization_of(&account).map(str::to_owned) else { continue };
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
