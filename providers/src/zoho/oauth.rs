//! Grants given by people: the way from "please authorise" to a refresh token, and back.
//!
//! A person is sent to [`OAuth::authorization_url`], comes back with a code, a `location` and an `accounts-server`, and
//! the code is exchanged at that server, because a grant is good in its own data centre only. The server's name comes out
//! of a browser, and the exchange tells it our client secret: so it is believed only when it is a known accounts server
//! or the configured one.
//!
//! Zoho documents no PKCE (zoho.com/accounts/protocol/oauth/multi-dc/client-authorization.html): the client secret and
//! `state` are what protects the exchange. `state` is the caller's: unguessable, bound to the person's session, used once.
//!
//! Source: the pages under zoho.com/accounts/protocol/oauth; errors as they were seen.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use secrecy::SecretString;
use url::Url;

use crate::error::{Outcome, Throttled};
use crate::http;
use crate::zoho::{AccessToken, Client};

mod accounts;
mod answer;
mod exchange;
mod server;

pub(crate) use accounts::Accounts;
pub use server::AccountsServer;

/// What a person is asked for.
#[derive(Debug, Clone, Copy)]
pub struct AuthorizationRequest<'a> {
    /// The rights, such as `ZohoBooks.contacts.READ`.
    pub scopes: &'a [&'a str],
    /// Where the person comes back to: exactly as registered at the provider's API console.
    pub redirect_uri: &'a Url,
    /// Comes back unchanged.
    pub state: &'a str,
}

/// What an exchange brought. Save it before using it: the code is used up.
#[derive(Debug, Clone)]
pub struct Granted {
    /// The first access token, with its end and the API domain of the grant.
    pub access_token: AccessToken,
    /// The long-lived key. It does not change and ends when revoked, or pushed out by the 21st grant of the same person.
    pub refresh_token: SecretString,
    /// The rights that were granted, where the answer tells them.
    pub scopes: Option<Vec<String>>,
    /// Where the grant lives: it can be refreshed nowhere else.
    pub server: AccountsServer,
}

impl Granted {
    /// When the access token ends.
    #[must_use]
    pub fn expires_at(&self) -> DateTime<Utc> {
        self.access_token.expires_at
    }

    /// The API domain of the grant; calls to another one are refused.
    #[must_use]
    pub fn api_domain(&self) -> Option<&str> {
        self.access_token.api_domain.as_deref()
    }
}

/// Why a person's way back brought no grant.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The callback names a server that is no accounts server of Zoho's and not the configured one. Nothing was sent to
    /// it. Somebody may be trying to get at the client secret.
    #[error("the callback names an unknown accounts server {server:?}")]
    UntrustedServer {
        /// What it names, cut to a length that fits a log line.
        server: String,
    },

    /// The callback's two words for the data centre disagree. Nothing was sent. Ask the person to start again.
    #[error("the callback says location {location:?}, which is not where {server} is")]
    LocationMismatch {
        /// The location.
        location: String,
        /// The accounts server.
        server: Url,
    },

    /// The code is expired, used up or not for this client. Ask the person to start again.
    #[error("invalid_code: the code is expired, used up or foreign")]
    InvalidCode,

    /// The server does not know the client id: wrong, or registered in another data centre without multi-DC. A person must
    /// correct the settings.
    #[error("invalid_client: the accounts server does not know the client id")]
    InvalidClient,

    /// The client secret is wrong; each data centre may have its own. A person must correct the settings.
    #[error("invalid_client_secret: the client secret is wrong for this data centre")]
    InvalidClientSecret,

    /// The redirect URI is not the registered one. A person must correct the settings or the registration.
    #[error("invalid_redirect_uri: the redirect uri is not the registered one")]
    RedirectMismatch,

    /// Too many requests. Come back at [`Throttled::until`]; the code will be dead by then, so the person starts again.
    #[error("throttled until {}: {}", .0.until.to_rfc3339(), .0.reason)]
    Throttled(Throttled),

    /// The person agreed, and the answer holds no refresh token: the consent was given before and not asked for again.
    /// Ask with `prompt=consent`, as [`OAuth::authorization_url`] does.
    #[error("the answer holds no refresh token")]
    NoRefreshToken,

    /// Anything else that may happen to a call. After [`Outcome::Unknown`] the code may be used up and a grant exist that
    /// nobody holds: the person starts again.
    #[error(transparent)]
    Call(#[from] crate::error::Error),
}

impl Error {
    /// A stable name for answers and metrics, in snake case.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::UntrustedServer { .. } => "untrusted_accounts_server",
            Self::LocationMismatch { .. } => "location_mismatch",
            Self::InvalidCode => "invalid_code",
            Self::InvalidClient => "invalid_client",
            Self::InvalidClientSecret => "invalid_client_secret",
            Self::RedirectMismatch => "invalid_redirect_uri",
            Self::Throttled(_) => "throttled",
            Self::NoRefreshToken => "no_refresh_token",
            Self::Call(error) => error.code(),
        }
    }

    /// Whether a grant may have come into being although it is not in our hands.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        match self {
            Self::Call(error) => error.outcome(),
            _ => Outcome::NotDone,
        }
    }
}

/// The accounts server as a client of it: for people who give and take back grants.
#[derive(Debug, Clone, Copy)]
pub struct OAuth<'a> {
    client: &'a Client,
}

impl<'a> OAuth<'a> {
    pub(crate) fn new(client: &'a Client) -> Self {
        Self { client }
    }

    /// Where to send a person. Always asks for consent and for offline access: without both there may be no refresh token.
    #[must_use]
    pub fn authorization_url(&self, request: &AuthorizationRequest<'_>) -> Url {
        let settings = &self.client.inner.settings;
        let scopes = request.scopes.join(",");
        let url = http::extend(&settings.endpoints.accounts, &["oauth", "v2", "auth"]);
        let query = [
            ("response_type", "code"),
            ("client_id", settings.client_id.as_str()),
            ("scope", &scopes),
            ("redirect_uri", request.redirect_uri.as_str()),
            ("access_type", "offline"),
            ("prompt", "consent"),
            ("state", request.state),
        ];
        http::with_query(url, &query)
    }

    /// The accounts server that a callback names by its `location` and `accounts-server`, if it can be trusted with our
    /// client secret; the configured one where the callback names none.
    ///
    /// # Errors
    /// [`Error::UntrustedServer`], [`Error::LocationMismatch`].
    pub fn accounts_server(
        &self,
        location: Option<&str>,
        accounts_server: Option<&str>,
    ) -> Result<AccountsServer, Error> {
        AccountsServer::of_callback(&self.client.inner.settings.endpoints.accounts, location, accounts_server)
    }

    /// Exchanges the code of a callback for a grant, once.
    ///
    /// # Errors
    /// As [`Error`] says; every one of its variants but the first two.
    ///
    /// # Cancellation
    /// Dropping the future may use up the code and lose the grant; the person starts again.
    pub async fn exchange(
        &self,
        code: &SecretString,
        redirect_uri: &Url,
        server: &AccountsServer,
    ) -> Result<Granted, Error> {
        self.client.inner.accounts.exchange(code, redirect_uri, server).await
    }

    /// Makes a refresh token useless that is not the account's own, or no longer: one that was replaced or could not be
    /// kept. For the account's own grant there is [`Client::revoke`].
    ///
    /// # Errors
    /// [`crate::error::Error::Unavailable`], [`crate::error::Error::Rejected`] when the server does not confirm.
    pub async fn revoke(
        &self,
        refresh_token: &SecretString,
        server: &AccountsServer,
    ) -> Result<(), crate::error::Error> {
        self.client.inner.accounts.revoke_at(server.url(), refresh_token).await
    }

    /// The accounts servers of all data centres by location, as the configured one lists them; for people to look at. An
    /// exchange does not believe it.
    ///
    /// # Errors
    /// [`crate::error::Error::Unavailable`], [`crate::error::Error::Unreadable`].
    pub async fn server_info(&self) -> Result<BTreeMap<String, Url>, crate::error::Error> {
        self.client.inner.accounts.server_info().await
    }
}
