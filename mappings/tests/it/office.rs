//! A database and settings, on which processes start.

use std::collections::BTreeMap;
use std::sync::Arc;

use catalogue::actor::Actor;
use catalogue::channel::stream;
use chrono::DateTime;
use event_log::{Access, Database, Log, RecordedEvent, Settings, StreamVersion};
use mappings::channel::{Change, MapRequest, Mapping, map};
use service::clock::{FixedClock, as_function};
use service::config::{Config, LoadOptions};
use tempfile::TempDir;
use testkit::store::{Backend, Store};

const SETTINGS: &str = r#"
[accounts.org-a]
provider = "zoho"
organization = "acme"
client_id = "1000.a"
client_secret = "s"
[accounts.org-b]
provider = "zoho"
organization = "globex"
client_id = "1000.b"
client_secret = "s"
[accounts.partner]
provider = "generic"
organization = "acme"
[accounts.partner.webhook]
verify = "hmac"
secret = "s"
header = "X-Signature"
"#;

pub(crate) struct Office {
    store: Store,
    pub(crate) config: Arc<Config>,
    pub(crate) clock: FixedClock,
    _folder: TempDir,
}

impl Office {
    pub(crate) async fn new(on: Backend) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("gateledger.toml"), SETTINGS).unwrap();
        let config = Config::load(LoadOptions {
            file: None,
            environment: BTreeMap::new(),
            dotenv: None,
            working_dir: folder.path().to_owned(),
        });
        Office {
            store: on.store().await,
            config: Arc::new(config.unwrap()),
            clock: FixedClock::at("2026-06-01T12:00:00Z".parse::<DateTime<_>>().unwrap()),
            _folder: folder,
        }
    }

    /// A log of its own, as another process has it.
    pub(crate) async fn start(&self) -> Log {
        let settings = Settings::new(self.store.url.clone(), Access::CreateAndMigrate);
        let database = Database::open(&settings).await.unwrap();
        Log::open(database, 1024, as_function(Arc::new(self.clock.clone()))).await.unwrap()
    }

    /// Maps a channel to a room as somebody who may do anything.
    pub(crate) async fn map(&self, log: &Log, request: &MapRequest) -> Mapping {
        let outcome = map(log, &ada(), &self.config, request).await.unwrap();
        assert!(!outcome.existing);
        outcome.mapping
    }
}

/// Somebody who may reach everything.
pub(crate) fn ada() -> Actor {
    Actor::of_command("ada")
}

/// Somebody of one organisation.
pub(crate) fn of(organization: &str) -> Actor {
    Actor { organization: Some(organization.to_owned()), ..Actor::of_command("bob") }
}

/// The channel of that number, for a room of a client of that name.
pub(crate) fn request(channel: u32, client: &str) -> MapRequest {
    MapRequest {
        account: "org-a".to_owned(),
        channel_id: format!("P{channel}"),
        chat_id: format!("CT_{channel}_64396901-B1"),
        channel_name: format!("#channel {channel}"),
        client_id: client.to_owned(),
        room_id: "support".to_owned(),
        settings: Change::default(),
    }
}

/// The types of the events of a channel of `org-a`, in order.
pub(crate) async fn told(log: &Log, channel: u32) -> Vec<String> {
    events(log, channel).await.iter().map(|event| event.event_type.as_str().to_owned()).collect()
}

pub(crate) async fn events(log: &Log, channel: u32) -> Vec<RecordedEvent> {
    log.read_stream(&stream("org-a", &format!("P{channel}")), StreamVersion(0), 1000).await.unwrap()
}
