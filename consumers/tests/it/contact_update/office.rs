//! People and customers of Books, as the log knows them, and people of the ERP who decide.

use catalogue::actor::Actor;
use catalogue::books::{ContactAssigned, ContactChanged, UserChanged};
use catalogue::erp::{self, Assignment, user_id};
use mappings::conflict::{self, Conflict};
use mappings::salesperson::{Story, assign, record_contacts, record_users};
use providers::zoho::books::{Contact, Id, Organization};
use serde_json::{Value, json};
use service::config::account::Books;
use simulator::control::StateQuery;

use crate::database::On;
use crate::stage::{Plan, Stage};

pub(super) const ACCOUNT: &str = "org-a";
pub(super) const ANN: &str = "101";
pub(super) const BEN: &str = "102";
pub(super) const CLEO: &str = "103";
/// Somebody whom the log knows and Books does not take as an owner.
pub(super) const GHOST: &str = "199";
/// The customer that the tests are about; Ann's.
pub(super) const CUSTOMER: &str = "201";
/// Another one, who is Ann's as well.
pub(super) const OTHER: &str = "202";

pub(super) const WRITTEN: &str = "write_owners = true\ndefault_role = \"sales\"";
pub(super) const READ_ONLY: &str = "default_role = \"sales\"";

pub(super) struct Office {
    pub(super) stage: Stage,
}

impl Office {
    /// Everybody is known to the log, and the consumers run.
    pub(super) async fn open(on: On) -> Self {
        let mut office = Office::closed(on, WRITTEN).await;
        office.stage.start();
        office
    }

    /// The same before the consumers run.
    pub(super) async fn closed(on: On, settings: &'static str) -> Self {
        let plan = Plan { folders: Vec::new(), books: Some((seed(), settings)), ..Plan::default() };
        let office = Office { stage: Stage::new(on, plan).await };
        office.read().await;
        office
    }

    /// Reads everybody, as a sync does.
    pub(super) async fn read(&self) {
        let users = self.organization().users().await.unwrap();
        let mut users: Vec<UserChanged> = users
            .iter()
            .map(|user| UserChanged {
                user_id: user.id.to_string(),
                name: user.name.clone(),
                email: user.email.clone(),
                role: user.role.clone(),
                status: user.status.as_str().to_owned(),
            })
            .collect();
        users.push(UserChanged {
            user_id: GHOST.to_owned(),
            name: "Ghost".to_owned(),
            email: Some("ghost@example.com".to_owned()),
            role: None,
            status: "active".to_owned(),
        });
        let (story, books) = (self.story(), self.books());
        self.stage
            .log
            .write::<_, mappings::Error, _>(move |unit| {
                Box::pin(async move { record_users(unit, &story, &books, &users).await })
            })
            .await
            .unwrap();
        self.read_contacts().await;
    }

    /// Reads the contacts, as a poll does.
    pub(super) async fn read_contacts(&self) {
        let story = self.story();
        let contacts = self.organization().contacts().all().await.unwrap();
        let facts: Vec<ContactChanged> = contacts.iter().map(fact).collect();
        let books = self.books();
        self.stage
            .log
            .write::<_, mappings::Error, _>(move |unit| {
                Box::pin(async move { record_contacts(unit, &story, &books, &facts, None).await })
            })
            .await
            .unwrap();
    }

    /// Somebody of the ERP gives a customer to a user of Books.
    pub(super) async fn assign(&self, contact_id: &str, to: &str) {
        let actor = Actor::of_command("test");
        assign(&self.stage.log, &actor, ACCOUNT, &self.books(), contact_id, user_id(ACCOUNT, to)).await.unwrap();
    }

    /// Somebody gives a customer to another user in Books itself.
    pub(super) fn change_in_books(&self, contact_id: &str, to: &str) {
        self.stage.control().change_books_owner(ACCOUNT, contact_id, Some(to)).unwrap();
    }

    /// Who owns a customer in Books, and how often programs have changed it.
    pub(super) fn in_books(&self, contact_id: &str) -> (String, u64) {
        let query = StateQuery { organization: Some(ACCOUNT.to_owned()), md5: false };
        let books = self.stage.control().state(&query).organizations.remove(0).books;
        let contact = books.contacts.into_iter().find(|contact| contact.id == contact_id).unwrap();
        (contact.owner_id.unwrap_or_default(), contact.api_updates.into())
    }

    /// Whose a customer is in the ERP.
    pub(super) async fn assignment(&self, contact_id: &str) -> Assignment {
        let told = self.stage.events(erp::ASSIGNMENT_CHANGED.as_str()).await;
        let told = told.iter().map(|event| event.decode::<Assignment>().unwrap());
        told.filter(|assignment| assignment.contact_id == contact_id).last().unwrap()
    }

    /// A customer is somebody's in Books and in the ERP, and nothing else is wanted.
    pub(super) async fn assert_settled(&self, contact_id: &str, owner: &str) {
        assert_eq!(self.in_books(contact_id).0, owner);
        let assignment = self.assignment(contact_id).await;
        assert_eq!(assignment.owner_id.as_deref(), Some(owner));
        assert_eq!(assignment.salesperson_id, Some(user_id(ACCOUNT, owner)));
        assert_eq!(assignment.wanted_salesperson_id, None);
    }

    pub(super) async fn assigned(&self) -> Vec<ContactAssigned> {
        self.stage.events("contact.assigned").await.iter().map(|event| event.decode().unwrap()).collect()
    }

    pub(super) async fn conflicts(&self) -> Vec<Conflict> {
        conflict::list(self.stage.log.database().readers(), &conflict::Filter::default(), None, 100).await.unwrap()
    }

    pub(super) fn books(&self) -> Books {
        self.stage.config.accounts[ACCOUNT].books.clone().unwrap()
    }

    fn organization(&self) -> Organization<'_> {
        let id = Id::parse(&self.books().organization_id).unwrap();
        self.stage.accounts.zoho(ACCOUNT).unwrap().books().organization(id)
    }

    fn story(&self) -> Story {
        Story {
            account: ACCOUNT.to_owned(),
            organization: "acme".to_owned(),
            source: "poll",
            correlation_id: uuid::Uuid::now_v7(),
            causation_id: None,
            asked_at: Some(self.stage.log.now()),
            received_at: None,
            actor: None,
        }
    }
}

fn fact(contact: &Contact) -> ContactChanged {
    ContactChanged {
        contact_id: contact.id.to_string(),
        name: contact.name.clone(),
        kind: contact.kind.clone(),
        status: contact.status.clone(),
        owner_id: contact.owner_id.as_ref().map(Id::to_string),
        owner_name: contact.owner_name.clone(),
        email: contact.email.clone(),
        last_modified_time: contact.last_modified_time,
    }
}

fn seed() -> Value {
    let user = |id: &str, name: &str| json!({"id": id, "name": name, "email": format!("{name}@example.com")});
    let contact = |id: &str| {
        json!({"id": id, "name": format!("Customer {id}"), "email": "c@example.com", "owner_id": ANN,
            "created_at": "2026-01-01T00:00:00Z"})
    };
    json!({"organization_id": "640",
        "users": [user(ANN, "Ann"), user(BEN, "Ben"), user(CLEO, "Cleo")],
        "contacts": [contact(CUSTOMER), contact(OTHER)]})
}
