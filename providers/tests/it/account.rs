//! An account whose endpoints all lead to one scripted server.

use std::sync::Arc;
use std::time::Duration;

use futures::TryStreamExt;
use providers::budget::{Limits, MemoryBudget};
use providers::clock::Clock;
use providers::error::Error;
use providers::zoho::{Client, MemoryTokenStore, Region, Settings, Timeouts};
use serde_json::json;
use url::Url;

use crate::server::{Reply, Request, Server};

pub(crate) const SECRET: &str = "planted-client-secret";
pub(crate) const REFRESH_TOKEN: &str = "1000.planted-refresh-token";

/// Limits that never hold a test up.
pub(crate) fn open_limits() -> Limits {
    Limits {
        workdrive_metadata_per_second: 10_000.0,
        crm_per_second: 10_000.0,
        crm_heavy_per_second: 10_000.0,
        cliq_messages_per_minute: 10_000,
        cliq_lists_per_minute: 10_000,
        cliq_searches_per_minute: 10_000,
        books_per_minute: 10_000_000,
        ..Limits::default()
    }
}

pub(crate) fn settings(server: &Url) -> Settings {
    let mut settings = Settings::new("org-a", Region::Com, "1000.client", SECRET.into());
    let at = |path: &str| server.join(path).unwrap();
    settings.endpoints.accounts = at("/accounts");
    settings.endpoints.api = at("/api");
    settings.endpoints.workdrive = at("/workdrive");
    settings.endpoints.download = at("/download");
    settings.endpoints.upload = at("/upload");
    settings.endpoints.cliq = at("/cliq");
    settings.limits = open_limits();
    settings
}

pub(crate) fn quick_timeouts() -> Timeouts {
    Timeouts {
        call: Duration::from_millis(500),
        stall: Duration::from_millis(300),
        upload_answer: Duration::from_millis(300),
    }
}

/// Returns when a client with [`quick_timeouts`] has given up content that stalls: the limit is over then.
pub(crate) async fn outlast_the_stall_limit() {
    let stalls = || Reply::Stall(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\nx".to_vec());
    let server = Server::start(granted(move |_| stalls())).await;
    let other = client_with(Settings { timeouts: quick_timeouts(), ..settings(&server.url) }, store());
    let download = other.workdrive().download("stalls", None).await.unwrap();
    let given_up = download.stream.try_collect::<Vec<_>>().await.unwrap_err();
    assert!(matches!(given_up, Error::Unavailable { .. }), "{given_up}");
}

pub(crate) fn store() -> Arc<MemoryTokenStore> {
    Arc::new(MemoryTokenStore::new(REFRESH_TOKEN.into()))
}

pub(crate) fn budget() -> Arc<MemoryBudget> {
    Arc::new(MemoryBudget::new(Clock::system(), Duration::from_millis(50)))
}

pub(crate) fn client(server: &Url) -> Client {
    client_with(settings(server), store())
}

pub(crate) fn client_with(settings: Settings, store: Arc<MemoryTokenStore>) -> Client {
    Client::new(settings, providers::http::client().unwrap(), budget(), store)
}

/// The answer to a refresh, if the request is one.
pub(crate) fn token_reply(request: &Request, token: &str) -> Option<Reply> {
    let is_refresh = request.path() == "/accounts/oauth/v2/token";
    is_refresh.then(|| Reply::json(200, &json!({"access_token": token, "expires_in": 3600, "token_type": "Bearer"})))
}

/// A script that gives the token `at1` and leaves the rest to `script`.
pub(crate) fn granted(
    script: impl Fn(&Request) -> Reply + Send + Sync + 'static,
) -> impl Fn(&Request) -> Reply + Send + Sync + 'static {
    move |request| token_reply(request, "at1").unwrap_or_else(|| script(request))
}
