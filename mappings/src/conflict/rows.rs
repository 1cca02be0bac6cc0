//! Statements over `erp_conflicts`, and its rows.

use catalogue::erp::{ConflictAbout, ConflictKind, ConflictState, Decision};
use chrono::{DateTime, Utc};
use event_log::sql::{self, Builder, Connection, Row, Target};
use event_log::{StreamVersion, sqlx};
use serde::Serialize;
use uuid::Uuid;

use crate::Error;
use crate::stored::{Stored, stored};

/// The most rows of one page.
pub const LARGEST_PAGE: u32 = 1_000;

/// One conflict.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Conflict {
    /// Its id.
    pub conflict_id: Uuid,
    /// The account it was found in.
    pub account: String,
    /// Whose it is.
    pub organization: String,
    /// Where it stands.
    pub state: ConflictState,
    /// What it is about.
    #[serde(flatten)]
    pub about: ConflictAbout,
    /// What was decided last.
    #[serde(flatten)]
    pub decision: Option<Decision>,
    /// When it came to stand there.
    pub changed_at: DateTime<Utc>,
    #[serde(skip)]
    pub(super) version: StreamVersion,
}

/// Which conflicts; everything that is set must hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// Whose.
    pub organization: Option<String>,
    /// Of which account.
    pub account: Option<String>,
    /// Where they stand.
    pub state: Option<ConflictState>,
}

const COLUMNS: &str = "conflict_id, account, organization, state, version, about, decision, changed_at";

/// Conflicts in the order of their ids, those after `after`.
///
/// # Errors
/// [`Error::Log`].
pub async fn list(
    target: impl Into<Target<'_>>,
    filter: &Filter,
    after: Option<Uuid>,
    limit: u32,
) -> Result<Vec<Conflict>, Error> {
    let mut query = Builder::new(format!("SELECT {COLUMNS} FROM erp_conflicts WHERE conflict_id > "));
    query.push_bind(after.unwrap_or_default());
    let wanted = [
        ("organization", filter.organization.as_deref()),
        ("account", filter.account.as_deref()),
        ("state", filter.state.map(ConflictState::as_str)),
    ];
    for (column, value) in wanted {
        if let Some(value) = value {
            query.push(" AND ").push(column).push(" = ").push_bind(value);
        }
    }
    query.push(" ORDER BY conflict_id LIMIT ").push_bind(limit.min(LARGEST_PAGE));
    let rows = query.build().fetch_all(target).await?;
    Ok(rows.iter().map(read).collect::<Result<_, _>>()?)
}

/// One conflict; with `organization`, only one of its own.
///
/// # Errors
/// [`Error::UnknownConflict`], [`Error::Log`].
pub async fn get(
    target: impl Into<Target<'_>>,
    organization: Option<&str>,
    conflict_id: Uuid,
) -> Result<Conflict, Error> {
    let found = find(target, conflict_id).await?;
    let visible = found.filter(|conflict| organization.is_none_or(|own| own == conflict.organization));
    visible.ok_or(Error::UnknownConflict { conflict_id })
}

pub(super) async fn find(target: impl Into<Target<'_>>, conflict_id: Uuid) -> Result<Option<Conflict>, sqlx::Error> {
    let text = format!("SELECT {COLUMNS} FROM erp_conflicts WHERE conflict_id = $1");
    let row = sql::query_composed(text).bind(conflict_id).fetch_optional(target).await?;
    row.as_ref().map(read).transpose()
}

/// All conflicts of an account about addresses.
pub(super) async fn about_emails(connection: &mut Connection, account: &str) -> Result<Vec<Conflict>, sqlx::Error> {
    let text = format!("SELECT {COLUMNS} FROM erp_conflicts WHERE account = $1 ORDER BY conflict_id");
    let rows = sql::query_composed(text).bind(account).fetch_all(connection).await?;
    let mut all: Vec<Conflict> = rows.iter().map(read).collect::<Result<_, _>>()?;
    all.retain(|conflict| conflict.about.kind() == ConflictKind::SameEmail);
    Ok(all)
}

/// Writes a whole row.
pub(super) async fn save(connection: &mut Connection, conflict: &Conflict) -> Result<(), sqlx::Error> {
    let text = format!(
        "INSERT INTO erp_conflicts ({COLUMNS}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8) \
         ON CONFLICT (conflict_id) DO UPDATE SET state = excluded.state, version = excluded.version, \
         about = excluded.about, decision = excluded.decision, changed_at = excluded.changed_at"
    );
    sql::query_composed(text)
        .bind(conflict.conflict_id)
        .bind(&conflict.account)
        .bind(&conflict.organization)
        .bind(conflict.state.as_str())
        .bind(conflict.version.0)
        .bind(stored(&conflict.about))
        .bind(conflict.decision.as_ref().map(stored))
        .bind(conflict.changed_at)
        .execute(connection)
        .await?;
    Ok(())
}

fn read(row: &Row) -> Result<Conflict, sqlx::Error> {
    let state: String = row.try_get("state")?;
    let unknown = || sqlx::Error::Decode(format!("state {state:?} of a conflict").into());
    Ok(Conflict {
        conflict_id: row.try_get("conflict_id")?,
        account: row.try_get("account")?,
        organization: row.try_get("organization")?,
        state: ConflictState::parse(&state).ok_or_else(unknown)?,
        about: row.try_get::<Stored<_>, _>("about")?.0,
        decision: row.try_get::<Option<Stored<_>>, _>("decision")?.map(|stored| stored.0),
        changed_at: row.try_get("changed_at")?,
        version: StreamVersion(row.try_get("version")?),
    })
}
