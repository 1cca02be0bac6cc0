//! Who calls: what the token says, and where the request came from.

use catalogue::actor::Actor;
use uuid::Uuid;

use crate::{Problem, Role};

/// Somebody with a valid token and a role that suffices.
#[derive(Debug, Clone)]
pub struct Caller {
    /// The token's subject.
    pub subject: String,
    /// The highest role that the token grants.
    pub role: Role,
    /// Whose things are within reach; `None`: everybody's.
    pub organization: Option<String>,
    /// Where the request came from.
    pub address: Option<String>,
    /// Names the request.
    pub request_id: Uuid,
    /// What the program calls itself, cut to 200 characters.
    pub user_agent: Option<String>,
}

impl Caller {
    /// For the metadata of events.
    #[must_use]
    pub fn actor(&self) -> Actor {
        Actor {
            subject: self.subject.clone(),
            roles: vec![self.role.as_str().to_owned()],
            organization: self.organization.clone(),
            address: self.address.clone(),
            request_id: self.request_id,
            user_agent: self.user_agent.clone(),
        }
    }

    /// Whether things of this organisation are within reach.
    #[must_use]
    pub fn reaches(&self, organization: &str) -> bool {
        self.organization.as_deref().is_none_or(|own| own == organization)
    }

    /// Goes on when things of this organisation are within reach; else there is no such `what`.
    ///
    /// # Errors
    /// [`Problem::not_found`].
    pub fn must_reach(&self, organization: &str, what: &str) -> Result<(), Problem> {
        if self.reaches(organization) { Ok(()) } else { Err(Problem::not_found(what)) }
    }
}
