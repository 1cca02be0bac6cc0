//! Consent pages that wait for an answer, when the knob `oauth.consent` says `ask`.

use serde::{Deserialize, Serialize};

use super::{Control, Error};
use crate::oauth::{self, Decision};

/// A consent page somebody is looking at.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PendingConsent {
    /// Id to answer it by.
    pub id: String,
    /// Organisation of the person.
    pub organization: String,
    /// The client that asks.
    pub client_id: String,
    /// Where the browser will be sent.
    pub redirect_uri: String,
    /// What is asked for.
    pub scopes: Vec<String>,
}

/// What the person says.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ConsentAnswer {
    /// Agrees; true.
    pub approve: bool,
    /// Scopes left out.
    pub without: Vec<String>,
    /// Who it is; the knob `oauth.consent_user` when absent.
    pub user: Option<String>,
}

impl Default for ConsentAnswer {
    fn default() -> Self {
        Self { approve: true, without: Vec::new(), user: None }
    }
}

impl Control {
    /// The pages that wait.
    #[must_use]
    pub fn consents(&self) -> Vec<PendingConsent> {
        let world = self.shared.world();
        let pending = world.consents.iter().map(|(id, pending)| {
            let organization = &world.organizations[pending.organization];
            PendingConsent {
                id: id.clone(),
                organization: organization.name.to_string(),
                client_id: organization.clients[pending.client].id.to_string(),
                redirect_uri: pending.redirect_uri.clone(),
                scopes: pending.scopes.clone(),
            }
        });
        pending.collect()
    }

    /// Answers a page and returns the address the browser would be sent to.
    ///
    /// # Errors
    /// [`Error::Unknown`] when no page with this id waits.
    pub fn answer_consent(&self, id: &str, answer: &ConsentAnswer) -> Result<String, Error> {
        let now = self.shared.clock.now_ms();
        let mut world = self.shared.world();
        let pending = world.consents.remove(id);
        let pending = pending.ok_or_else(|| Error::Unknown { what: "consent", name: id.to_owned() })?;
        let user = answer.user.clone().unwrap_or_else(|| world.knobs.oauth.consent_user.clone());
        let scopes = pending.scopes.iter().filter(|scope| !answer.without.contains(scope)).cloned().collect();
        let decision = if answer.approve { Decision::Approved { scopes, user } } else { Decision::Denied };
        Ok(oauth::conclude(&mut world, &pending, decision, &self.shared.base, now))
    }
}
