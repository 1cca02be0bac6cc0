//! Books: users, contacts with their owners, limits of the organisation, signed webhooks (zoho.md section 4).

pub(crate) mod contact;
pub(crate) mod dialect;
mod endpoints;
mod filter;
mod generate;
pub(crate) mod limits;
mod page;
pub(crate) mod route;
mod time;
mod update;
pub(crate) mod user;
pub(crate) mod webhook;

use std::collections::BTreeMap;

use chrono::{FixedOffset, Offset, Utc};

use crate::clock::Millis;
use crate::random::Random;
use crate::seed::{BooksContactSeed, BooksUserSeed, BooksWebhookSeed, OrganizationSeed};

pub(crate) use contact::Contact;
pub(crate) use endpoints::answer;
pub(crate) use limits::Usage;
pub(crate) use route::Route;
pub(crate) use user::User;

/// Ids that are made start here and rise by two, as in the documented samples.
const FIRST_ID: u64 = 460_000_000_100_003;

/// Books of one organisation.
#[derive(Debug)]
pub(crate) struct Books {
    pub(crate) organization_id: String,
    pub(crate) offset: FixedOffset,
    pub(crate) users: BTreeMap<u64, User>,
    pub(crate) contacts: BTreeMap<u64, Contact>,
    pub(crate) webhooks: Vec<BooksWebhookSeed>,
    pub(crate) usage: Usage,
    next_id: u64,
}

impl Books {
    /// Builds the users and contacts of a seed; problems are added to `problems`.
    pub(crate) fn build(seed: &OrganizationSeed, root: u64, now: Millis, problems: &mut Vec<String>) -> Self {
        let mut random = Random::new(root ^ 0xB_00C5);
        let offset = FixedOffset::east_opt(seed.books.utc_offset_minutes * 60).unwrap_or_else(|| {
            problems.push(format!("organization {:?}: books.utc_offset_minutes is out of range", seed.name));
            Utc.fix()
        });
        let made_id = random.between(10_000_000, 99_999_999).to_string();
        let mut books = Self {
            organization_id: seed.books.organization_id.clone().unwrap_or(made_id),
            offset,
            users: BTreeMap::new(),
            contacts: BTreeMap::new(),
            webhooks: seed.books.webhooks.clone(),
            usage: Usage::default(),
            next_id: FIRST_ID,
        };
        let mut found: Vec<String> = books.webhooks.iter().filter_map(BooksWebhookSeed::problem).collect();
        found.extend(seed.books.users.iter().filter_map(|user| books.add_user(user, now).err()));
        found.extend(seed.books.contacts.iter().filter_map(|contact| books.add_contact(contact, now).err()));
        problems.extend(found.into_iter().map(|problem| format!("organization {:?}: {problem}", seed.name)));
        if let Some(generated) = &seed.books.generated {
            generate::fill(&mut books, generated, root, now);
        }
        books
    }

    /// Adds a user and returns its id, or says what does not fit.
    pub(crate) fn add_user(&mut self, seed: &BooksUserSeed, now: Millis) -> Result<u64, String> {
        let id = self.id_for(seed.id.as_deref())?;
        let user = User::build(id, seed, now)?;
        if user.is_current_user {
            self.users.values_mut().for_each(|other| other.is_current_user = false);
        }
        self.users.insert(id, user);
        Ok(id)
    }

    /// Adds a contact and returns its id, or says what does not fit.
    pub(crate) fn add_contact(&mut self, seed: &BooksContactSeed, now: Millis) -> Result<u64, String> {
        let id = self.id_for(seed.id.as_deref())?;
        self.contacts.insert(id, Contact::build(id, seed, now)?);
        Ok(id)
    }

    /// The name of an owner, empty for nobody and for users that are in no list.
    pub(crate) fn owner_name(&self, owner: Option<u64>) -> &str {
        owner.and_then(|id| self.users.get(&id)).map_or("", |user| &user.name)
    }

    fn id_for(&mut self, wanted: Option<&str>) -> Result<u64, String> {
        let Some(text) = wanted else { return Ok(self.free_id()) };
        let id = read_id(text)?;
        if self.is_taken(id) { Err(format!("books id {text:?} is taken")) } else { Ok(id) }
    }

    fn free_id(&mut self) -> u64 {
        while self.is_taken(self.next_id) {
            self.next_id += 2;
        }
        self.next_id
    }

    fn is_taken(&self, id: u64) -> bool {
        self.users.contains_key(&id) || self.contacts.contains_key(&id)
    }
}

/// Reads an id, which is a number written as text.
pub(crate) fn read_id(text: &str) -> Result<u64, String> {
    text.parse().map_err(|_| format!("books id {text:?} is not a number"))
}
