//! Conflicts that appear, change and go away, in the unit of work of what did that.

use std::collections::BTreeMap;

use catalogue::erp::{
    CONFLICT_FOUND, CONFLICT_RESOLVED, ConflictAbout, ConflictFound, ConflictKind, ConflictResolved, ConflictState,
    conflict_id, conflict_stream,
};
use event_log::{Append, ExpectedVersion, NewEvent, StreamVersion, UnitOfWork};
use uuid::Uuid;

use super::rows::{self, Conflict};
use super::{Standing, email};
use crate::Error;
use crate::salesperson::{Story, User};

/// Compares the users' addresses with what was found and decided before; returns how those stand who share one.
///
/// # Errors
/// Database failures.
pub(crate) async fn settle_emails(
    unit: &mut UnitOfWork<'_>,
    story: &Story,
    users: &BTreeMap<String, User>,
) -> Result<BTreeMap<String, Standing>, Error> {
    let known = rows::about_emails(unit.connection(), &story.account).await?;
    let mut known: BTreeMap<Uuid, Conflict> =
        known.into_iter().map(|conflict| (conflict.conflict_id, conflict)).collect();
    let mut standings = BTreeMap::new();
    for (email, user_ids) in email::shared(users) {
        let id = conflict_id(&story.account, ConflictKind::SameEmail, &email);
        let before = known.remove(&id);
        let conflict = match before {
            Some(before) if email::still_holds(&before, &user_ids) => before,
            before => found(unit, story, id, before, ConflictAbout::SameEmail { email, user_ids }).await?,
        };
        standings.extend(email::standings(&conflict));
    }
    for conflict in known.into_values().filter(|conflict| conflict.state != ConflictState::Resolved) {
        resolved(unit, story, conflict).await?;
    }
    Ok(standings)
}

/// Makes a conflict what it is about now; nothing where it is over. What was decided stays decided.
///
/// # Errors
/// Database failures.
pub(crate) async fn settle(
    unit: &mut UnitOfWork<'_>,
    story: &Story,
    id: Uuid,
    about: Option<ConflictAbout>,
) -> Result<(), Error> {
    let before = rows::find(unit.connection(), id).await?;
    match (before, about) {
        (Some(before), Some(about)) if before.state == ConflictState::Open && before.about == about => {}
        (before, Some(about)) => {
            found(unit, story, id, before, about).await?;
        }
        (Some(before), None) if before.state == ConflictState::Open => resolved(unit, story, before).await?,
        (_, None) => {}
    }
    Ok(())
}

async fn found(
    unit: &mut UnitOfWork<'_>,
    story: &Story,
    id: Uuid,
    before: Option<Conflict>,
    about: ConflictAbout,
) -> Result<Conflict, Error> {
    let mut conflict = Conflict {
        conflict_id: id,
        account: story.account.clone(),
        organization: story.organization.clone(),
        state: ConflictState::Open,
        about: about.clone(),
        decision: None,
        changed_at: unit.now(),
        version: before.map_or(StreamVersion(0), |before| before.version),
    };
    let event = story.decision(CONFLICT_FOUND, &ConflictFound { conflict_id: id, about });
    tell(unit, &mut conflict, event).await?;
    Ok(conflict)
}

async fn resolved(unit: &mut UnitOfWork<'_>, story: &Story, mut conflict: Conflict) -> Result<(), Error> {
    let data = ConflictResolved { conflict_id: conflict.conflict_id, about: conflict.about.clone() };
    conflict.state = ConflictState::Resolved;
    conflict.changed_at = unit.now();
    tell(unit, &mut conflict, story.decision(CONFLICT_RESOLVED, &data)).await
}

/// Appends what became of a conflict on the version that is known, and saves it.
///
/// # Errors
/// Database failures.
pub(super) async fn tell(unit: &mut UnitOfWork<'_>, conflict: &mut Conflict, event: NewEvent) -> Result<(), Error> {
    let append = Append::new(conflict_stream(conflict.conflict_id), vec![event]);
    conflict.version = unit.append(append.expecting(ExpectedVersion::Exact(conflict.version))).await?.version;
    Ok(rows::save(unit.connection(), conflict).await?)
}
