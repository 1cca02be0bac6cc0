//! People take their consent back and give it again.

use serde::Deserialize;

use super::{Control, Error, organization};
use crate::oauth::Grant;

/// Which grants of an organisation.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct GrantChange {
    /// Only those of this client; absent for all.
    pub client_id: Option<String>,
}

/// A consent given again.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct GrantRenewal {
    /// Only for this client; absent for all.
    pub client_id: Option<String>,
    /// The refresh token of the new grant; absent reinstates the old one.
    pub refresh_token: Option<String>,
    /// Scopes of the new grant; the client's own when absent.
    pub scopes: Option<Vec<String>>,
}

impl Control {
    /// Revokes grants: their access tokens stop working at once and refreshing answers `invalid_code`.
    ///
    /// # Errors
    /// [`Error::Unknown`] for the organisation.
    pub fn revoke_grants(&self, organization_name: &str, change: &GrantChange) -> Result<(), Error> {
        let mut world = self.shared.world();
        let mut dead = Vec::new();
        for client in &mut organization(&mut world, organization_name)?.clients {
            if change.client_id.as_deref().is_none_or(|id| *client.id == *id) {
                for grant in &mut client.grants {
                    grant.revoked = true;
                    dead.extend(grant.access_tokens.drain(..));
                }
            }
        }
        for token in dead {
            world.tokens.remove(&token);
        }
        Ok(())
    }

    /// Gives consent again.
    ///
    /// # Errors
    /// [`Error::Unknown`] for the organisation.
    pub fn renew_grants(&self, organization_name: &str, renewal: &GrantRenewal) -> Result<(), Error> {
        let mut world = self.shared.world();
        for client in &mut organization(&mut world, organization_name)?.clients {
            if renewal.client_id.as_deref().is_some_and(|id| *client.id != *id) {
                continue;
            }
            let scopes = renewal.scopes.clone().map_or_else(|| client.default_scopes.clone(), Into::into);
            match (&renewal.refresh_token, client.grants.last_mut()) {
                (Some(token), _) => client.grants.push(Grant::new(token.clone(), scopes)),
                (None, Some(grant)) => {
                    grant.revoked = false;
                    grant.scopes = scopes;
                }
                (None, None) => {}
            }
        }
        Ok(())
    }

    /// Ends the life of every access token of an organisation; the grants stay.
    ///
    /// # Errors
    /// [`Error::Unknown`] for the organisation.
    pub fn expire_access_tokens(&self, organization_name: &str) -> Result<(), Error> {
        let now = self.shared.clock.now_ms();
        let mut world = self.shared.world();
        organization(&mut world, organization_name)?;
        let index = world.organizations.iter().position(|each| *each.name == *organization_name);
        for live in world.tokens.values_mut().filter(|live| Some(live.organization) == index) {
            live.expires_ms = live.expires_ms.min(now);
        }
        Ok(())
    }
}
