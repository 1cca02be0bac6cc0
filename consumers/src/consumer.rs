//! The consumers: which events each decides, and which effects it performs.

use std::sync::Arc;

use event_log::{EventType, RecordedEvent, UnitOfWork};
use futures::future::BoxFuture;
use kafka::{Failure, Handler, Poison};
use tokio_util::sync::CancellationToken;

use crate::context::Context;
use crate::dead_letter::{refuse_event, refuse_record};
use crate::ledger::Kind;
use crate::notify::settings::Endpoints;
use crate::settings::Settings;
use crate::{Error, check, contact_update, ingest, notify, transfer};

/// A consumer. Each can have processes of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Consumer {
    /// Pending records ask for their folders, which are copied.
    Transfer,
    /// Completed transfers check their records.
    CrmUpdate,
    /// Messages that a sync has brought are sent to their receivers.
    Ingest,
    /// Customers that the ERP gives to a salesperson get that owner in Books.
    ContactUpdate,
    /// Endpoints are told what happens.
    Notify,
}

impl Consumer {
    /// All there are.
    pub const ALL: [Consumer; 5] =
        [Consumer::Transfer, Consumer::CrmUpdate, Consumer::Ingest, Consumer::ContactUpdate, Consumer::Notify];

    /// Its subscription.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Consumer::Transfer => "transfer",
            Consumer::CrmUpdate => "crm-update",
            Consumer::Ingest => "ingest",
            Consumer::ContactUpdate => "contact-update",
            Consumer::Notify => "notify",
        }
    }

    /// The consumer of a subscription.
    #[must_use]
    pub fn named(subscription: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|consumer| consumer.name() == subscription)
    }

    /// The effects that it performs.
    #[must_use]
    pub fn kinds(self) -> &'static [Kind] {
        match self {
            Consumer::Transfer => &[Kind::Locate, Kind::CopyFolder, Kind::CopyFile],
            Consumer::CrmUpdate => &[Kind::UpdateRecord],
            Consumer::Ingest => &[Kind::PostBatch],
            Consumer::ContactUpdate => &[Kind::AssignContact],
            Consumer::Notify => &[Kind::PostNotification],
        }
    }

    /// The types that it decides; for endpoints, those that one of them is told.
    pub(crate) fn follows(self, endpoints: &Endpoints) -> Vec<EventType> {
        match self {
            Consumer::Transfer => transfer::decide::FOLLOWS.to_vec(),
            Consumer::CrmUpdate => check::FOLLOWS.to_vec(),
            Consumer::Ingest => ingest::decide::FOLLOWS.to_vec(),
            Consumer::ContactUpdate => contact_update::decide::FOLLOWS.to_vec(),
            Consumer::Notify => endpoints.types(),
        }
    }

    /// Decides one event.
    ///
    /// # Errors
    /// Database failures; an event that does not decode.
    pub(crate) async fn decide(
        self,
        unit: &mut UnitOfWork<'_>,
        settings: &Settings,
        event: &RecordedEvent,
    ) -> Result<(), Error> {
        match self {
            Consumer::Transfer => transfer::decide::decide(unit, &settings.transfers, event).await,
            Consumer::CrmUpdate => check::decide(unit, &settings.transfers, event).await,
            Consumer::Ingest => ingest::decide::decide(unit, &settings.ingests, event).await,
            Consumer::ContactUpdate => contact_update::decide::decide(unit, &settings.organizations, event).await,
            Consumer::Notify => notify::decide::decide(unit, &settings.endpoints, event).await,
        }
    }

    /// Decides events until `stop`: from Kafka where it carries them, else from the log itself. Both may be done at once,
    /// and in turns.
    pub(crate) async fn follow(
        self,
        context: Arc<Context>,
        carrier: Option<kafka::Settings>,
        stop: CancellationToken,
    ) -> Result<(), Error> {
        let types = self.follows(&context.settings.endpoints);
        if types.is_empty() {
            stop.cancelled().await;
            return Ok(());
        }
        let (log, name) = (context.log.clone(), self.name().to_owned());
        let decider = Arc::new(Decider { context, consumer: self });
        match carrier {
            Some(settings) => kafka::follow(log, settings, name, types, decider, stop).await?,
            None => kafka::follow_directly(log, name, types, decider, stop).await?,
        }
        Ok(())
    }
}

/// Decides what follows from an event.
struct Decider {
    context: Arc<Context>,
    consumer: Consumer,
}

impl Handler for Decider {
    type Error = Error;

    fn handle<'a>(
        &'a self,
        unit: &'a mut UnitOfWork<'_>,
        event: &'a RecordedEvent,
    ) -> BoxFuture<'a, Result<(), Error>> {
        Box::pin(self.consumer.decide(unit, &self.context.settings, event))
    }

    fn refused<'a>(
        &'a self,
        unit: &'a mut UnitOfWork<'_>,
        event: &'a RecordedEvent,
        error: &'a Error,
    ) -> BoxFuture<'a, Result<(), Error>> {
        Box::pin(refuse_event(unit, self.consumer.name(), event, error))
    }

    fn poison<'a>(&'a self, unit: &'a mut UnitOfWork<'_>, poison: &'a Poison) -> BoxFuture<'a, Result<(), Error>> {
        Box::pin(refuse_record(unit, self.consumer.name(), poison))
    }

    fn written(&self, _events: usize) {
        self.context.work_was_planned();
    }
}

impl Failure for Error {
    fn is_retryable(&self) -> bool {
        Error::is_retryable(self)
    }
}
