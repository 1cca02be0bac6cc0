//! Statements over `books_walks`: how far the contacts of an account are read.

use chrono::{DateTime, Utc};
use event_log::Error;
use event_log::sql::{self, Connection};
use uuid::Uuid;

/// The contacts of one account.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Walk {
    pub(super) account: String,
    /// Every change up to this time of the provider's clock is in the log.
    pub(super) watermark: Option<DateTime<Utc>>,
    /// The last walk over everything that reached its end.
    pub(super) last_full_at: Option<DateTime<Utc>>,
    /// The job whose walk is under way.
    pub(super) job_id: Option<Uuid>,
    /// Only what was modified since; absent: everything.
    pub(super) since: Option<DateTime<Utc>>,
    /// The page to ask for, the first is 1.
    pub(super) next_page: Option<u32>,
    /// The watermark when this walk has reached its end: the newest change when it began.
    pub(super) newest: Option<DateTime<Utc>>,
    /// The newest change when the last walk of several pages began, whose watermark was held back.
    pub(super) held: Option<DateTime<Utc>>,
    /// All pages are read; those that were not on them are left to be asked for.
    pub(super) is_confirming: bool,
}

impl Walk {
    /// Whether it goes over everything.
    pub(super) fn is_full(&self) -> bool {
        self.since.is_none()
    }

    /// At the last page, of `pages`. Whoever vanishes from a page that was read moves somebody of the next page onto it,
    /// who is then on none. So a watermark moves over a stretch of several pages only when two walks went over it.
    pub(super) fn at_last_page(self, pages: u32) -> Self {
        if pages <= 1 || self.watermark.is_none() {
            return Walk { held: None, ..self };
        }
        Walk { newest: self.held, held: self.newest, ..self }
    }

    /// After its end.
    pub(super) fn ended(&self, now: DateTime<Utc>) -> Self {
        Walk {
            account: self.account.clone(),
            watermark: self.newest.max(self.watermark),
            last_full_at: if self.is_full() { Some(now) } else { self.last_full_at },
            held: self.held,
            ..Walk::default()
        }
    }
}

/// How far an account is.
pub(super) async fn load(target: impl Into<sql::Target<'_>>, account: &str) -> Result<Walk, Error> {
    let row = sql::query(
        "SELECT watermark, last_full_at, job_id, since, next_page, newest, held, is_confirming FROM books_walks \
         WHERE account = $1",
    )
    .bind(account)
    .fetch_optional(target)
    .await?;
    let Some(row) = row else { return Ok(Walk { account: account.to_owned(), ..Walk::default() }) };
    let next_page: Option<i64> = row.try_get("next_page")?;
    Ok(Walk {
        account: account.to_owned(),
        watermark: row.try_get("watermark")?,
        last_full_at: row.try_get("last_full_at")?,
        job_id: row.try_get("job_id")?,
        since: row.try_get("since")?,
        next_page: next_page.and_then(|page| u32::try_from(page).ok()),
        newest: row.try_get("newest")?,
        held: row.try_get("held")?,
        is_confirming: row.try_get("is_confirming")?,
    })
}

/// Saves how far an account is.
pub(super) async fn save(connection: &mut Connection, walk: &Walk) -> Result<(), Error> {
    sql::query(
        "INSERT INTO books_walks (account, watermark, last_full_at, job_id, since, next_page, newest, is_confirming, held) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT (account) DO UPDATE SET \
         watermark = excluded.watermark, last_full_at = excluded.last_full_at, job_id = excluded.job_id, \
         since = excluded.since, next_page = excluded.next_page, newest = excluded.newest, \
         is_confirming = excluded.is_confirming, held = excluded.held",
    )
    .bind(&walk.account)
    .bind(walk.watermark)
    .bind(walk.last_full_at)
    .bind(walk.job_id)
    .bind(walk.since)
    .bind(walk.next_page)
    .bind(walk.newest)
    .bind(walk.is_confirming)
    .bind(walk.held)
    .execute(connection)
    .await?;
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Option<DateTime<Utc>> {
        DateTime::from_timestamp(seconds, 0)
    }

    #[test]
    fn watermark_moves_over_several_pages_when_two_walks_went_over_them() {
        let walk = |saved: &Walk, newest: i64, pages: u32| {
            let walk = Walk { newest: at(newest), since: at(0), ..saved.clone() };
            walk.at_last_page(pages).ended(DateTime::UNIX_EPOCH)
        };
        let begun = Walk { watermark: at(10), ..Walk::default() };
        let once = walk(&begun, 20, 3);
        assert_eq!((once.watermark, once.held), (at(10), at(20)));
        let twice = walk(&once, 25, 3);
        assert_eq!((twice.watermark, twice.held), (at(20), at(25)));
        let short = walk(&twice, 30, 1);
        assert_eq!((short.watermark, short.held), (at(30), None));
        let first = walk(&Walk::default(), 20, 3);
        assert_eq!((first.watermark, first.held), (at(20), None), "there is none to hold");
    }
}
