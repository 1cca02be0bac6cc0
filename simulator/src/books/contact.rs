//! A contact of Books as lists and details show it: `""` for what is absent (zoho.md section 4.3).

use serde_json::{Value, json};

use super::time::stamp;
use super::{Books, read_id};
use crate::clock::{Millis, parse_iso};
use crate::seed::{BooksContactSeed, BooksContactType};

/// A contact. Texts that nobody gave are empty.
#[derive(Debug, Clone)]
pub(crate) struct Contact {
    pub(crate) id: u64,
    pub(crate) name: String,
    pub(crate) company_name: String,
    pub(crate) first_name: String,
    pub(crate) last_name: String,
    pub(crate) email: String,
    pub(crate) phone: String,
    pub(crate) contact_type: BooksContactType,
    pub(crate) inactive: bool,
    pub(crate) owner_id: Option<u64>,
    pub(crate) zcrm_contact_id: String,
    pub(crate) zcrm_account_id: String,
    pub(crate) zcrm_vendor_id: String,
    pub(crate) created_ms: Millis,
    pub(crate) modified_ms: Millis,
    /// Changes that came through the API, whether or not their answers arrived.
    pub(crate) api_updates: u32,
}

impl Contact {
    pub(super) fn build(id: u64, seed: &BooksContactSeed, now: Millis) -> Result<Self, String> {
        let read = |text: &Option<String>| {
            let parsed = text.as_deref().map(|text| parse_iso(text).ok_or(text));
            parsed.transpose().map_err(|text| format!("time {text:?} of contact {id} is not RFC 3339"))
        };
        let created_ms = read(&seed.created_at)?.unwrap_or(now);
        Ok(Self {
            id,
            name: seed.name.clone(),
            company_name: seed.company_name.clone(),
            first_name: seed.first_name.clone(),
            last_name: seed.last_name.clone(),
            email: seed.email.clone(),
            phone: seed.phone.clone(),
            contact_type: seed.contact_type,
            inactive: seed.inactive,
            owner_id: seed.owner_id.as_deref().filter(|id| !id.is_empty()).map(read_id).transpose()?,
            zcrm_contact_id: seed.zcrm_contact_id.clone(),
            zcrm_account_id: seed.zcrm_account_id.clone(),
            zcrm_vendor_id: seed.zcrm_vendor_id.clone(),
            created_ms,
            modified_ms: read(&seed.modified_at)?.unwrap_or(created_ms),
            api_updates: 0,
        })
    }

    /// `active` or `inactive`.
    pub(super) fn status_text(&self) -> &'static str {
        if self.inactive { "inactive" } else { "active" }
    }

    pub(super) fn type_text(&self) -> &'static str {
        match self.contact_type {
            BooksContactType::Customer => "customer",
            BooksContactType::Vendor => "vendor",
        }
    }

    /// A row of the list.
    pub(super) fn row(&self, books: &Books) -> Value {
        let (created, modified) = (stamp(self.created_ms, books.offset), stamp(self.modified_ms, books.offset));
        json!({
            "contact_id": self.id.to_string(), "contact_name": self.name, "company_name": self.company_name,
            "contact_type": self.type_text(), "status": self.status_text(),
            "owner_id": self.owner_id.map(|id| id.to_string()).unwrap_or_default(),
            "owner_name": books.owner_name(self.owner_id), "first_name": self.first_name,
            "last_name": self.last_name, "email": self.email, "phone": self.phone, "mobile": "",
            "zcrm_contact_id": self.zcrm_contact_id, "zcrm_account_id": self.zcrm_account_id,
            "zcrm_vendor_id": self.zcrm_vendor_id, "outstanding_receivable_amount": 0.0,
            "outstanding_receivable_amount_formatted": "$0.00", "custom_fields": [],
            "created_time_formatted": created.get(..10), "created_time": created,
            "last_modified_time_formatted": modified.get(..10), "last_modified_time": modified,
        })
    }

    /// A row and what only details have.
    pub(crate) fn detail(&self, books: &Books) -> Value {
        let mut detail = self.row(books);
        let address = json!({"address": "", "street2": "", "city": "", "state": "", "zip": "", "country": ""});
        let person = json!({
            "contact_person_id": (self.id + 1).to_string(), "first_name": self.first_name,
            "last_name": self.last_name, "email": self.email, "phone": self.phone, "is_primary_contact": true,
        });
        detail["contact_persons"] = json!([person]);
        detail["addresses"] = json!([]);
        detail["billing_address"] = address.clone();
        detail["shipping_address"] = address;
        detail["notes"] = "".into();
        detail
    }
}
