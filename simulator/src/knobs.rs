//! What can be turned while the simulator runs: limits, life times and the behaviours that the facts leave open.
//!
//! Every knob has the documented (or measured) value as its default; the source is a section of the provider's
//! fact sheet. Changes arrive as a partial document that is merged over the present values.

mod books;
mod cliq;
mod crm;
mod google;
mod ingest;
mod oauth;
mod receiver;
mod webhooks;
mod workdrive;

use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use books::{BooksKnobs, MinuteOverflow, ModifiedFilter, SignatureEncoding};
pub use cliq::{CliqKnobs, MessageIdForm, MessageOrder, MessageTimeForm};
pub use crm::CrmKnobs;
pub use google::GoogleKnobs;
pub use ingest::{IngestAuth, IngestKnobs};
pub use oauth::{Consent, OauthKnobs};
pub use receiver::{ReceiverBehaviour, ReceiverKnobs};
pub use webhooks::Webhooks;
pub use workdrive::{NameCollision, RedirectDownloads, UploadRefusal, WorkDriveKnobs};

/// All knobs.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Knobs {
    /// Accounts server.
    pub oauth: OauthKnobs,
    /// CRM.
    pub crm: CrmKnobs,
    /// WorkDrive.
    pub workdrive: WorkDriveKnobs,
    /// Books.
    pub books: BooksKnobs,
    /// Cliq.
    pub cliq: CliqKnobs,
    /// Google's token endpoints.
    pub google: GoogleKnobs,
    /// The analysis service.
    pub ingest: IngestKnobs,
    /// Receivers of notifications.
    pub receiver: ReceiverKnobs,
    /// Notifications that CRM, Books and Cliq send.
    pub webhooks: Webhooks,
    /// What is remembered about requests.
    pub journal: JournalKnobs,
}

impl Knobs {
    /// The knobs with the keys of `patch` replaced; keys that are absent keep their value.
    ///
    /// # Errors
    /// An unknown key or a value of the wrong type; the message names it.
    pub fn merged(&self, patch: Value) -> Result<Self, serde_json::Error> {
        let mut merged = serde_json::to_value(self)?;
        merge(&mut merged, patch);
        serde_json::from_value(merged)
    }
}

fn merge(target: &mut Value, patch: Value) {
    match (target, patch) {
        (Value::Object(target), Value::Object(patch)) => {
            for (key, value) in patch {
                merge(target.entry(key).or_insert(Value::Null), value);
            }
        }
        (target, patch) => *target = patch,
    }
}

/// How much of the past is kept.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct JournalKnobs {
    /// Requests remembered one by one; 10,000. 0 keeps the counts alone.
    pub entries: usize,
}

impl Default for JournalKnobs {
    fn default() -> Self {
        Self { entries: 10_000 }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn merge_changes_what_is_named_and_nothing_else() {
        let knobs = Knobs::default().merged(json!({"oauth": {"access_token_seconds": 5}})).unwrap();
        assert_eq!(knobs.oauth.access_token_seconds, 5);
        assert_eq!(knobs.oauth.tokens_per_window, 10);
    }

    #[test]
    fn unknown_knob_is_named_in_the_error() {
        let error = Knobs::default().merged(json!({"crm": {"speed": 5}})).unwrap_err();
        assert!(error.to_string().contains("`speed`"), "{error}");
    }
}
