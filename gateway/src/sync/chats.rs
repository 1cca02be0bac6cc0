//! Statements over `chat_cursors`: how far each chat of a mapping is read.

use chrono::{DateTime, Utc};
use event_log::Error;
use event_log::sql::{self, Connection, Row};
use mappings::channel::Mapping;
use providers::zoho::cliq::Window;
use uuid::Uuid;

/// One chat: the channel's own, or a thread.
#[derive(Debug, Clone)]
pub(crate) struct Chat {
    pub(crate) mapping_id: Uuid,
    pub(crate) chat_id: String,
    pub(crate) channel_id: String,
    pub(crate) parent_chat_id: Option<String>,
    /// Every message from this time on is to be in the log, milliseconds since 1970; absent where nobody noted it.
    pub(crate) since_ms: Option<i64>,
    /// Every message up to this time is in the log, milliseconds since 1970; 0 before the first.
    pub(crate) newest_ms: i64,
    /// The newest message of an unfinished walk.
    pub(crate) top_ms: Option<i64>,
    /// What an unfinished walk has left.
    pub(crate) stretches: Option<Vec<Window>>,
    /// Whose walk that is.
    pub(crate) walk_job: Option<Uuid>,
    /// The job that has read the chat to its end; absent where a walk has ended that nobody vouches for.
    pub(crate) read_in: Option<Uuid>,
    /// When it was told that there is something new; absent where a walk since has looked for it.
    pub(crate) told_at: Option<DateTime<Utc>>,
    pub(crate) seen: Seen,
    /// When anything of it was read last.
    pub(crate) looked_at: DateTime<Utc>,
}

impl Chat {
    /// A chat of which nothing is read.
    pub(crate) fn new(mapping: &Mapping, chat_id: &str, parent_chat_id: Option<&str>, now: DateTime<Utc>) -> Self {
        Chat {
            mapping_id: mapping.mapping_id,
            chat_id: chat_id.to_owned(),
            channel_id: mapping.channel_id.clone(),
            parent_chat_id: parent_chat_id.map(str::to_owned),
            since_ms: None,
            newest_ms: 0,
            top_ms: None,
            stretches: None,
            walk_job: None,
            read_in: None,
            told_at: None,
            seen: Seen::default(),
            looked_at: now,
        }
    }
}

/// What the provider tells of a chat without showing its messages.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) count: Option<i64>,
    pub(crate) last_ms: Option<i64>,
}

impl Seen {
    /// Whether it tells enough to be believed when it has not changed.
    pub(crate) fn is_telling(self) -> bool {
        self.count.is_some() && self.last_ms.is_some()
    }

    /// Whether messages up to a time are all that it tells of.
    pub(crate) fn is_covered(self, newest_ms: i64) -> bool {
        self.last_ms.is_none_or(|last_ms| last_ms <= newest_ms)
    }
}

/// All chats of a mapping, the channel's own first.
pub(crate) async fn of_mapping(executor: impl Into<sql::Target<'_>>, mapping_id: Uuid) -> Result<Vec<Chat>, Error> {
    let rows = sql::query(
        "SELECT mapping_id, chat_id, channel_id, parent_chat_id, newest_ms, top_ms, stretches, walk_job, read_in, seen_count, \
         seen_last_ms, told_at, updated_at, since_ms \
         FROM chat_cursors WHERE mapping_id = $1 ORDER BY parent_chat_id IS NOT NULL, chat_id",
    )
    .bind(mapping_id)
    .fetch_all(executor)
    .await?;
    rows.iter().map(read).collect()
}

/// Makes the row of a chat that is new.
pub(crate) async fn add(
    connection: &mut Connection,
    now: DateTime<Utc>,
    account: &str,
    chat: &Chat,
) -> Result<(), Error> {
    sql::query(
        "INSERT INTO chat_cursors (mapping_id, chat_id, account, channel_id, parent_chat_id, newest_ms, updated_at) \
         VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (mapping_id, chat_id) DO NOTHING",
    )
    .bind(chat.mapping_id)
    .bind(&chat.chat_id)
    .bind(account)
    .bind(&chat.channel_id)
    .bind(chat.parent_chat_id.as_deref())
    .bind(chat.newest_ms)
    .bind(now)
    .execute(connection)
    .await?;
    Ok(())
}

/// Notes that a chat of a mapping is told to have something new: the channel's own, or a thread, which may be one that
/// nobody has heard of. The channel's own is read at any rate where it has no row yet.
pub(crate) async fn tell(
    connection: &mut Connection,
    now: DateTime<Utc>,
    mapping: &Mapping,
    chat_id: &str,
) -> Result<(), Error> {
    if chat_id != mapping.chat_id {
        if !mapping.settings.threads {
            return Ok(());
        }
        let thread = Chat::new(mapping, chat_id, Some(&mapping.chat_id), now);
        add(&mut *connection, now, &mapping.account, &thread).await?;
    }
    sql::query("UPDATE chat_cursors SET told_at = $3 WHERE mapping_id = $1 AND chat_id = $2")
        .bind(mapping.mapping_id)
        .bind(chat_id)
        .bind(now)
        .execute(connection)
        .await?;
    Ok(())
}

/// Saves how far a chat is read. What was told up to `opened_at`, when a walk was begun, is what that walk finds.
pub(crate) async fn save(
    connection: &mut Connection,
    now: DateTime<Utc>,
    chat: &Chat,
    opened_at: Option<DateTime<Utc>>,
) -> Result<(), Error> {
    let stretches = chat.stretches.as_ref().map(|windows| {
        let stretches: Vec<[i64; 4]> = windows.iter().map(numbers).collect();
        serde_json::to_string(&stretches).expect("numbers serialise to JSON")
    });
    sql::query(
        "UPDATE chat_cursors SET newest_ms = $3, top_ms = $4, stretches = $5, read_in = $6, seen_count = $7, \
         seen_last_ms = $8, updated_at = $9, told_at = CASE WHEN told_at <= $10 THEN NULL ELSE told_at END, walk_job = $11, \
         since_ms = $12 \
         WHERE mapping_id = $1 AND chat_id = $2",
    )
    .bind(chat.mapping_id)
    .bind(&chat.chat_id)
    .bind(chat.newest_ms)
    .bind(chat.top_ms)
    .bind(stretches.map(sql::json))
    .bind(chat.read_in)
    .bind(chat.seen.count)
    .bind(chat.seen.last_ms)
    .bind(now)
    .bind(opened_at)
    .bind(chat.walk_job)
    .bind(chat.since_ms)
    .execute(connection)
    .await?;
    Ok(())
}

fn read(row: &Row) -> Result<Chat, Error> {
    let stretches: Option<String> = row.try_get("stretches")?;
    // What does not decode is walked again from the beginning of the stretch, which loses nothing.
    let stretches = stretches.and_then(|text| serde_json::from_str::<Vec<Vec<i64>>>(&text).ok());
    let stretches = stretches.and_then(|all| all.iter().map(|numbers| window(numbers)).collect());
    Ok(Chat {
        mapping_id: row.try_get("mapping_id")?,
        chat_id: row.try_get("chat_id")?,
        channel_id: row.try_get("channel_id")?,
        parent_chat_id: row.try_get("parent_chat_id")?,
        since_ms: row.try_get("since_ms")?,
        newest_ms: row.try_get("newest_ms")?,
        top_ms: row.try_get("top_ms")?,
        stretches,
        walk_job: row.try_get("walk_job")?,
        read_in: row.try_get("read_in")?,
        told_at: row.try_get("told_at")?,
        looked_at: row.try_get("updated_at")?,
        seen: Seen { count: row.try_get("seen_count")?, last_ms: row.try_get("seen_last_ms")? },
    })
}

/// A stretch as it is kept: its ends, and how far questions reach beyond each.
fn numbers(window: &Window) -> [i64; 4] {
    [window.from.timestamp_millis(), window.to.timestamp_millis(), window.before_ms, window.after_ms]
}

/// Of a stretch that was kept without it, nothing is known of how far questions may reach.
fn window(numbers: &[i64]) -> Option<Window> {
    let moment = DateTime::from_timestamp_millis;
    match *numbers {
        [from, to] => Some(Window::new(moment(from)?, moment(to)?)),
        [from, to, before_ms, after_ms] => Some(Window { from: moment(from)?, to: moment(to)?, before_ms, after_ms }),
        _ => None,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn stretch_is_kept_with_how_far_questions_reach_and_older_ones_are_read() {
        let kept = Window { before_ms: 1, after_ms: 0, ..window(&[5, 9]).unwrap() };
        assert_eq!(window(&numbers(&kept)), Some(kept));
        let moment = |milliseconds| DateTime::from_timestamp_millis(milliseconds).unwrap();
        assert_eq!(window(&[5, 9]), Some(Window::new(moment(5), moment(9))));
        assert_eq!(window(&[5]), None);
    }
}
