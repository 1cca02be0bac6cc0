//! A person's code against a grant, and the list of data centres.

use std::collections::BTreeMap;

use reqwest::Method;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Map, Value};
use tracing::Instrument;
use url::Url;

use crate::error::{Error as CallError, Outcome};
use crate::http;
use crate::http::answer::Answer;
use crate::http::measure::Measured;
use crate::zoho::oauth::accounts::{Accounts, throttled};
use crate::zoho::oauth::answer::{self, Fault, Tokens};
use crate::zoho::oauth::{AccountsServer, Error, Granted};

const EXCHANGE: &str = "oauth.exchange";
const SERVER_INFO: &str = "oauth.server_info";

impl Accounts {
    /// Exchanges a code, once.
    pub(super) async fn exchange(
        &self,
        code: &SecretString,
        redirect_uri: &Url,
        server: &AccountsServer,
    ) -> Result<Granted, Error> {
        let span = tracing::info_span!("token.exchange", provider = "zoho", account.id = %self.account);
        async {
            self.budget.acquire(&self.exchange_lane).await?;
            let form = [
                ("grant_type", "authorization_code"),
                ("client_id", self.client_id.as_str()),
                ("client_secret", self.client_secret.expose_secret()),
                ("redirect_uri", redirect_uri.as_str()),
                ("code", code.expose_secret()),
            ];
            let url = http::extend(server.url(), &["oauth", "v2", "token"]);
            let measured = Measured::start("zoho", EXCHANGE);
            let sent = self.send(EXCHANGE, self.http.request(Method::POST, url).form(&form)).await;
            measured.end(&sent);
            let judged = self.judge_exchange(&sent?, server);
            if let Err(Error::Throttled(throttled)) = &judged {
                self.budget.refuse(&self.exchange_lane, throttled.until).await?;
            }
            judged
        }
        .instrument(span)
        .await
    }

    fn judge_exchange(&self, answer: &Answer, server: &AccountsServer) -> Result<Granted, Error> {
        let now = self.clock.now();
        let status = answer.status.as_u16();
        let Tokens { access_token, refresh_token, scopes } = match answer::read(answer, now) {
            Ok(tokens) => tokens,
            Err(Fault::InvalidCode) => return Err(Error::InvalidCode),
            Err(Fault::InvalidClient) => return Err(Error::InvalidClient),
            Err(Fault::InvalidClientSecret) => return Err(Error::InvalidClientSecret),
            Err(Fault::InvalidRedirect) => return Err(Error::RedirectMismatch),
            Err(Fault::Throttled) => return Err(Error::Throttled(throttled(now, "too many token requests"))),
            Err(Fault::Unavailable(code)) => return Err(unavailable(status, code).into()),
            Err(Fault::Unreadable(detail)) => return Err(CallError::unreadable(EXCHANGE, detail).into()),
            Err(Fault::Other(code)) => return Err(refused(code).into()),
        };
        let refresh_token = refresh_token.ok_or(Error::NoRefreshToken)?;
        Ok(Granted { access_token, refresh_token, scopes, server: server.clone() })
    }

    /// The accounts servers by location.
    pub(super) async fn server_info(&self) -> Result<BTreeMap<String, Url>, CallError> {
        let url = http::extend(&self.base, &["oauth", "serverinfo"]);
        let measured = Measured::start("zoho", SERVER_INFO);
        let read = match self.send(SERVER_INFO, self.http.request(Method::GET, url)).await {
            Ok(answer) if answer.status.is_success() => servers(&answer),
            Ok(answer) => Err(CallError::Unavailable {
                operation: SERVER_INFO,
                status: Some(answer.status.as_u16()),
                outcome: Outcome::NotDone,
                source: None,
            }),
            Err(error) => Err(error),
        };
        measured.end(&read);
        read
    }
}

/// A map from location to server: documented as such, and seen inside `locations`.
fn servers(answer: &Answer) -> Result<BTreeMap<String, Url>, CallError> {
    let mut body: Map<String, Value> = answer.json(SERVER_INFO)?;
    let map = match body.remove("locations") {
        Some(Value::Object(locations)) => locations,
        _ => body,
    };
    let server = |(location, url): (String, Value)| Some((location, Url::parse(url.as_str()?).ok()?));
    let servers: BTreeMap<String, Url> = map.into_iter().filter_map(server).collect();
    if servers.is_empty() {
        return Err(CallError::unreadable(SERVER_INFO, "no servers"));
    }
    Ok(servers)
}

/// A fault of theirs says nothing about the code.
fn unavailable(status: u16, code: Option<&'static str>) -> CallError {
    CallError::Unavailable {
        operation: EXCHANGE,
        status: Some(status),
        outcome: Outcome::Unknown,
        source: code.map(Into::into),
    }
}

fn refused(code: String) -> CallError {
    CallError::Rejected { code, message: "the accounts server refused the exchange".to_owned(), field: None }
}
