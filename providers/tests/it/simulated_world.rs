//! The two organisations of the demonstration with a client for each.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::{Stream, TryStreamExt, stream};
use providers::budget::MemoryBudget;
use providers::clock::Clock;
use providers::zoho::workdrive::{Download, Item, ItemFilter};
use providers::zoho::{Client, MemoryTokenStore, Region, Settings};
use simulator::control::{Control, ItemState, StateQuery};
use simulator::seed::constants;
use simulator::{DemoOptions, Options, Seed, Simulator};

use crate::account::open_limits;

pub(crate) struct World {
    pub(crate) simulator: Simulator,
    /// Organisation A: CRM and the destination.
    pub(crate) a: Client,
    pub(crate) a_tokens: Arc<MemoryTokenStore>,
    /// Organisation B: the source.
    pub(crate) b: Client,
    pub(crate) b_tokens: Arc<MemoryTokenStore>,
}

impl World {
    pub(crate) fn start(seed: &Seed) -> Self {
        let simulator = simulator::start(seed, Options::default()).unwrap();
        let a_tokens = Arc::new(MemoryTokenStore::new(constants::ORG_A_REFRESH_TOKEN.into()));
        let b_tokens = Arc::new(MemoryTokenStore::new(constants::ORG_B_REFRESH_TOKEN.into()));
        let a = client(settings_a(&simulator), &a_tokens);
        let b = client(settings_b(&simulator), &b_tokens);
        Self { simulator, a, a_tokens, b, b_tokens }
    }

    pub(crate) fn demo() -> Self {
        Self::start(&demo_seed())
    }

    pub(crate) fn control(&self) -> Control {
        self.simulator.control()
    }

    /// Files and folders of an organisation that are not in the trash.
    pub(crate) fn items(&self, organization: &str) -> Vec<ItemState> {
        let query = StateQuery { organization: Some(organization.to_owned()), md5: true };
        let items = self.control().state(&query).organizations.remove(0).items;
        items.into_iter().filter(|item| !item.trashed).collect()
    }

    /// What lies in a destination folder.
    pub(crate) fn stored_in(&self, parent_id: &str) -> Vec<ItemState> {
        self.items(constants::ORG_A).into_iter().filter(|item| item.parent_id == parent_id).collect()
    }

    pub(crate) fn assert_well_behaved(&self) {
        let misdeeds = self.control().counts().misdeeds;
        let known: Vec<_> = misdeeds.iter().map(|(kind, misdeed)| (kind, misdeed.count, &misdeed.last)).collect();
        assert!(known.is_empty(), "{known:?}");
    }

    pub(crate) async fn new_folder(&self, name: &str) -> Item {
        self.a.workdrive().create_folder(constants::DESTINATION_FOLDER_ID, name).await.unwrap()
    }

    /// Some file of the source with at least so many bytes.
    pub(crate) async fn source_file(&self, at_least_bytes: u64) -> Item {
        let folders = self.b.workdrive().list(constants::SOURCE_TEAM_FOLDER_ID, ItemFilter::Folders).await.unwrap();
        for folder in folders {
            let files = self.b.workdrive().list(&folder.id, ItemFilter::Files).await.unwrap();
            if let Some(file) = files.into_iter().find(|file| file.size.is_some_and(|size| size >= at_least_bytes)) {
                return file;
            }
        }
        panic!("no file of {at_least_bytes} bytes");
    }
}

pub(crate) fn demo_seed() -> Seed {
    Seed::demo_with(&DemoOptions { large_file_bytes: 12 * 1024 * 1024, ..DemoOptions::default() })
}

pub(crate) fn client(settings: Settings, tokens: &Arc<MemoryTokenStore>) -> Client {
    let budget = Arc::new(MemoryBudget::new(Clock::system(), Duration::from_millis(50)));
    Client::new(settings, providers::http::client().unwrap(), budget, tokens.clone())
}

pub(crate) fn settings_a(simulator: &Simulator) -> Settings {
    settings(simulator, "org-a", constants::ORG_A_CLIENT_ID, constants::ORG_A_CLIENT_SECRET)
}

pub(crate) fn settings_b(simulator: &Simulator) -> Settings {
    settings(simulator, "org-b", constants::ORG_B_CLIENT_ID, constants::ORG_B_CLIENT_SECRET)
}

fn settings(simulator: &Simulator, account: &str, client_id: &str, secret: &str) -> Settings {
    let endpoints = simulator.endpoints();
    let at = |name: &str| endpoints[name].parse().unwrap();
    let mut settings = Settings::new(account, Region::Com, client_id, secret.into());
    settings.endpoints.accounts = at("accounts");
    settings.endpoints.api = at("api");
    settings.endpoints.workdrive = at("workdrive");
    settings.endpoints.download = at("download");
    settings.endpoints.upload = at("upload");
    settings.endpoints.cliq = at("cliq");
    settings.limits = open_limits();
    settings
}

pub(crate) async fn content(download: Download) -> Vec<u8> {
    let chunks: Vec<Bytes> = download.stream.try_collect().await.unwrap();
    chunks.concat()
}

pub(crate) fn body(content: &[u8]) -> impl Stream<Item = io::Result<Bytes>> + Send + 'static {
    let chunks: Vec<_> = content.chunks(64 * 1024).map(|chunk| Ok(Bytes::copy_from_slice(chunk))).collect();
    stream::iter(chunks)
}
