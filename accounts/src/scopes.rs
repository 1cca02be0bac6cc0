//! Rights of a grant: what the configuration needs, what was granted, and what breaks without the rest.
//!
//! The provider tells the rights with some grants and tokens, and then the comparison is exact. Where it does not, the
//! calls of `accounts test` are made once for each grant, and only a right that reading needs can be found missing.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

pub(crate) mod needs;
pub(crate) mod probe;
pub(crate) mod rows;

pub use needs::{Product, UnknownProduct};

use needs::Need;

/// A right that is needed and was not granted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MissingScope {
    /// The scope, as the provider names it.
    pub scope: String,
    /// What does not work without it.
    pub breaks: String,
    /// Whether the rest works without it.
    pub optional: bool,
}

/// The rights of an account's grant.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Scopes {
    /// What the configuration and the mappings need.
    pub needed: Vec<String>,
    /// What was granted; `None` where the provider did not tell.
    pub granted: Option<Vec<String>>,
    /// What is needed and was not granted, as far as it is known.
    pub missing: Vec<MissingScope>,
    /// When the provider last told the rights, or a look found some missing; `None` where neither has happened since the
    /// grant was given.
    pub checked_at: Option<DateTime<Utc>>,
}

/// What of the needs a grant with these rights lacks.
pub(crate) fn missing(needs: &[Need], granted: &[String]) -> Vec<MissingScope> {
    let lacks = needs.iter().filter(|need| !need.accepted.iter().any(|one| allows(granted, one)));
    lacks
        .map(|need| MissingScope { scope: need.ask.clone(), breaks: need.breaks.clone(), optional: need.optional })
        .collect()
}

/// Whether one of the granted scopes covers `wanted`: with its own operation or `ALL`, and for everything below the part
/// that it names. Rights to custom modules of the CRM cover any module, because its name does not tell which are.
fn allows(granted: &[String], wanted: &str) -> bool {
    granted.iter().any(|scope| covers(scope, wanted))
}

fn covers(scope: &str, wanted: &str) -> bool {
    let (Some((path, operation)), Some((wanted_path, wanted_operation))) =
        (scope.rsplit_once('.'), wanted.rsplit_once('.'))
    else {
        return scope.eq_ignore_ascii_case(wanted);
    };
    let operation_fits = operation.eq_ignore_ascii_case("ALL") || operation.eq_ignore_ascii_case(wanted_operation);
    let (path, wanted_path) = (path.to_ascii_lowercase(), wanted_path.to_ascii_lowercase());
    let below = wanted_path.strip_prefix(&path).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'));
    let custom = path.starts_with("zohocrm.modules.custom") && wanted_path.starts_with("zohocrm.modules.");
    operation_fits && (below || custom)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn granted(scopes: &[&str]) -> Vec<String> {
        scopes.iter().map(|scope| (*scope).to_owned()).collect()
    }

    #[test]
    fn all_the_parent_and_custom_modules_cover_a_module() {
        let wanted = "ZohoCRM.modules.Contacts.READ";
        for scope in [
            wanted,
            "ZohoCRM.modules.ALL",
            "ZohoCRM.modules.READ",
            "zohocrm.modules.contacts.read",
            "ZohoCRM.modules.custom.ALL",
        ] {
            assert!(allows(&granted(&["other", scope]), wanted), "{scope}");
        }
        for scope in ["ZohoCRM.modules.Leads.ALL", "ZohoCRM.modules.Contacts.UPDATE", "ZohoCRM.module.ALL", "ALL", ""] {
            assert!(!allows(&granted(&[scope]), wanted), "{scope}");
        }
    }

    #[test]
    fn either_of_two_names_of_a_right_will_do() {
        let need = Need {
            product: Product::WorkDrive,
            ask: "WorkDrive.teamfolders.READ".to_owned(),
            accepted: vec!["WorkDrive.teamfolders.READ".to_owned(), "WorkDrive.workspace.READ".to_owned()],
            breaks: "nothing".to_owned(),
            optional: false,
        };
        assert_eq!(missing(std::slice::from_ref(&need), &granted(&["WorkDrive.workspace.ALL"])), []);
        assert_eq!(missing(&[need], &granted(&["WorkDrive.files.ALL"])).len(), 1);
    }
}
