//! The accounts of the ERP, as decisions tell them.

use catalogue::books::{USERS_LISTED, UsersListed};
use catalogue::erp::{self, USER_CHANGED, USER_ROLE_DECIDED, UserRoleDecided, UserState};
use chrono::{DateTime, Utc};
use event_log::{Error, EventType, ScannedEvent};
use uuid::Uuid;

use crate::projection::{Changes, Projection};
use crate::row::{row, word};

word! {
    /// Where an account of the ERP stands.
    pub enum ErpUserState {
        /// Switched off.
        Inactive = "inactive",
        /// In use.
        Active = "active",
        /// Not made: another user has the same address, and a person has to decide.
        Held = "held",
        /// Not made: a person decided that another account is the same person's.
        Merged = "merged",
    }
}

row! {
    /// One account of the ERP.
    pub struct ErpUser in "rm_erp_users";
    key ErpUserKey {
        /// The account by which it is read.
        account: String,
        /// Its user in Books.
        zoho_user_id: String,
    }
    columns {
        /// Whose it is.
        organization: Option<String>,
        /// The account's id.
        erp_user_id: Uuid,
        /// The address as it is written in Books.
        email: Option<String>,
        /// The display name.
        name: String,
        /// The role there.
        zoho_role: Option<String>,
        /// The role here; absent where a person has to say.
        erp_role: Option<String>,
        /// Who decided it; absent where the table of roles says it.
        role_decided_by: Option<String>,
        /// When that was decided.
        role_decided_at: Option<DateTime<Utc>>,
        /// Where it stands.
        state: ErpUserState,
        /// Whether it is in use.
        active: bool,
        /// Whether its person is to be invited: no password is ever set.
        needs_invitation: bool,
        /// The account that counts instead.
        merged_into: Option<Uuid>,
        /// When it was decided first.
        created_at: Option<DateTime<Utc>>,
        /// When it changed last.
        updated_at: DateTime<Utc>,
        /// The last list of users that had it.
        last_synced_at: Option<DateTime<Utc>>,
        /// Where its last event stands.
        position: i64,
    }
}

pub(crate) struct ErpUsers;

pub(crate) struct Change {
    at: DateTime<Utc>,
    position: i64,
    organization: Option<String>,
    what: What,
}

enum What {
    Changed(erp::User),
    RoleDecided { by: Option<String> },
    Listed,
}

impl Projection for ErpUsers {
    type Row = ErpUser;
    type Change = Change;
    const NAME: &'static str = "erp_users";
    const EVENT_TYPES: &'static [&'static EventType] = &[&USER_CHANGED, &USER_ROLE_DECIDED, &USERS_LISTED];

    fn read(event: &ScannedEvent<'_>, changes: &mut Changes<Self>) -> Result<(), Error> {
        let account = event.account.as_deref().unwrap_or_default();
        let at = event.recorded_at()?;
        let mut push = |zoho_user_id: String, what: What| {
            let organization = event.organization.as_deref().map(str::to_owned);
            let key = ErpUserKey { account: account.to_owned(), zoho_user_id };
            changes.push((key, Change { at, position: event.global_position.0, organization, what }));
        };
        if event.is(&USER_CHANGED) {
            let user: erp::User = event.decode()?;
            push(user.zoho_user_id.clone(), What::Changed(user));
        } else if event.is(&USER_ROLE_DECIDED) {
            let decided: UserRoleDecided = event.decode()?;
            let by = decided.erp_role.is_some().then_some(decided.decided_by);
            push(decided.zoho_user_id, What::RoleDecided { by });
        } else if event.is(&USERS_LISTED) {
            for user_id in event.decode::<UsersListed>()?.user_ids {
                push(user_id, What::Listed);
            }
        }
        Ok(())
    }

    fn apply(row: &mut ErpUser, change: Change) {
        row.organization = change.organization;
        row.position = change.position;
        let user = match change.what {
            What::Listed => {
                row.last_synced_at = Some(change.at);
                return;
            }
            What::RoleDecided { by } => {
                row.role_decided_at = by.is_some().then_some(change.at);
                row.role_decided_by = by;
                row.updated_at = change.at;
                return;
            }
            What::Changed(user) => user,
        };
        row.erp_user_id = user.erp_user_id;
        row.email = user.email;
        row.name = user.name;
        row.zoho_role = user.zoho_role;
        row.erp_role = user.erp_role;
        row.state = match user.state {
            UserState::Active => ErpUserState::Active,
            UserState::Inactive => ErpUserState::Inactive,
            UserState::Held => ErpUserState::Held,
            UserState::Merged => ErpUserState::Merged,
        };
        row.active = user.state == UserState::Active;
        row.needs_invitation = user.needs_invitation;
        row.merged_into = user.merged_into;
        row.created_at = row.created_at.or(Some(change.at));
        row.updated_at = change.at;
    }
}
