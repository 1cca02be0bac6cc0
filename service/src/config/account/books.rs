//! `[accounts.NAME.books]`: the organisation whose users and customers are followed, when, and what its roles mean here.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::config::schedule::Schedule;
use crate::config::section::Section;

/// `[accounts.NAME.books]`.
#[derive(Debug, Clone, PartialEq)]
pub struct Books {
    /// Key `organization_id`: the provider's number of the organisation; every call needs it. Required.
    pub organization_id: String,
    /// Keys `schedule` (cron) and `timezone`, or `interval_seconds`: when users and changed customers are read. Default:
    /// every 86,400 seconds.
    pub schedule: Schedule,
    /// Key `full_every_days`: after so long all customers are read instead of those that changed, 1 to 365. Default 7.
    /// Only then it shows who was deleted or merged; seldom finds that late, often costs calls.
    pub full_every: Duration,
    /// Key `contact_type`: which contacts are customers, `customer` or `vendor`. Default `customer`.
    pub contact_type: String,
    /// `[accounts.NAME.books.roles]`: the role here for each role there, whatever its case.
    pub roles: BTreeMap<String, String>,
    /// Key `default_role`: the role here of whoever has another one there. Default `review`: none, and a person is asked.
    pub default_role: Option<String>,
    /// Key `write_owners`: whether a customer that is given to a salesperson here gets that owner in Books as well. Default
    /// `false`: Books is only read, and what the ERP wants waits for somebody to change it there.
    pub write_owners: bool,
}

/// Pause between syncs: a day.
const DEFAULT_INTERVAL_SECONDS: u64 = 86_400;

/// Days between full syncs.
const DEFAULT_FULL_DAYS: u64 = 7;

/// The word for "ask a person" where a role stands.
const REVIEW: &str = "review";

impl Books {
    /// Nothing where there is no such section.
    pub(super) fn read(mut section: Section<'_>) -> Option<Self> {
        if section.is_empty() {
            return None;
        }
        section.require("organization_id", "take it from the organisation's profile in Books");
        let organization_id: Option<String> = section.optional("organization_id");
        let roles = section.section("roles").all_texts();
        let default_role = section.or("default_role", REVIEW.to_owned());
        let full_days = section.within("full_every_days", 1..=365).unwrap_or(DEFAULT_FULL_DAYS);
        let words = [("customer", "customer"), ("vendor", "vendor")];
        let books = Self {
            organization_id: organization_id.unwrap_or_default(),
            schedule: Schedule::read(&mut section, DEFAULT_INTERVAL_SECONDS),
            full_every: Duration::from_secs(full_days * 86_400),
            contact_type: section.choice("contact_type", &words).unwrap_or("customer").to_owned(),
            roles: roles.into_iter().map(|(there, here)| (folded(&there), here.trim().to_owned())).collect(),
            write_owners: section.or("write_owners", false),
            default_role: Some(default_role).filter(|role| role.trim() != REVIEW),
        };
        section.finish();
        Some(books)
    }

    /// The role here of somebody with that role there; `None` where a person has to say.
    #[must_use]
    pub fn role_of(&self, there: Option<&str>) -> Option<&str> {
        let named = there.and_then(|there| self.roles.get(&folded(there))).map(String::as_str);
        named.or(self.default_role.as_deref()).filter(|role| *role != REVIEW)
    }
}

/// Names of roles are typed by people.
fn folded(role: &str) -> String {
    role.trim().to_lowercase()
}
