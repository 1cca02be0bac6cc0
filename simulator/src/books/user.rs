//! A user of Books as lists and details show it (zoho.md section 4.2).

use chrono::FixedOffset;
use serde_json::{Value, json};

use super::time::stamp;
use crate::clock::{Millis, parse_iso};
use crate::random::hash_text;
use crate::seed::{BooksUserSeed, BooksUserStatus};

/// A user.
#[derive(Debug, Clone)]
pub(crate) struct User {
    pub(crate) id: u64,
    pub(crate) name: String,
    pub(crate) email: String,
    pub(crate) role: String,
    pub(crate) status: BooksUserStatus,
    pub(crate) is_current_user: bool,
    pub(crate) created_ms: Millis,
}

impl User {
    pub(super) fn build(id: u64, seed: &BooksUserSeed, now: Millis) -> Result<Self, String> {
        let created_ms = match &seed.created_at {
            Some(text) => parse_iso(text).ok_or_else(|| format!("created_at {text:?} is not RFC 3339"))?,
            None => now,
        };
        Ok(Self {
            id,
            name: seed.name.clone(),
            email: seed.email.clone(),
            role: if seed.role.is_empty() { "staff".to_owned() } else { seed.role.clone() },
            status: seed.status,
            is_current_user: seed.is_current_user,
            created_ms,
        })
    }

    /// `active` and so on.
    pub(super) fn status_text(&self) -> &'static str {
        match self.status {
            BooksUserStatus::Active => "active",
            BooksUserStatus::Inactive => "inactive",
            BooksUserStatus::Invited => "invited",
            BooksUserStatus::Deleted => "deleted",
        }
    }

    /// A row of the list.
    pub(super) fn row(&self) -> Value {
        json!({
            "user_id": self.id.to_string(), "role_id": role_id(&self.role).to_string(), "name": self.name,
            "email": self.email, "user_role": self.role, "user_type": "zoho", "status": self.status_text(),
            "is_current_user": self.is_current_user, "photo_url": "", "is_customer_segmented": false,
            "is_vendor_segmented": false,
        })
    }

    /// Everything, with the e-mail in a list.
    pub(crate) fn detail(&self, offset: FixedOffset) -> Value {
        json!({
            "user_id": self.id.to_string(), "role_id": role_id(&self.role).to_string(), "name": self.name,
            "email_ids": [{"email": self.email, "is_selected": true}], "user_role": self.role, "user_type": "zoho",
            "status": self.status_text(), "photo_url": "", "is_employee": false,
            "created_time": stamp(self.created_ms, offset), "custom_fields": "",
        })
    }
}

/// The same id for the same role.
fn role_id(role: &str) -> u64 {
    match role {
        "admin" => 460_000_000_000_003,
        "staff" => 460_000_000_000_005,
        "timesheetstaff" => 460_000_000_000_007,
        custom => 460_000_000_001_001 + hash_text(custom) % 10_000 * 2,
    }
}
