//! The hand behind the scenes: sees the whole state, changes it, and breaks things on demand.
//!
//! [`Control`] is the in-process form; `/control` over HTTP is the same methods as JSON.

mod books;
mod cliq;
mod consent;
mod grants;
pub(crate) mod http;
mod ingest;
mod receiver;
mod records;
mod state;
mod tree;

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use crate::fault::{FaultRule, FaultState};
use crate::journal::{Counts, Entry};
use crate::knobs::Knobs;
use crate::route::ROUTES;
use crate::shared::Shared;
use crate::world::{Organization, World};

pub use crate::ingest::batch::{Batch, BatchChannel, BatchMessage, BatchMessageKind};
pub use crate::ingest::received::{IngestBatch, IngestCounts, IngestState};
pub use crate::receiver::inbox::{ReceivedNotification, ReceiverState};
pub use books::{BooksContactChange, BooksUserChange};
pub use cliq::CliqChannelChange;
pub use consent::{ConsentAnswer, PendingConsent};
pub use grants::{GrantChange, GrantRenewal};
pub use records::RecordChange;
pub use state::{
    BooksContactState, BooksState, BooksUserState, ChannelState, CliqChannelState, CliqMessageState, CliqState,
    CliqThreadState, CliqUserState, GrantState, ItemState, OrganizationState, RecordState, State, StateQuery,
};
pub use tree::{ItemChange, TreeChange, TreeChanged};

/// Why a control call was refused. Nothing was changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// What the call names does not exist.
    #[error("{what} {name:?} does not exist")]
    Unknown {
        /// Kind of thing.
        what: &'static str,
        /// Its name.
        name: String,
    },
    /// The call does not make sense; the text says why.
    #[error("{0}")]
    Invalid(String),
}

/// Handle on a running simulator; cheap to clone, works from any thread.
#[derive(Debug, Clone)]
pub struct Control {
    shared: Arc<Shared>,
}

impl Control {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    /// The remembered requests after `since`, oldest first; 0 gives all that are still kept.
    #[must_use]
    pub fn journal(&self, since: u64) -> Vec<Entry> {
        self.shared.world().journal.entries(since)
    }

    /// Everything counted since the start.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.shared.world().journal.counts()
    }

    /// Adds a fault and returns its id.
    ///
    /// # Errors
    /// [`Error::Invalid`] when the rule's route names nothing, [`Error::Unknown`] for the organisation.
    pub fn add_fault(&self, rule: FaultRule) -> Result<u64, Error> {
        let mut world = self.shared.world();
        check_rule(&world, &rule)?;
        Ok(world.faults.add(rule))
    }

    /// The rules with what became of them.
    #[must_use]
    pub fn faults(&self) -> Vec<FaultState> {
        self.shared.world().faults.list()
    }

    /// Removes one rule.
    ///
    /// # Errors
    /// [`Error::Unknown`] when there is none with this id.
    pub fn remove_fault(&self, id: u64) -> Result<(), Error> {
        match self.shared.world().faults.remove(id) {
            true => Ok(()),
            false => Err(Error::Unknown { what: "fault", name: id.to_string() }),
        }
    }

    /// Removes every rule.
    pub fn clear_faults(&self) {
        self.shared.world().faults.clear();
    }

    /// Moves the virtual clock forward; returns its new time as RFC 3339.
    pub fn advance(&self, by: Duration) -> String {
        self.shared.clock.advance(by);
        crate::clock::instant(self.shared.clock.now_ms()).to_rfc3339()
    }

    /// The present knobs.
    #[must_use]
    pub fn knobs(&self) -> Knobs {
        self.shared.world().knobs.clone()
    }

    /// Merges a partial document over the knobs, such as `{"oauth": {"access_token_seconds": 20}}`.
    ///
    /// # Errors
    /// [`Error::Invalid`] naming the unknown key or the wrong value.
    pub fn set_knobs(&self, patch: Value) -> Result<Knobs, Error> {
        let mut world = self.shared.world();
        world.knobs = world.knobs.merged(patch).map_err(|error| Error::Invalid(error.to_string()))?;
        Ok(world.knobs.clone())
    }

    /// Merges a partial document over the notification knobs, such as `{"drop_next": 2}`.
    ///
    /// # Errors
    /// [`Error::Invalid`] naming the unknown key or the wrong value.
    pub fn set_webhooks(&self, patch: Value) -> Result<Knobs, Error> {
        self.set_knobs(serde_json::json!({"webhooks": patch}))
    }
}

/// Refuses rules that could never meet a request.
pub(crate) fn check_rule(world: &World, rule: &FaultRule) -> Result<(), Error> {
    let names_something = match rule.route.strip_suffix('*') {
        Some(prefix) => ROUTES.iter().any(|route| route.starts_with(prefix)),
        None => ROUTES.contains(&rule.route.as_str()),
    };
    if !names_something {
        let routes = ROUTES.join(", ");
        return Err(Error::Invalid(format!("route {:?} names nothing; there are {routes}", rule.route)));
    }
    if let Some(name) = &rule.organization
        && !world.organizations.iter().any(|organization| *organization.name == **name)
    {
        return Err(Error::Unknown { what: "organization", name: name.clone() });
    }
    Ok(())
}

fn organization<'a>(world: &'a mut World, name: &str) -> Result<&'a mut Organization, Error> {
    world.organization_named(name).ok_or_else(|| Error::Unknown { what: "organization", name: name.to_owned() })
}
