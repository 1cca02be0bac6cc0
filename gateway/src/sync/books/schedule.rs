//! When users and customers are read by themselves: users first, then the customers that changed, and all customers now
//! and then, which alone shows who is gone.

use chrono::TimeDelta;
use event_log::Leadership;

use super::{Ask, users_subject, walk, want_pipeline};
use crate::intake::{Error, Intake, only_as_leader};
use crate::schedule::{next_run, rows};
use crate::sync::jobs::Trigger;

/// Wants the jobs of an account if their time has come.
pub(in crate::sync) async fn want_due(intake: &Intake, leadership: &Leadership, account: &str) -> Result<(), Error> {
    let Some(books) = intake.settings.books.get(account) else { return Ok(()) };
    let (name, schedule) = (users_subject(account), books.schedule.clone());
    let now = intake.log.now();
    let row = rows::load(intake.log.database().readers(), &name).await?;
    if row.is_some_and(|row| row.is_for(&schedule) && !row.is_due(now)) {
        return Ok(());
    }
    let full_every = TimeDelta::from_std(books.full_every).unwrap_or(TimeDelta::MAX);
    let (leadership, account) = (leadership.clone(), account.to_owned());
    let organization = intake.settings.organization_of(&account).map(str::to_owned);
    let organization = organization.ok_or_else(|| Error::NoSuchAccount(account.clone()))?;
    intake
        .log
        .write(move |unit| {
            Box::pin(async move {
                only_as_leader(unit, &leadership).await?;
                let now = unit.now();
                let row = rows::settle(unit.connection(), now, &name, &schedule).await?;
                if row.is_due(now) {
                    let last_full_at = walk::load(unit.connection(), &account).await?.last_full_at;
                    let is_full = last_full_at.is_none_or(|last| now - last >= full_every);
                    let ask = Ask { account, organization, trigger: Trigger::Scheduled, is_full, actor: None };
                    want_pipeline(unit, &ask).await?;
                    rows::begin(unit.connection(), now, &name, None).await?;
                    let next = next_run(&schedule, row.next_run_at.unwrap_or(now), now);
                    rows::complete(unit.connection(), now, &name, next).await?;
                }
                Ok(())
            })
        })
        .await
}

/// Forgets the schedule of an account whose Books is not followed any more.
pub(in crate::sync) async fn forget(intake: &Intake, leadership: &Leadership, account: &str) -> Result<(), Error> {
    if intake.settings.books.contains_key(account) {
        return Ok(());
    }
    let name = users_subject(account);
    if rows::load(intake.log.database().readers(), &name).await?.is_none() {
        return Ok(());
    }
    let leadership = leadership.clone();
    intake
        .log
        .write(move |unit| {
            Box::pin(async move {
                only_as_leader(unit, &leadership).await?;
                Ok(rows::remove(unit.connection(), &[name]).await?)
            })
        })
        .await
}
