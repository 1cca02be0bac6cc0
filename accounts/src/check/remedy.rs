//! What a person can do about a provider's refusal.

use providers::error::Error;

/// One sentence for a person.
pub(super) fn of(error: &Error) -> String {
    match error {
        Error::Throttled(throttled) => format!("wait until {} and test again", throttled.until.to_rfc3339()),
        Error::NeedsConsent { .. } => {
            "authorise the account again and put the new refresh token where the settings refer to".to_owned()
        }
        Error::BadClient { .. } => {
            "compare client_id, client_secret and region with the provider's API console".to_owned()
        }
        Error::MissingScope { scope_hint, .. } => {
            format!("authorise the account again with the scopes {scope_hint}")
        }
        Error::Denied { .. } => "give the authorising user the right, in the provider's administration".to_owned(),
        Error::NotFound { what, .. } => {
            format!("correct the id of the {what} in the settings, or share it with the authorising user")
        }
        Error::Rejected { field: Some(field), .. } => {
            format!("correct `{field}` in the settings: use API names as the developer settings show them")
        }
        Error::Licence { .. } | Error::StorageFull { .. } => "settle it with the provider's administration".to_owned(),
        Error::Store(_) => "look after the database: it cannot be read or written".to_owned(),
        _ => "test again later; if it stays, look at the provider's status page and at the endpoints in the settings"
            .to_owned(),
    }
}
