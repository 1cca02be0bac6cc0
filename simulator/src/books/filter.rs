//! Which contacts a list is about (zoho.md section 4.3).

use super::contact::Contact;
use super::dialect::bad_value;
use super::time;
use crate::answer::Answer;
use crate::call::Query;
use crate::clock::Millis;
use crate::context::Context;
use crate::knobs::ModifiedFilter;

/// Parameters that name a text of the contact, each also with `_startswith` and `_contains`.
const TEXTS: &[&str] = &["contact_name", "company_name", "first_name", "last_name", "email", "phone", "address"];
/// Parameters that are something else.
const OTHERS: &[&str] = &[
    "organization_id",
    "contact_type",
    "filter_by",
    "search_text",
    "sort_column",
    "sort_order",
    "zcrm_contact_id",
    "zcrm_account_id",
    "zcrm_vendor_id",
    "page",
    "per_page",
    "last_modified_time",
];

/// What a list of contacts was asked for.
pub(super) struct Filter {
    query: Query,
    changed_since: Option<Millis>,
}

impl Filter {
    /// Reads the filters of a call, or says which value is bad. Unknown parameters are ignored and noted.
    pub(super) fn read(context: &mut Context<'_>) -> Result<Self, Answer> {
        let query = context.call.query.clone();
        let known = |name: &str| {
            let text = name.strip_suffix("_startswith").or_else(|| name.strip_suffix("_contains")).unwrap_or(name);
            TEXTS.contains(&text) || OTHERS.contains(&name)
        };
        if let Some((unknown, _)) = query.pairs().find(|(name, _)| !known(name)) {
            context.misdeed("unknown_parameter", || format!("{unknown} on the contacts of Books"));
        }
        if !matches!(query.get("contact_type"), None | Some("customer" | "vendor")) {
            return Err(bad_value("contact_type"));
        }
        if query.get("filter_by").is_some_and(|status| !is_known_status(status)) {
            return Err(bad_value("filter_by"));
        }
        let changed_since = match (query.get("last_modified_time"), context.world.knobs.books.modified_filter) {
            (None, _) | (_, ModifiedFilter::Ignored) => None,
            (Some(_), ModifiedFilter::Rejected) => return Err(bad_value("last_modified_time")),
            (Some(text), ModifiedFilter::Honoured) => {
                Some(time::read(text).ok_or_else(|| bad_value("last_modified_time"))?)
            }
        };
        Ok(Self { query, changed_since })
    }

    /// True when the contact belongs into the list. Without `filter_by` inactive ones do not.
    pub(super) fn admits(&self, contact: &Contact) -> bool {
        let second = |at: Millis| at.div_euclid(1000);
        let query = &self.query;
        has_status(contact, query.get("filter_by"))
            && query.get("contact_type").is_none_or(|wanted| wanted == contact.type_text())
            && self.changed_since.is_none_or(|since| second(contact.modified_ms) >= second(since))
            && query.get("search_text").is_none_or(|text| contains(&contact.name, text))
            && query.get("zcrm_contact_id").is_none_or(|id| id == contact.zcrm_contact_id)
            && query.get("zcrm_account_id").is_none_or(|id| id == contact.zcrm_account_id)
            && query.get("zcrm_vendor_id").is_none_or(|id| id == contact.zcrm_vendor_id)
            && TEXTS.iter().all(|name| self.text_matches(name, contact))
    }

    fn text_matches(&self, name: &str, contact: &Contact) -> bool {
        let value = match name {
            "contact_name" => &contact.name,
            "company_name" => &contact.company_name,
            "first_name" => &contact.first_name,
            "last_name" => &contact.last_name,
            "email" => &contact.email,
            "phone" => &contact.phone,
            _ => "",
        };
        let get = |suffix: &str| self.query.get(&format!("{name}{suffix}"));
        get("").is_none_or(|wanted| value.to_lowercase() == wanted.to_lowercase())
            && get("_startswith").is_none_or(|start| value.to_lowercase().starts_with(&start.to_lowercase()))
            && get("_contains").is_none_or(|part| contains(value, part))
    }
}

fn contains(value: &str, part: &str) -> bool {
    value.to_lowercase().contains(&part.to_lowercase())
}

fn is_known_status(status: &str) -> bool {
    match status.split_once('.') {
        Some(("Status", rest)) => matches!(
            rest,
            "All"
                | "Active"
                | "Inactive"
                | "Duplicate"
                | "PortalEnabled"
                | "PortalDisabled"
                | "Crm"
                | "CreditLimitExceed"
        ),
        Some(("Invoice", rest)) => matches!(rest, "OverDue" | "Unpaid"),
        _ => false,
    }
}

/// Nobody here is a duplicate, has a portal, a limit or an invoice.
fn has_status(contact: &Contact, status: Option<&str>) -> bool {
    match status {
        Some("Status.All" | "Status.PortalDisabled") => true,
        None | Some("Status.Active") => !contact.inactive,
        Some("Status.Inactive") => contact.inactive,
        Some("Status.Crm") => {
            !contact.zcrm_contact_id.is_empty()
                || !contact.zcrm_account_id.is_empty()
                || !contact.zcrm_vendor_id.is_empty()
        }
        Some(_) => false,
    }
}
