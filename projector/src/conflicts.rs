//! What contradicts what, and what people decided.

use catalogue::erp::{
    CONFLICT_DECIDED, CONFLICT_FOUND, CONFLICT_RESOLVED, ConflictAbout, ConflictDecided, ConflictFound,
    ConflictResolved, Decision,
};
use chrono::{DateTime, Utc};
use event_log::{Error, EventType, ScannedEvent};
use uuid::Uuid;

use crate::projection::{Changes, Projection};
use crate::records::Fields;
use crate::row::{row, word};

word! {
    /// What contradicts what.
    pub enum ConflictKind {
        /// Several users have one address.
        SameEmail = "same_email",
        /// A customer was given to two people.
        Owner = "owner",
    }
}

word! {
    /// Where a conflict stands.
    pub enum ConflictState {
        /// It waits for a person.
        Open = "open",
        /// A person has decided.
        Decided = "decided",
        /// It went away by itself.
        Resolved = "resolved",
    }
}

row! {
    /// One conflict.
    pub struct Conflict in "rm_conflicts";
    key ConflictKey {
        /// Its id.
        conflict_id: Uuid,
    }
    columns {
        /// The account it was found in.
        account: Option<String>,
        /// Whose it is.
        organization: Option<String>,
        /// What contradicts what.
        kind: ConflictKind,
        /// The address or the customer.
        subject: String,
        /// Where it stands.
        state: ConflictState,
        /// The parties.
        about: Fields,
        /// What was decided last.
        decision: Option<Fields>,
        /// Who decided.
        decided_by: Option<String>,
        /// When it was found last.
        found_at: Option<DateTime<Utc>>,
        /// When it was decided; absent where it waits.
        decided_at: Option<DateTime<Utc>>,
        /// When it went away; absent while it is there.
        resolved_at: Option<DateTime<Utc>>,
        /// Where its last event stands.
        position: i64,
    }
}

pub(crate) struct Conflicts;

pub(crate) struct Change {
    at: DateTime<Utc>,
    position: i64,
    account: Option<String>,
    organization: Option<String>,
    about: ConflictAbout,
    what: What,
}

enum What {
    Found,
    Decided { decision: Decision, by: String },
    Resolved,
}

impl Projection for Conflicts {
    type Row = Conflict;
    type Change = Change;
    const NAME: &'static str = "conflicts";
    const EVENT_TYPES: &'static [&'static EventType] = &[&CONFLICT_FOUND, &CONFLICT_DECIDED, &CONFLICT_RESOLVED];

    fn read(event: &ScannedEvent<'_>, changes: &mut Changes<Self>) -> Result<(), Error> {
        let (conflict_id, about, what) = if event.is(&CONFLICT_FOUND) {
            let found: ConflictFound = event.decode()?;
            (found.conflict_id, found.about, What::Found)
        } else if event.is(&CONFLICT_DECIDED) {
            let decided: ConflictDecided = event.decode()?;
            let what = What::Decided { decision: decided.decision, by: decided.decided_by };
            (decided.conflict_id, decided.about, what)
        } else if event.is(&CONFLICT_RESOLVED) {
            let resolved: ConflictResolved = event.decode()?;
            (resolved.conflict_id, resolved.about, What::Resolved)
        } else {
            return Ok(());
        };
        let change = Change {
            at: event.recorded_at()?,
            position: event.global_position.0,
            account: event.account.as_deref().map(str::to_owned),
            organization: event.organization.as_deref().map(str::to_owned),
            about,
            what,
        };
        changes.push((ConflictKey { conflict_id }, change));
        Ok(())
    }

    fn apply(row: &mut Conflict, change: Change) {
        row.account = change.account;
        row.organization = change.organization;
        row.kind = match change.about.kind() {
            catalogue::erp::ConflictKind::SameEmail => ConflictKind::SameEmail,
            catalogue::erp::ConflictKind::Owner => ConflictKind::Owner,
        };
        row.subject = change.about.subject().to_owned();
        row.about = Fields::of(&change.about);
        row.position = change.position;
        match change.what {
            What::Found => {
                row.state = ConflictState::Open;
                row.found_at = Some(change.at);
                (row.decision, row.decided_by, row.decided_at, row.resolved_at) = (None, None, None, None);
            }
            What::Decided { decision, by } => {
                row.state = ConflictState::Decided;
                row.decision = Some(Fields::of(&decision));
                row.decided_by = Some(by);
                row.decided_at = Some(change.at);
            }
            What::Resolved => {
                row.state = ConflictState::Resolved;
                row.resolved_at = Some(change.at);
            }
        }
    }
}
