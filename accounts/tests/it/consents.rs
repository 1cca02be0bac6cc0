//! An office whose provider is the simulator, and a person with a browser.

use accounts::{Arrival, Callback, ConnectRequest, Product};
use catalogue::actor::Actor;
use event_log::{Direction, Filter, GlobalPosition, RecordedEvent};
use serde_json::Value;
use simulator::seed::constants::{ORG_A_CLIENT_ID, ORG_A_CLIENT_SECRET};
use simulator::{DemoOptions, Options, Seed, Simulator};
use url::Url;

use crate::office::{Office, Process};
use crate::store::Backend;

/// Where people come back to.
pub(crate) const CALLBACK: &str = "http://127.0.0.1:9/oauth/zoho/callback";

pub(crate) struct Town {
    pub(crate) simulator: Simulator,
    pub(crate) office: Office,
}

impl Town {
    /// The account `org-a`, without a grant of its own.
    pub(crate) async fn new(on: Backend, account: &str, more: &str) -> Self {
        let seed = Seed::demo_with(&DemoOptions { large_file_bytes: 1024, ..DemoOptions::default() });
        let simulator = simulator::start(&seed, Options::default()).unwrap();
        let mut settings = format!(
            "{more}\n[accounts.org-a]\nprovider = \"zoho\"\norganization = \"acme\"\nclient_id = \"{ORG_A_CLIENT_ID}\"\n\
             client_secret = \"{ORG_A_CLIENT_SECRET}\"\nconsent_probe_seconds = 1\n{account}\n[accounts.org-a.endpoints]\n"
        );
        for name in ["accounts", "api", "workdrive", "download", "upload", "cliq"] {
            settings += &format!("{name} = \"{}\"\n", simulator.endpoints()[name]);
        }
        Self { simulator, office: Office::with_settings(on, &settings).await }
    }

    pub(crate) fn set(&self, knobs: &Value) {
        self.simulator.control().set_knobs(knobs.clone()).unwrap();
    }

    /// Sends a person to the provider; what the browser brings back.
    pub(crate) async fn send_a_person(&self, process: &Process, also: &[Product]) -> Callback {
        let redirect_uri = Url::parse(CALLBACK).unwrap();
        let request = ConnectRequest { account: "org-a", redirect_uri: &redirect_uri, return_to: None, also };
        let sent = process.accounts.begin_connect(&ada(), request).await.unwrap();
        follow(&sent.url).await
    }

    /// The whole way of a person.
    pub(crate) async fn connect(&self, process: &Process, also: &[Product]) -> Arrival {
        let callback = self.send_a_person(process, also).await;
        process.accounts.finish_connect(callback).await
    }
}

/// Opens the provider's page as a browser does, as far as the address that it sends the person back to.
pub(crate) async fn follow(url: &Url) -> Callback {
    let browser = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
    let answer = browser.get(url.clone()).send().await.unwrap();
    let back = Url::parse(answer.headers()["location"].to_str().unwrap()).unwrap();
    assert!(back.as_str().starts_with(CALLBACK), "{back}");
    Callback::of_query(back.query().unwrap())
}

/// Who asks.
pub(crate) fn ada() -> Actor {
    Actor { address: Some("192.0.2.7".to_owned()), ..Actor::of_command("ada") }
}

/// All events about accounts and keys, as their types, data and who asked.
pub(crate) async fn told(process: &Process) -> Vec<(String, Value, Value)> {
    let read = |event: RecordedEvent| {
        let metadata: Value = serde_json::from_str(&event.metadata).unwrap();
        (event.event_type.as_str().to_owned(), event.decode().unwrap(), metadata["actor"]["subject"].clone())
    };
    let event_types = vec!["account.*".to_owned(), "vault.*".to_owned()];
    let filter = Filter { event_types, ..Filter::default() };
    let events = process.log.list(&filter, GlobalPosition(0), Direction::Forward, 100).await.unwrap();
    events.into_iter().map(read).collect()
}

/// The types of these events.
pub(crate) async fn types(process: &Process) -> Vec<String> {
    told(process).await.into_iter().map(|(event_type, ..)| event_type).collect()
}
