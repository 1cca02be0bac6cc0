//! What we know of each provider account from its events.

use catalogue::account::{self, NEEDS_CONSENT, RECOVERED};
use catalogue::{crm, delivery};
use chrono::{DateTime, Utc};
use event_log::{Error, EventType, ScannedEvent};

use crate::projection::{Changes, Projection};
use crate::row::{row, word};

word! {
    /// Whether we have access.
    pub enum AccessState {
        /// No trouble is known.
        Ok = "ok",
        /// A person must authorise us again.
        NeedsConsent = "needs_consent",
    }
}

row! {
    /// One provider account.
    pub struct Account in "rm_accounts";
    key AccountKey {
        /// The account.
        account: String,
    }
    columns {
        /// The organisation that owns it, if its events say so.
        organization: Option<String>,
        /// Whether we have access.
        state: AccessState,
        /// What the provider said when the state changed.
        reason: Option<String>,
        /// When the state changed.
        state_since: Option<DateTime<Utc>>,
        /// Events of any type.
        events: i64,
        /// Webhooks kept.
        deliveries: i64,
        /// Facts about its records.
        facts: i64,
        /// When the last webhook was kept.
        last_delivery_at: Option<DateTime<Utc>>,
        /// When the last event of any type was recorded.
        last_event_at: DateTime<Utc>,
    }
}

pub(crate) struct Accounts;

pub(crate) struct Change {
    at: DateTime<Utc>,
    organization: Option<String>,
    what: What,
}

enum What {
    Delivery,
    Fact,
    Access(AccessState, String),
    Other,
}

impl Projection for Accounts {
    type Row = Account;
    type Change = Change;
    const NAME: &'static str = "accounts";
    const EVENT_TYPES: &'static [&'static EventType] = &[];

    fn read(event: &ScannedEvent<'_>, changes: &mut Changes<Self>) -> Result<(), Error> {
        let Some(account) = &event.account else { return Ok(()) };
        let what = if event.is(&delivery::RECEIVED) {
            What::Delivery
        } else if event.is(&crm::CHANGED) || event.is(&crm::DELETED) {
            What::Fact
        } else if event.is(&NEEDS_CONSENT) {
            What::Access(AccessState::NeedsConsent, event.decode::<account::Access>()?.reason)
        } else if event.is(&RECOVERED) {
            What::Access(AccessState::Ok, event.decode::<account::Access>()?.reason)
        } else {
            What::Other
        };
        let organization = event.organization.as_deref().map(str::to_owned);
        let key = AccountKey { account: account.as_ref().to_owned() };
        changes.push((key, Change { at: event.recorded_at()?, organization, what }));
        Ok(())
    }

    fn apply(row: &mut Account, change: Change) {
        row.events += 1;
        row.last_event_at = change.at;
        if change.organization.is_some() {
            row.organization = change.organization;
        }
        match change.what {
            What::Delivery => {
                row.deliveries += 1;
                row.last_delivery_at = Some(change.at);
            }
            What::Fact => row.facts += 1,
            What::Access(state, reason) => {
                row.state = state;
                row.reason = Some(reason);
                row.state_since = Some(change.at);
            }
            What::Other => {}
        }
    }
}
