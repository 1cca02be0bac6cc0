//! Each promise of a provider to call us, as its events tell it.

use catalogue::registration::{self, CREATED, EXTENDED, FAILED, LOST, REMOVED};
use chrono::{DateTime, Utc};
use event_log::{Error, EventType, ScannedEvent};

use crate::projection::{Changes, Projection};
use crate::row::{row, word};

word! {
    /// Whether the provider calls us.
    pub enum RegistrationState {
        /// It promised to.
        Active = "active",
        /// It no longer has the promise, though we wish for it.
        Lost = "lost",
        /// We took it back.
        Removed = "removed",
        /// It refused.
        Failed = "failed",
    }
}

row! {
    /// One registration.
    pub struct Registration in "rm_registrations";
    key RegistrationKey {
        /// Our name for it at the provider (Zoho: channel id).
        registration_id: String,
    }
    columns {
        /// The account.
        account: String,
        /// What kind of promise: `zoho-crm-watch`.
        kind: String,
        /// What is watched (Zoho: module).
        target: String,
        /// Whether the provider calls us.
        state: RegistrationState,
        /// When the promise ends, as the provider said.
        expires_at: Option<DateTime<Utc>>,
        /// Why it failed or was lost.
        reason: Option<String>,
        /// When the provider promised.
        created_at: Option<DateTime<Utc>>,
        /// When its last event was recorded.
        changed_at: DateTime<Utc>,
    }
}

pub(crate) struct Registrations;

pub(crate) struct Change {
    at: DateTime<Utc>,
    created: bool,
    state: RegistrationState,
    data: registration::Registration,
}

impl Projection for Registrations {
    type Row = Registration;
    type Change = Change;
    const NAME: &'static str = "registrations";
    const EVENT_TYPES: &'static [&'static EventType] = &[&CREATED, &EXTENDED, &LOST, &REMOVED, &FAILED];

    fn read(event: &ScannedEvent<'_>, changes: &mut Changes<Self>) -> Result<(), Error> {
        let state = if event.is(&CREATED) || event.is(&EXTENDED) {
            RegistrationState::Active
        } else if event.is(&LOST) {
            RegistrationState::Lost
        } else if event.is(&REMOVED) {
            RegistrationState::Removed
        } else if event.is(&FAILED) {
            RegistrationState::Failed
        } else {
            return Ok(());
        };
        let data: registration::Registration = event.decode()?;
        let key = RegistrationKey { registration_id: data.registration_id.clone() };
        changes.push((key, Change { at: event.recorded_at()?, created: event.is(&CREATED), state, data }));
        Ok(())
    }

    fn apply(row: &mut Registration, change: Change) {
        let data = change.data;
        row.account = data.account;
        row.kind = data.kind;
        row.target = data.target;
        row.state = change.state;
        row.expires_at = data.expires_at.or(row.expires_at);
        row.reason = data.reason;
        row.changed_at = change.at;
        if change.created {
            row.created_at = Some(change.at);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::row::Row;

    fn change(state: RegistrationState, expires_at: Option<DateTime<Utc>>, reason: Option<&str>) -> Change {
        let data = registration::Registration {
            registration_id: "1".to_owned(),
            account: "a".to_owned(),
            kind: "zoho-crm-watch".to_owned(),
            target: "Contacts".to_owned(),
            expires_at,
            reason: reason.map(str::to_owned),
        };
        Change { at: DateTime::UNIX_EPOCH, created: false, state, data }
    }

    #[test]
    fn a_lost_registration_keeps_the_end_that_was_promised() {
        let end = DateTime::from_timestamp(100, 0);
        let mut row = Registration::blank(RegistrationKey { registration_id: "1".to_owned() });
        Registrations::apply(&mut row, change(RegistrationState::Active, end, None));
        Registrations::apply(&mut row, change(RegistrationState::Lost, None, Some("not listed")));
        assert_eq!(
            (row.state, row.expires_at, row.reason.as_deref()),
            (RegistrationState::Lost, end, Some("not listed"))
        );
    }
}
