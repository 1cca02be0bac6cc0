//! When mapped channels are synced: by their own schedule, or that of their account.

use std::collections::BTreeSet;

use event_log::Leadership;
use mappings::channel::Mapping;
use service::config::{Schedule, timezone};

use super::jobs::{self, Kind, Trigger, Wish, channel_subject};
use crate::intake::{Error, Intake, only_as_leader};
use crate::schedule::{next_run, rows};

/// Wants the jobs whose time has come, of the mappings of one account.
pub(crate) async fn want_due(intake: &Intake, leadership: &Leadership, mappings: &[Mapping]) -> Result<(), Error> {
    for mapping in mappings {
        let schedule = schedule_of(intake, mapping);
        let name = channel_subject(mapping.mapping_id);
        let now = intake.log.now();
        let row = rows::load(intake.log.database().readers(), &name).await?;
        if row.is_some_and(|row| row.is_for(&schedule) && !row.is_due(now)) {
            continue;
        }
        let (leadership, wish) = (leadership.clone(), scheduled(mapping));
        let wanted = intake.log.write::<_, Error, _>(move |unit| {
            Box::pin(async move {
                only_as_leader(unit, &leadership).await?;
                let now = unit.now();
                let row = rows::settle(unit.connection(), now, &wish.subject, &schedule).await?;
                if row.is_due(now) {
                    jobs::want(unit, &wish).await?;
                    rows::begin(unit.connection(), now, &wish.subject, None).await?;
                    let next = next_run(&schedule, row.next_run_at.unwrap_or(now), now);
                    rows::complete(unit.connection(), now, &wish.subject, next).await?;
                }
                Ok(())
            })
        });
        wanted.await?;
    }
    Ok(())
}

/// Forgets the schedules of channels that are not synced any more.
pub(crate) async fn forget_others(intake: &Intake, leadership: &Leadership, mappings: &[Mapping]) -> Result<(), Error> {
    let kept: BTreeSet<String> = mappings.iter().map(|mapping| channel_subject(mapping.mapping_id)).collect();
    let known = rows::names(intake.log.database().readers(), "channel:").await?;
    let gone: Vec<String> = known.into_iter().filter(|name| !kept.contains(name)).collect();
    if gone.is_empty() {
        return Ok(());
    }
    let leadership = leadership.clone();
    intake
        .log
        .write(move |unit| {
            Box::pin(async move {
                only_as_leader(unit, &leadership).await?;
                Ok(rows::remove(unit.connection(), &gone).await?)
            })
        })
        .await
}

fn scheduled(mapping: &Mapping) -> Wish {
    Wish {
        kind: Kind::Channel,
        subject: channel_subject(mapping.mapping_id),
        account: mapping.account.clone(),
        organization: mapping.organization.clone(),
        trigger: Trigger::Scheduled,
        is_full: false,
        retry_of: None,
        not_before: None,
        actor: None,
        cause: None,
    }
}

/// A pattern that cannot be read was refused when it was set; should one be there, the account's own counts.
fn schedule_of(intake: &Intake, mapping: &Mapping) -> Schedule {
    let own = mapping.settings.schedule.as_deref().and_then(|pattern| {
        let zone = timezone(&mapping.settings.timezone).ok()?;
        Schedule::cron(pattern, zone).ok()
    });
    own.unwrap_or_else(|| intake.settings.channel_schedule(&mapping.account).clone())
}
