//! Says what waits because Books is only read.

use event_log::sql;

use crate::Error;
use crate::context::Context;
use crate::ledger::Kind;

/// Tells at start how many owners that the ERP wants wait for somebody to change them in Books.
///
/// # Errors
/// Database failures.
pub(crate) async fn tell_read_only(context: &Context) -> Result<(), Error> {
    let accounts: Vec<&str> = context.settings.organizations.read_only().collect();
    if accounts.is_empty() {
        return Ok(());
    }
    let rows = sql::query(
        "SELECT account, count(*) AS waiting FROM effects WHERE kind = $1 AND status IN ('planned', 'unknown') \
         AND account IN (SELECT value FROM json_each($2)) GROUP BY account ORDER BY account",
    )
    .bind(Kind::AssignContact.as_str())
    .bind(sql::list(accounts.iter().copied()))
    .fetch_all(context.log.database().readers())
    .await?;
    for row in rows {
        let (account, waiting): (String, i64) = (row.try_get("account")?, row.try_get("waiting")?);
        tracing::info!(
            account.id = account,
            waiting,
            "books of {account} is only read: {waiting} owners that the erp wants wait until somebody changes them there, or \
             sets accounts.{account}.books.write_owners = true"
        );
    }
    Ok(())
}
