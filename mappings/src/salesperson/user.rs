//! Statements over `books_users`: the last known state of each user, and of the account that follows from it.

use std::collections::BTreeMap;

use catalogue::books::UserChanged;
use catalogue::erp;
use chrono::{DateTime, Utc};
use event_log::StreamVersion;
use event_log::sql::{self, Builder, Connection, Row, Target};
use event_log::sqlx;
use service::config::account::Books;
use uuid::Uuid;

use crate::stored::{Stored, stored};

/// A user of Books and the account of the ERP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// The account by which it is read.
    pub account: String,
    /// Whose it is.
    pub organization: String,
    /// The last state there.
    pub fact: UserChanged,
    /// Whether it was deleted there or is not listed any more.
    pub is_gone: bool,
    /// Complete lists in a row that did not have it.
    pub missed: i64,
    /// The account of the ERP.
    pub erp: Option<erp::User>,
    /// The role here that a person decided.
    pub decided_role: Option<String>,
    /// The last list that had it.
    pub seen_at: DateTime<Utc>,
    pub(crate) version: StreamVersion,
    pub(crate) erp_version: StreamVersion,
}

impl User {
    /// One that is in the log after its first event.
    pub(super) fn unknown(account: &str, organization: &str, fact: UserChanged, now: DateTime<Utc>) -> Self {
        User {
            account: account.to_owned(),
            organization: organization.to_owned(),
            fact,
            is_gone: false,
            missed: 0,
            erp: None,
            decided_role: None,
            seen_at: now,
            version: StreamVersion(0),
            erp_version: StreamVersion(0),
        }
    }

    /// Whether it may work, now or after an invitation.
    #[must_use]
    pub fn is_live(&self) -> bool {
        !self.is_gone && matches!(self.fact.status.as_str(), "active" | "invited")
    }

    /// The id of its account in the ERP.
    #[must_use]
    pub fn erp_user_id(&self) -> Uuid {
        erp::user_id(&self.account, &self.fact.user_id)
    }

    /// The role here: what a person decided, else what the table of roles says; none where a person has to say.
    #[must_use]
    pub fn erp_role<'r>(&'r self, books: &'r Books) -> Option<&'r str> {
        self.decided_role.as_deref().or_else(|| books.role_of(self.fact.role.as_deref()))
    }

    /// What its address is compared by; none where it has no address.
    #[must_use]
    pub fn email_key(&self) -> Option<String> {
        let email = self.fact.email.as_deref()?.trim().to_lowercase();
        (!email.is_empty()).then_some(email)
    }
}

/// Rows in one statement.
const AT_ONCE: usize = 100;

const COLUMNS: &str = "account, user_id, organization, version, fact, is_gone, missed, erp_version, erp, \
     decided_role, seen_at";

/// All users of an account, by their ids.
pub(crate) async fn all(target: impl Into<Target<'_>>, account: &str) -> Result<BTreeMap<String, User>, sqlx::Error> {
    let rows = sql::query_composed(format!("SELECT {COLUMNS} FROM books_users WHERE account = $1"))
        .bind(account)
        .fetch_all(target)
        .await?;
    rows.iter().map(|row| read(row).map(|user| (user.fact.user_id.clone(), user))).collect()
}

/// All users of all accounts, or of one, by account and id.
pub(crate) async fn every(target: impl Into<Target<'_>>, account: Option<&str>) -> Result<Vec<User>, sqlx::Error> {
    let text =
        format!("SELECT {COLUMNS} FROM books_users WHERE ($1 IS NULL OR account = $1) ORDER BY account, user_id");
    let rows = sql::query_composed(text).bind(account).fetch_all(target).await?;
    rows.iter().map(read).collect()
}

/// Writes whole rows.
pub(crate) async fn save(connection: &mut Connection, users: &[&User]) -> Result<(), sqlx::Error> {
    for users in users.chunks(AT_ONCE) {
        let mut query = Builder::new(format!("INSERT INTO books_users ({COLUMNS}) "));
        query.push_values(users, |mut row, user| {
            row.push_bind(&user.account).push_bind(&user.fact.user_id).push_bind(&user.organization);
            row.push_bind(user.version.0).push_bind(stored(&user.fact));
            row.push_bind(user.is_gone).push_bind(user.missed).push_bind(user.erp_version.0);
            row.push_bind(user.erp.as_ref().map(stored)).push_bind(&user.decided_role).push_bind(user.seen_at);
        });
        query.push(
            " ON CONFLICT (account, user_id) DO UPDATE SET version = excluded.version, \
             fact = excluded.fact, is_gone = excluded.is_gone, missed = excluded.missed, \
             erp_version = excluded.erp_version, erp = excluded.erp, decided_role = excluded.decided_role, \
             seen_at = excluded.seen_at",
        );
        query.build().execute(&mut *connection).await?;
    }
    Ok(())
}

fn read(row: &Row) -> Result<User, sqlx::Error> {
    Ok(User {
        account: row.try_get("account")?,
        organization: row.try_get("organization")?,
        fact: row.try_get::<Stored<_>, _>("fact")?.0,
        is_gone: row.try_get("is_gone")?,
        missed: row.try_get("missed")?,
        erp: row.try_get::<Option<Stored<_>>, _>("erp")?.map(|stored| stored.0),
        decided_role: row.try_get("decided_role")?,
        seen_at: row.try_get("seen_at")?,
        version: StreamVersion(row.try_get("version")?),
        erp_version: StreamVersion(row.try_get("erp_version")?),
    })
}
