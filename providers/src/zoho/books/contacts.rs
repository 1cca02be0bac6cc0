//! All contacts, or those that changed, page by page.
//!
//! Books pages by number, so a row that is deleted while we read shifts another one over the edge of a page. A full read
//! goes by time of creation, which never changes; an incremental one goes from the newest change down to a watermark,
//! because the filter by time is not documented for contacts. Someone who is missing once is not gone yet: ask for the
//! contact by its id.

use std::collections::HashSet;

use chrono::{DateTime, TimeDelta, Utc};

use crate::error::Error;
use crate::zoho::books::list;
use crate::zoho::books::{Contact, Id, Organization, read};
use crate::zoho::call::Operation;

const CONTACTS: Operation = read("books.contacts", "ZohoBooks.contacts.READ", "books contacts");

/// A walk over contacts; one call for each page of 200.
#[derive(Debug)]
pub struct Contacts<'a> {
    organization: Organization<'a>,
    /// Rows last modified before this are of no interest; `None` for a full read.
    since: Option<DateTime<Utc>>,
    /// The page to ask for; `None` when the walk is done.
    page: Option<u32>,
    seen: HashSet<Id>,
}

impl<'a> Organization<'a> {
    /// Walks over every contact, inactive ones included, oldest first.
    #[must_use]
    pub fn contacts(&self) -> Contacts<'a> {
        self.walk(None)
    }

    /// Walks over the contacts that were last modified at `watermark` or later, or up to `overlap` before it, newest
    /// first.
    ///
    /// The watermark is the newest [`Contact::last_modified_time`] of the walk before, never a time of ours; it may be
    /// moved only when a walk has reached its end. The overlap is for changes that became visible late; two to five
    /// minutes are usual.
    #[must_use]
    pub fn contacts_modified_since(&self, watermark: DateTime<Utc>, overlap: TimeDelta) -> Contacts<'a> {
        self.walk(Some(watermark.checked_sub_signed(overlap).unwrap_or(DateTime::<Utc>::MIN_UTC)))
    }

    fn walk(&self, since: Option<DateTime<Utc>>) -> Contacts<'a> {
        Contacts { organization: self.clone(), since, page: Some(1), seen: HashSet::new() }
    }
}

impl Contacts<'_> {
    /// Goes on at a page, as [`Self::page`] told it; what comes before is not asked for.
    #[must_use]
    pub fn starting_at(mut self, page: u32) -> Self {
        self.page = Some(page.max(1));
        self
    }

    /// The page that is asked for next, the first is 1; `None` when the walk is done.
    #[must_use]
    pub fn page(&self) -> Option<u32> {
        self.page
    }

    /// The next page; `None` when everything was seen. A contact comes once in a walk. A page may be empty.
    ///
    /// # Errors
    /// [`Error::Throttled`] for the whole organisation, [`Error::Denied`] naming the scope, and those of every call.
    /// After an error the walk can go on where it was.
    ///
    /// # Cancellation
    /// Dropping the future loses one call and nothing else.
    pub async fn next(&mut self) -> Result<Option<Vec<Contact>>, Error> {
        let Some(page) = self.page else { return Ok(None) };
        let (column, order) = match self.since {
            Some(_) => ("last_modified_time", "D"),
            None => ("created_time", "A"),
        };
        let number = page.to_string();
        let query = [
            ("filter_by", "Status.All"),
            ("sort_column", column),
            ("sort_order", order),
            ("page", &number),
            ("per_page", "200"),
        ];
        let organization = &self.organization;
        let answer = organization.get(&CONTACTS, organization.id().as_str(), &["contacts"], &query).await?;
        let rows = list::rows(CONTACTS.name, &answer, "contacts")?;
        let mut contacts = Vec::with_capacity(rows.rows.len());
        for fields in rows.rows {
            contacts.push(Contact::from_fields(CONTACTS.name, fields)?);
        }
        let reached = self.since.is_some_and(|since| reaches(&contacts, since));
        let known = self.seen.len();
        contacts.retain(|contact| self.seen.insert(contact.id.clone()));
        if rows.more && !reached && self.seen.len() == known {
            return Err(Error::unreadable(CONTACTS.name, "a page holds nothing new and yet there are more"));
        }
        self.page = if rows.more && !reached { page.checked_add(1) } else { None };
        contacts.retain(|contact| self.is_wanted(contact));
        Ok(Some(contacts))
    }

    /// The rest of the walk at once.
    ///
    /// # Errors
    /// As [`Self::next`]; what was read before the error is lost.
    pub async fn all(mut self) -> Result<Vec<Contact>, Error> {
        let mut contacts = Vec::new();
        while let Some(page) = self.next().await? {
            contacts.extend(page);
        }
        Ok(contacts)
    }

    /// One without a time may have changed.
    fn is_wanted(&self, contact: &Contact) -> bool {
        let Some(since) = self.since else { return true };
        contact.last_modified_time.is_none_or(|modified| modified >= since)
    }
}

/// Whether all that follows is older than `since`. Only believed of a page that is really sorted: where the order was
/// ignored, the whole list is read.
fn reaches(page: &[Contact], since: DateTime<Utc>) -> bool {
    let times: Vec<DateTime<Utc>> = page.iter().filter_map(|contact| contact.last_modified_time).collect();
    times.len() == page.len() && times.is_sorted_by(|a, b| a >= b) && times.last().is_some_and(|last| *last < since)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::json;

    use super::*;

    fn page(minutes: &[Option<i64>]) -> Vec<Contact> {
        let contact = |(id, minute): (usize, &Option<i64>)| {
            let modified = minute.map(|minute| (DateTime::UNIX_EPOCH + TimeDelta::minutes(minute)).to_rfc3339());
            let row = json!({"contact_id": id + 1, "last_modified_time": modified});
            Contact::from_fields("books.contacts", row.as_object().unwrap().clone()).unwrap()
        };
        minutes.iter().enumerate().map(contact).collect()
    }

    #[test]
    fn a_walk_ends_below_its_watermark_and_only_on_a_sorted_page() {
        let since = DateTime::UNIX_EPOCH + TimeDelta::minutes(5);
        assert!(reaches(&page(&[Some(9), Some(7), Some(4)]), since));
        assert!(!reaches(&page(&[Some(9), Some(7), Some(5)]), since));
        assert!(!reaches(&page(&[Some(4), Some(9), Some(3)]), since));
        assert!(!reaches(&page(&[Some(9), None, Some(3)]), since));
        assert!(!reaches(&page(&[]), since));
    }
}
