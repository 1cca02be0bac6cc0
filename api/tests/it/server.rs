//! A real gateway with the API on a free port, and a client that compares every answer with the document.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use accounts::Accounts;
use actix_web::rt::task::JoinHandle;
use api::token::Wish;
use api::{Api, Parts, Role};
use chrono::{DateTime, Utc};
use event_log::{Access, Database, Log, Settings};
use gateway::server::{About, Error, Http};
use reqwest::Method;
use serde_json::Value;
use service::clock::{FixedClock, as_function};
use service::config::{Config, LoadOptions};
use tempfile::TempDir;
use testkit::store::{Backend, Store};
use tokio_util::sync::CancellationToken;

pub(crate) const SECRET: &str = "a secret of thirty-two bytes, or more";

/// Two organisations, one with two accounts.
pub(crate) const ACCOUNTS: &str = r#"
[accounts.org-a]
provider = "zoho"
organization = "acme"
client_id = "1000.A"
client_secret = "a"
refresh_token = "1000.r"
endpoints = { accounts = "http://127.0.0.1:9/accounts", api = "http://127.0.0.1:9/api" }
[accounts.partner]
provider = "generic"
organization = "acme"
webhook = { verify = "hmac", secret = "s", header = "X-Signature" }
[accounts.other]
provider = "generic"
organization = "umbrella"
webhook = { verify = "hmac", secret = "s", header = "X-Signature" }
"#;

pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) log: Log,
    pub(crate) clock: FixedClock,
    pub(crate) config: Arc<Config>,
    pub(crate) accounts: Accounts,

    pub(crate) http: reqwest::Client,
    document: Value,
    stop: CancellationToken,
    running: JoinHandle<Result<(), Error>>,
    _folder: TempDir,
    _store: Store,
}

pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: reqwest::header::HeaderMap,
    pub(crate) body: Value,
}

impl Answer {
    /// The problem's code; empty for a good answer.
    pub(crate) fn code(&self) -> &str {
        self.body["code"].as_str().unwrap_or_default()
    }

    /// The values of one field of all items of a page.
    pub(crate) fn items(&self, field: &str) -> Vec<Value> {
        self.body["items"].as_array().unwrap().iter().map(|item| item[field].clone()).collect()
    }
}

/// A moment at which tokens of the test are issued.
pub(crate) fn start_time() -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000, 0).unwrap()
}

pub(crate) async fn start(on: Backend) -> Server {
    start_with(on, &format!("[auth]\nsecret = '{SECRET}'\n{ACCOUNTS}")).await
}

pub(crate) async fn start_with(on: Backend, settings: &str) -> Server {
    let store = on.store().await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("gateledger.toml");
    let http = if settings.contains("[http]") { "" } else { "[http]\nlisten = \"127.0.0.1:0\"\nworkers = 2\n" };
    std::fs::write(&file, format!("{http}[vault]\nkey_file = \"gateledger.key\"\n{settings}")).unwrap();
    let options = LoadOptions {
        file: Some(file),
        environment: BTreeMap::new(),
        dotenv: None,
        working_dir: folder.path().to_owned(),
    };
    let config = Arc::new(Config::load(options).unwrap());
    let clock = FixedClock::at(start_time());
    let database = Database::open(&Settings::new(&store.url, Access::CreateAndMigrate)).await.unwrap();
    let log = Log::open(database, 64, as_function(Arc::new(clock.clone()))).await.unwrap();
    let accounts = Accounts::open(&config, log.clone(), Arc::new(clock.clone())).await.unwrap();
    let of_consumers = consumers::Settings::of(&config).unwrap();
    let parts = Parts {
        config: config.clone(),
        log: log.clone(),
        accounts: accounts.clone(),
        settings: of_consumers,
        clock: Arc::new(clock.clone()),
    };
    let api = Api::open(parts).unwrap();
    let stop = CancellationToken::new();
    let about = About { version: "1.2.3".to_owned(), roles: vec!["gateway".to_owned()], ..About::default() };
    let more = api.clone();
    let http = Http::bind_with(
        &config,
        log.clone(),
        about,
        Arc::new(String::new),
        Arc::new(move |app| more.configure(app)),
        stop.clone(),
    )
    .unwrap();
    let address = http.address();
    let running = actix_web::rt::spawn(http.run());
    Server {
        address,
        log,
        clock,
        config,
        accounts,
        http: providers::http::client().unwrap(),
        document: api::document(),
        stop,
        running,
        _folder: folder,
        _store: store,
    }
}

impl Server {
    /// A token signed with the local secret.
    pub(crate) fn token(&self, role: Role, organization: Option<&str>) -> String {
        let wish = Wish {
            subject: "ada".to_owned(),
            role,
            organization: organization.map(str::to_owned),
            lifetime: Duration::from_secs(3600),
        };
        api::token::issue(&self.config, &wish, start_time()).unwrap().0
    }

    pub(crate) async fn get(&self, token: &str, path: &str) -> Answer {
        self.send(Method::GET, path, Some(token), None).await
    }

    pub(crate) async fn post(&self, token: &str, path: &str) -> Answer {
        self.send(Method::POST, path, Some(token), None).await
    }

    /// Sends a request, and compares the answer with what the document says of it.
    pub(crate) async fn send(&self, method: Method, path: &str, token: Option<&str>, body: Option<Value>) -> Answer {
        let mut request = self.http.request(method.clone(), format!("http://{}{path}", self.address));
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        if let Some(body) = body {
            request = request.json(&body);
        }
        let answer = request.send().await.unwrap();
        let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
        let text = answer.text().await.unwrap();
        let body = serde_json::from_str(&text).unwrap_or(Value::Null);
        let answer = Answer { status, headers, body };
        self.compare(&method, path, &answer);
        answer
    }

    /// Every answer of an address in the document is one that the document names, in its shape.
    fn compare(&self, method: &Method, path: &str, answer: &Answer) {
        assert!(answer.headers.contains_key("x-request-id"), "{method} {path} has no request id");
        let bare = path.split('?').next().unwrap();
        let fits = |template: &str| {
            let (template, bare): (Vec<_>, Vec<_>) = (template.split('/').collect(), bare.split('/').collect());
            template.len() == bare.len()
                && template.iter().zip(&bare).all(|(one, other)| one.starts_with('{') || one == other)
        };
        let paths = self.document["paths"].as_object().unwrap();
        let Some((template, operations)) = paths.iter().find(|(template, _)| fits(template)) else { return };
        let Some(operation) = operations.get(method.as_str().to_ascii_lowercase()) else { return };
        let named = operation["responses"].get(answer.status.to_string());
        let named =
            named.unwrap_or_else(|| panic!("{method} {template} does not name {}: {}", answer.status, answer.body));
        let kind = answer.headers["content-type"].to_str().unwrap();
        let content = named["content"].get(kind);
        let content = content.unwrap_or_else(|| panic!("{method} {template} does not name {kind}"));
        let mut schema = content["schema"].clone();
        schema["components"] = self.document["components"].clone();
        let validator = jsonschema::options().should_validate_formats(true).build(&schema).unwrap();
        let errors: Vec<String> =
            validator.iter_errors(&answer.body).map(|error| format!("{}: {error}", error.instance_path())).collect();
        assert!(errors.is_empty(), "{method} {template} {}: {errors:#?}\n{}", answer.status, answer.body);
    }

    pub(crate) async fn stop(self) {
        self.stop.cancel();
        self.running.await.unwrap().unwrap();
    }
}
