//! Disconnecting an account: the provider forgets every grant that we have, and so do we.

use catalogue::account::{self as catalogue_account, DISCONNECTED, Disconnected as DisconnectedData, NEEDS_CONSENT};
use catalogue::actor::Actor;
use event_log::{Append, NewEvent};
use providers::error::Error as ProviderError;

use crate::state::rows::{self as account_rows, AccountRow};
use crate::{Access, Error, Inner, grant, token_store};

const REASON: &str = "a person disconnected the account";

/// Access to an account that was given up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Disconnected {
    /// The account.
    pub account: String,
    /// Refresh tokens that the provider was asked to forget: the one that a person gave, and the one in the settings.
    pub revoked: u32,
}

/// Has the provider forget all refresh tokens of the account, then forgets them here.
pub(crate) async fn run(inner: &Inner, actor: &Actor, name: &str) -> Result<Disconnected, Error> {
    let account = inner.account(name)?;
    let (Some(client), Some(grant)) = (inner.clients.get(name), inner.grants.get(name)) else {
        return Err(Error::NothingToConnect { account: name.to_owned() });
    };
    let oauth = client.oauth();
    let server = oauth.accounts_server(None, None).map_err(|_| Error::NothingToConnect { account: name.to_owned() })?;
    let found = grant.find_all().await?;
    for found in &found {
        match oauth.revoke(&found.token, &server).await {
            // It knows no such grant: nothing is left to take back.
            Ok(()) | Err(ProviderError::Rejected { .. }) => {}
            Err(source) => return Err(Error::NotRevoked { account: name.to_owned(), source }),
        }
    }
    let revoked = u32::try_from(found.len()).unwrap_or(u32::MAX);
    let setting = found.iter().find(|found| found.place == grant::Place::Setting);
    let refused_grant = setting.map(|found| grant.vault.fingerprint(&found.token));
    let now = inner.log.now();
    let access = Access::NeedsConsent { reason: REASON.to_owned(), since: now };
    let row = AccountRow { access: access.clone(), checked_at: now, refused_grant };
    let data = DisconnectedData { account: name.to_owned(), revoked };
    let event =
        NewEvent::new(DISCONNECTED, "operator", &data).of(name, &account.organization).with_metadata(&actor.metadata());
    let (owned, organization) = (name.to_owned(), account.organization.clone());
    inner
        .log
        .write(move |unit| {
            Box::pin(async move {
                grant::rows::delete(unit.connection(), &owned).await?;
                token_store::rows::delete(unit.connection(), &owned).await?;
                let known = account_rows::load(&mut *unit.connection(), &owned).await?;
                account_rows::save(unit.connection(), &owned, &row, now).await?;
                let mut events = vec![event];
                if known.is_none_or(|known| known.access == Access::Ok) {
                    let data = catalogue_account::Access { account: owned.clone(), reason: REASON.to_owned() };
                    events.push(NewEvent::new(NEEDS_CONSENT, "operator", &data).of(&owned, &organization));
                }
                unit.append(Append::new(catalogue_account::stream(&owned), events)).await?;
                Ok::<_, event_log::Error>(())
            })
        })
        .await?;
    client.forget_token();
    inner.board.change(name, |state| {
        state.access = access;
        state.token_expires_at = None;
    });
    tracing::info!(account.id = name, "a person disconnected the account");
    Ok(Disconnected { account: name.to_owned(), revoked })
}
