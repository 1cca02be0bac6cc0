//! From what Books shows to what is recorded of it.

use catalogue::books::{ContactChanged, UserChanged};
use providers::zoho::books::{Contact, Id, User};

pub(super) fn of_user(user: &User) -> UserChanged {
    UserChanged {
        user_id: user.id.as_str().to_owned(),
        name: user.name.clone(),
        email: user.email.clone(),
        role: user.role.clone(),
        status: user.status.as_str().to_owned(),
    }
}

pub(super) fn of_contact(contact: &Contact) -> ContactChanged {
    ContactChanged {
        contact_id: contact.id.as_str().to_owned(),
        name: contact.name.clone(),
        kind: contact.kind.clone(),
        status: contact.status.clone(),
        owner_id: contact.owner_id.as_ref().map(Id::to_string),
        owner_name: contact.owner_name.clone(),
        email: contact.email.clone(),
        last_modified_time: contact.last_modified_time,
    }
}
