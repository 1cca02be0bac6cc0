//! Whether the log still wants what an effect is about: later decisions and facts count.

use catalogue::books::{self, CONTACT_CHANGED, ContactChanged};
use catalogue::erp::{self, CONFLICT_DECIDED, ConflictDecided, ConflictKind, Decision, SALESPERSON_ASSIGNED};
use event_log::sql::{self, Pool};
use event_log::{EventType, StreamName};
use serde::de::DeserializeOwned;

use super::request::AssignContact;
use crate::Error;

/// How a decision stands now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// It is the last one about its customer.
    Wanted {
        /// Books has had the wanted owner since: whatever it has now came after that.
        was_followed: bool,
    },
    /// A later one is about the same customer.
    Overtaken,
    /// A person decided that the owner in Books stays.
    Withdrawn,
}

impl Standing {
    /// Looks how a decision about a contact of an account stands.
    ///
    /// # Errors
    /// Database failures; an event that does not decode.
    pub(super) async fn of(readers: &Pool, account: &str, request: &AssignContact) -> Result<Self, Error> {
        let contact_id = request.contact_id.as_str();
        let customer = erp::customer_stream(account, contact_id);
        let later: bool = sql::query_scalar(
            "SELECT EXISTS (SELECT 1 FROM events WHERE stream_name = $1 AND stream_version > $2 AND event_type = $3)",
        )
        .bind(customer.as_str())
        .bind(request.stream_version)
        .bind(SALESPERSON_ASSIGNED.as_str())
        .fetch_one(readers)
        .await?;
        if later {
            return Ok(Standing::Overtaken);
        }
        let conflict = erp::conflict_stream(erp::conflict_id(account, ConflictKind::Owner, contact_id));
        let decided: Vec<ConflictDecided> = since(readers, &conflict, CONFLICT_DECIDED, request).await?;
        if decided.iter().any(|decided| decided.decision == Decision::KeepBooksOwner) {
            return Ok(Standing::Withdrawn);
        }
        let contact = books::contact_stream(account, contact_id);
        let seen: Vec<ContactChanged> = since(readers, &contact, CONTACT_CHANGED, request).await?;
        let was_followed = seen.iter().any(|seen| seen.owner_id.as_deref() == Some(request.owner_id.as_str()));
        Ok(Standing::Wanted { was_followed })
    }
}

/// What was told in a stream since the decision.
async fn since<T: DeserializeOwned>(
    readers: &Pool,
    stream: &StreamName,
    event_type: EventType,
    request: &AssignContact,
) -> Result<Vec<T>, Error> {
    let told: Vec<String> = sql::query_scalar(
        "SELECT data FROM events WHERE stream_name = $1 AND event_type = $2 AND global_position > $3 \
         ORDER BY stream_version",
    )
    .bind(stream.as_str())
    .bind(event_type.as_str())
    .bind(request.global_position)
    .fetch_all(readers)
    .await?;
    let decoded = told.iter().map(|data| {
        serde_json::from_str(data)
            .map_err(|source| Error::Undecodable { effect_key: stream.as_str().to_owned(), source })
    });
    decoded.collect()
}
