//! Changes of Books as somebody in the web pages makes them; they send webhooks.

use serde::Deserialize;

use super::{Control, Error, organization};
use crate::books::webhook::{self, Entity};
use crate::books::{Books, Contact, User, read_id};
use crate::seed::{BooksContactSeed, BooksContactType, BooksUserSeed, BooksUserStatus, BooksWebhookSeed};
use crate::world::World;

/// What becomes of a user; what is absent stays.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BooksUserChange {
    /// A new name.
    pub name: Option<String>,
    /// A new e-mail.
    pub email: Option<String>,
    /// A new role.
    pub role: Option<String>,
    /// A new status.
    pub status: Option<BooksUserStatus>,
    /// Send no webhook; false.
    pub silent: bool,
}

/// What becomes of a contact; what is absent stays.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BooksContactChange {
    /// A new display name.
    pub name: Option<String>,
    /// A new company.
    pub company_name: Option<String>,
    /// A new first name.
    pub first_name: Option<String>,
    /// A new last name.
    pub last_name: Option<String>,
    /// A new e-mail.
    pub email: Option<String>,
    /// A new telephone.
    pub phone: Option<String>,
    /// Customer or vendor.
    pub contact_type: Option<BooksContactType>,
    /// Deactivate or activate it.
    pub inactive: Option<bool>,
    /// A new owner, in the list of users or not; empty for nobody.
    pub owner_id: Option<String>,
    /// Keep `last_modified_time`, as edits of child objects may (zoho.md section 4.3); false.
    pub keep_modified_time: bool,
    /// Send no webhook; false.
    pub silent: bool,
}

impl Control {
    /// Adds a user and returns its id.
    ///
    /// # Errors
    /// [`Error::Unknown`] for the organisation, [`Error::Invalid`] for what does not fit.
    pub fn add_books_user(&self, organization_name: &str, user: &BooksUserSeed) -> Result<String, Error> {
        let now = self.shared.clock.now_ms();
        let mut world = self.shared.world();
        let books = books_of(&mut world, organization_name)?;
        let id = books.add_user(user, now).map_err(Error::Invalid)?;
        self.tell_user(&mut world, organization_name, id);
        Ok(id.to_string())
    }

    /// Changes a user; a status makes it inactive, invited, deleted or active again.
    ///
    /// # Errors
    /// [`Error::Unknown`] for organisation or user.
    pub fn change_books_user(&self, organization_name: &str, id: &str, change: &BooksUserChange) -> Result<(), Error> {
        let mut world = self.shared.world();
        let user = user_of(books_of(&mut world, organization_name)?, id)?;
        put(&mut user.name, change.name.as_ref());
        put(&mut user.email, change.email.as_ref());
        put(&mut user.role, change.role.as_ref());
        user.status = change.status.unwrap_or(user.status);
        let number = user.id;
        if !change.silent {
            self.tell_user(&mut world, organization_name, number);
        }
        Ok(())
    }

    /// Deactivates a user; contacts keep it as owner.
    ///
    /// # Errors
    /// [`Error::Unknown`] for organisation or user.
    pub fn deactivate_books_user(&self, organization_name: &str, id: &str) -> Result<(), Error> {
        let change = BooksUserChange { status: Some(BooksUserStatus::Inactive), ..BooksUserChange::default() };
        self.change_books_user(organization_name, id, &change)
    }

    /// Deletes a user; it stays visible as deleted, and contacts keep it as owner.
    ///
    /// # Errors
    /// [`Error::Unknown`] for organisation or user.
    pub fn delete_books_user(&self, organization_name: &str, id: &str) -> Result<(), Error> {
        let change = BooksUserChange { status: Some(BooksUserStatus::Deleted), ..BooksUserChange::default() };
        self.change_books_user(organization_name, id, &change)
    }

    /// Adds a contact and returns its id.
    ///
    /// # Errors
    /// [`Error::Unknown`] for the organisation, [`Error::Invalid`] for what does not fit.
    pub fn add_books_contact(&self, organization_name: &str, contact: &BooksContactSeed) -> Result<String, Error> {
        let now = self.shared.clock.now_ms();
        let mut world = self.shared.world();
        let books = books_of(&mut world, organization_name)?;
        let id = books.add_contact(contact, now).map_err(Error::Invalid)?;
        let added = contact_of(books, &id.to_string())?.clone();
        self.tell_contact(&mut world, organization_name, &added);
        Ok(id.to_string())
    }

    /// Changes a contact.
    ///
    /// # Errors
    /// [`Error::Unknown`] for organisation or contact, [`Error::Invalid`] for an owner id that is not a number.
    pub fn change_books_contact(
        &self,
        organization_name: &str,
        id: &str,
        change: &BooksContactChange,
    ) -> Result<(), Error> {
        let now = self.shared.clock.now_ms();
        let owner = change.owner_id.as_deref().map(owner).transpose()?;
        let mut world = self.shared.world();
        let contact = contact_of(books_of(&mut world, organization_name)?, id)?;
        put(&mut contact.name, change.name.as_ref());
        put(&mut contact.company_name, change.company_name.as_ref());
        put(&mut contact.first_name, change.first_name.as_ref());
        put(&mut contact.last_name, change.last_name.as_ref());
        put(&mut contact.email, change.email.as_ref());
        put(&mut contact.phone, change.phone.as_ref());
        contact.contact_type = change.contact_type.unwrap_or(contact.contact_type);
        contact.inactive = change.inactive.unwrap_or(contact.inactive);
        contact.owner_id = owner.unwrap_or(contact.owner_id);
        if !change.keep_modified_time {
            contact.modified_ms = now;
        }
        let changed = contact.clone();
        if !change.silent {
            self.tell_contact(&mut world, organization_name, &changed);
        }
        Ok(())
    }

    /// Gives a contact another owner, or none.
    ///
    /// # Errors
    /// [`Error::Unknown`] for organisation or contact, [`Error::Invalid`] for an owner id that is not a number.
    pub fn change_books_owner(&self, organization_name: &str, id: &str, owner_id: Option<&str>) -> Result<(), Error> {
        let owner_id = Some(owner_id.unwrap_or_default().to_owned());
        self.change_books_contact(organization_name, id, &BooksContactChange { owner_id, ..Default::default() })
    }

    /// Merges a contact into another: its id answers 1002 from now on. Webhooks tell of the one that stays.
    ///
    /// # Errors
    /// [`Error::Unknown`] for the organisation or either contact, [`Error::Invalid`] for one contact twice.
    pub fn merge_books_contacts(&self, organization_name: &str, kept: &str, gone: &str) -> Result<(), Error> {
        if kept == gone {
            return Err(Error::Invalid(format!("contact {kept:?} cannot be merged into itself")));
        }
        let now = self.shared.clock.now_ms();
        let mut world = self.shared.world();
        let books = books_of(&mut world, organization_name)?;
        let gone = contact_of(books, gone)?.id;
        let kept = contact_of(books, kept)?;
        kept.modified_ms = now;
        let kept = kept.clone();
        books.contacts.remove(&gone);
        self.tell_contact(&mut world, organization_name, &kept);
        Ok(())
    }

    /// Deletes a contact: its id answers 1002 from now on. Webhooks carry its last state.
    ///
    /// # Errors
    /// [`Error::Unknown`] for organisation or contact.
    pub fn delete_books_contact(&self, organization_name: &str, id: &str) -> Result<(), Error> {
        let mut world = self.shared.world();
        let books = books_of(&mut world, organization_name)?;
        let gone = contact_of(books, id)?.clone();
        books.contacts.remove(&gone.id);
        self.tell_contact(&mut world, organization_name, &gone);
        Ok(())
    }

    /// Replaces the workflow webhooks of an organisation.
    ///
    /// # Errors
    /// [`Error::Unknown`] for the organisation, [`Error::Invalid`] for a secret that Books would not take.
    pub fn set_books_webhooks(&self, organization_name: &str, webhooks: Vec<BooksWebhookSeed>) -> Result<(), Error> {
        let mut world = self.shared.world();
        let books = books_of(&mut world, organization_name)?;
        if let Some(problem) = webhooks.iter().find_map(BooksWebhookSeed::problem) {
            return Err(Error::Invalid(problem));
        }
        books.webhooks = webhooks;
        Ok(())
    }

    fn tell_contact(&self, world: &mut World, organization_name: &str, contact: &Contact) {
        let Some(index) = position(world, organization_name) else { return };
        let detail = contact.detail(&world.organizations[index].books);
        webhook::raise(world, index, Entity::Contact, &detail);
        self.shared.send_notifications(world);
    }

    fn tell_user(&self, world: &mut World, organization_name: &str, id: u64) {
        let Some(index) = position(world, organization_name) else { return };
        let books = &world.organizations[index].books;
        let Some(detail) = books.users.get(&id).map(|user| user.detail(books.offset)) else { return };
        webhook::raise(world, index, Entity::User, &detail);
        self.shared.send_notifications(world);
    }
}

fn position(world: &World, organization_name: &str) -> Option<usize> {
    world.organizations.iter().position(|each| *each.name == *organization_name)
}

fn books_of<'a>(world: &'a mut World, organization_name: &str) -> Result<&'a mut Books, Error> {
    Ok(&mut organization(world, organization_name)?.books)
}

fn user_of<'a>(books: &'a mut Books, id: &str) -> Result<&'a mut User, Error> {
    let user = read_id(id).ok().and_then(|id| books.users.get_mut(&id));
    user.ok_or_else(|| Error::Unknown { what: "books user", name: id.to_owned() })
}

fn contact_of<'a>(books: &'a mut Books, id: &str) -> Result<&'a mut Contact, Error> {
    let contact = read_id(id).ok().and_then(|id| books.contacts.get_mut(&id));
    contact.ok_or_else(|| Error::Unknown { what: "books contact", name: id.to_owned() })
}

/// The owner a text names; none for the empty one.
fn owner(text: &str) -> Result<Option<u64>, Error> {
    if text.is_empty() { Ok(None) } else { read_id(text).map(Some).map_err(Error::Invalid) }
}

fn put(target: &mut String, value: Option<&String>) {
    if let Some(value) = value {
        target.clone_from(value);
    }
}
