//! Who asked for what a person asked for: kept in the metadata of the events that followed from it.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// A person, or a program in a person's name, as its token or its command line says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Actor {
    /// The token's subject; `cli:<user of the operating system>` for commands.
    pub subject: String,
    /// The roles the token grants, highest first.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub roles: Vec<String>,
    /// Whose things it may reach; absent: everybody's.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub organization: Option<String>,
    /// Where the request came from; absent for commands.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub address: Option<String>,
    /// The request, as in its answer and in the log.
    pub request_id: Uuid,
    /// What the program calls itself.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub user_agent: Option<String>,
}

/// Metadata of an event that somebody asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Metadata {
    /// Who.
    pub actor: Actor,
}

impl Actor {
    /// The metadata of an event that this actor asked for.
    #[must_use]
    pub fn metadata(&self) -> Metadata {
        Metadata { actor: self.clone() }
    }

    /// Somebody at the command line of this machine.
    #[must_use]
    pub fn of_command(user: &str) -> Self {
        Actor {
            subject: format!("cli:{user}"),
            roles: Vec::new(),
            organization: None,
            address: None,
            request_id: Uuid::now_v7(),
            user_agent: None,
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn metadata_holds_the_actor_without_what_is_absent() {
        let mut actor = Actor::of_command("ada");
        actor.request_id = Uuid::nil();
        let metadata = serde_json::to_value(actor.metadata()).unwrap();
        let request_id = Uuid::nil().to_string();
        assert_eq!(metadata, serde_json::json!({"actor": {"subject": "cli:ada", "request_id": request_id}}));
        assert_eq!(serde_json::from_value::<Metadata>(metadata).unwrap().actor, actor);
    }
}
