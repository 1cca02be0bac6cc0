//! A stage whose account follows Books, and what the log says of its people and customers.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use catalogue::delivery;
use catalogue::erp::{self, Assignment, AssignmentState};
use chrono::TimeDelta;
use event_log::{Append, NewEvent, UnitOfWork};
use gateway::sync::books::{Ask, want_assignments, want_users};
use gateway::sync::jobs::{Job, State, Trigger};
use serde_json::Value;
use service::config::Schedule;
use service::config::account::Books;
use simulator::Seed;
use simulator::control::{BooksState, StateQuery};
use testkit::store::Backend;

use crate::sync::stage::{ORG, Stage, actor};

pub(super) const ACCOUNT: &str = "org-a";

/// People and customers of the demonstration.
pub(super) const ANN: &str = "460000000024003";
pub(super) const BEN: &str = "460000000024005";
pub(super) const CLEO: &str = "460000000024007";
pub(super) const DAN: &str = "460000000024009";
pub(super) const EVE: &str = "460000000024011";
pub(super) const OTHER_CLEO: &str = "460000000024013";
pub(super) const FINN: &str = "460000000024015";
pub(super) const NOBODY_KNOWN: &str = "460000000099999";

/// The contact of that number in the demonstration.
pub(super) fn contact(number: u64) -> String {
    (460_000_000_026_000 + number).to_string()
}

pub(super) struct Shop {
    pub(super) stage: Stage,
}

impl Shop {
    /// A shop that nobody has read yet.
    pub(super) async fn closed(on: Backend, seed: &Seed) -> Self {
        let mut stage = Stage::new(on, seed).await;
        let books = Books {
            organization_id: books_of(&stage).organization_id,
            schedule: Schedule::Every(Duration::from_secs(86_400)),
            full_every: Duration::from_secs(7 * 86_400),
            contact_type: "customer".to_owned(),
            roles: [("admin", "administrator"), ("staff", "sales")]
                .map(|(there, here)| (there.into(), here.into()))
                .into(),
            default_role: None,
            write_owners: false,
        };
        stage.process.settings.books.insert(ACCOUNT.to_owned(), books.clone());
        stage.process.settings.books_notified.insert(ACCOUNT.to_owned(), ACCOUNT.to_owned());
        stage.process.config.accounts.get_mut(ACCOUNT).unwrap().books = Some(books);
        Shop { stage }
    }

    /// A shop whose first sync, which the schedule wants, is done; minutes have passed since.
    pub(super) async fn open(on: Backend, seed: &Seed) -> Self {
        let mut shop = Self::closed(on, seed).await;
        shop.stage.start();
        shop.done(2).await;
        shop.stage.advance(TimeDelta::minutes(10));
        shop
    }

    /// Waits until so many jobs are completed, while limits pass.
    pub(super) async fn done(&self, count: usize) -> Vec<Job> {
        self.stage.with_time_flying(TimeDelta::seconds(2), self.stage.completed(count)).await
    }

    pub(super) async fn sync_users(&self) -> Job {
        let ask = self.ask(false);
        let job = self.write(move |unit| Box::pin(async move { want_users(unit, &ask).await })).await;
        self.ended(&job).await
    }

    pub(super) async fn sync_customers(&self, is_full: bool) -> Job {
        let ask = self.ask(is_full);
        let job = self.write(move |unit| Box::pin(async move { want_assignments(unit, &ask).await })).await;
        self.ended(&job).await
    }

    pub(super) fn ask(&self, is_full: bool) -> Ask {
        Ask {
            account: ACCOUNT.to_owned(),
            organization: "acme".to_owned(),
            trigger: Trigger::Manual,
            is_full,
            actor: Some(actor()),
        }
    }

    pub(super) async fn ended(&self, job: &Job) -> Job {
        let job = self.stage.with_time_flying(TimeDelta::seconds(2), self.stage.ended(job)).await;
        assert_eq!(job.state, State::Completed, "{job:?}");
        job
    }

    pub(super) async fn write<T: Send + 'static>(
        &self,
        work: impl for<'a, 'c> FnOnce(
            &'a mut UnitOfWork<'c>,
        )
            -> std::pin::Pin<Box<dyn Future<Output = Result<T, event_log::Error>> + Send + 'a>>
        + Send
        + 'static,
    ) -> T {
        self.stage.process.log.write::<T, event_log::Error, _>(work).await.unwrap()
    }

    /// The accounts of the ERP, by their users in Books.
    pub(super) async fn accounts(&self) -> BTreeMap<String, erp::User> {
        let told = self.stage.events("erp_user.changed").await;
        let told = told.iter().map(|event| event.decode::<erp::User>().unwrap());
        told.map(|user| (user.zoho_user_id.clone(), user)).collect()
    }

    /// Whose the customers are, by their contacts in Books.
    pub(super) async fn assignments(&self) -> BTreeMap<String, Assignment> {
        let told = self.stage.events("customer_assignment.changed").await;
        let told = told.iter().map(|event| event.decode::<Assignment>().unwrap());
        told.map(|assignment| (assignment.contact_id.clone(), assignment)).collect()
    }

    pub(super) async fn state_of(&self, contact_id: &str) -> AssignmentState {
        self.assignments().await[contact_id].state
    }

    pub(super) async fn count(&self, event_type: &str) -> usize {
        self.stage.events(event_type).await.len()
    }

    pub(super) fn books(&self) -> BooksState {
        books_of(&self.stage)
    }

    /// Demands that the log knows every customer as Books has it now.
    pub(super) async fn assert_complete(&self) {
        let assignments = self.assignments().await;
        let customers = self.books().contacts.into_iter().filter(|one| one.contact_type == Default::default());
        let mut here: Vec<_> = customers.map(|one| (one.id.clone(), one.name.clone(), one.owner_id.clone())).collect();
        let known = assignments.values().filter(|one| one.state != AssignmentState::Gone);
        let mut known: Vec<_> =
            known.map(|one| (one.contact_id.clone(), one.name.clone(), one.owner_id.clone())).collect();
        here.sort();
        known.sort();
        assert_eq!(known, here);
    }

    /// Puts a webhook into the log as the gateway would have received it.
    pub(super) async fn deliver(&self, body: &Value) {
        self.deliver_as("application/json", body.to_string()).await;
    }

    /// The same of any kind of body.
    pub(super) async fn deliver_as(&self, content_type: &str, body: String) {
        let json = content_type == "application/json";
        let data = delivery::Received {
            verify: "zoho-books".to_owned(),
            delivery_id: None,
            registration_id: None,
            json,
            flagged: false,
            size_bytes: body.len() as u64,
        };
        let headers = [("content-type".to_owned(), content_type.to_owned())].into();
        let metadata = delivery::Metadata { headers, ..delivery::Metadata::default() };
        let mut event = NewEvent::new(delivery::RECEIVED, "webhook", &data).of(ACCOUNT, "acme");
        event.received_at = Some(self.stage.process.log.now());
        event.payload = Some(Bytes::from(body));
        let event = event.with_metadata(&metadata);
        self.stage.process.log.append(Append::to_fresh_stream(delivery::CATEGORY, event)).await.unwrap();
    }
}

fn books_of(stage: &Stage) -> BooksState {
    let query = StateQuery { organization: Some(ORG.to_owned()), md5: false };
    stage.control().state(&query).organizations.remove(0).books
}
