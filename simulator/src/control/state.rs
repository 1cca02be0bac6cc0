//! The whole state as a document, without secrets.

mod books;
mod cliq;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::Control;
use crate::clock::{Millis, instant, iso_seconds};
use crate::content::Content;
use crate::crm::channel::WatchedEvent;
use crate::crm::module::Person;
use crate::world::Organization;

pub use books::{BooksContactState, BooksState, BooksUserState};
pub use cliq::{CliqChannelState, CliqMessageState, CliqState, CliqThreadState, CliqUserState};

/// What to show.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct StateQuery {
    /// Only this organisation; absent for all.
    pub organization: Option<String>,
    /// Hash generated files too; true. Each is read once, which takes seconds per gigabyte.
    pub md5: bool,
}

impl Default for StateQuery {
    fn default() -> Self {
        Self { organization: None, md5: true }
    }
}

/// Everything there is.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct State {
    /// Virtual time, RFC 3339 UTC.
    pub now: String,
    /// Organisations in the order of the seed.
    pub organizations: Vec<OrganizationState>,
}

/// One organisation.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct OrganizationState {
    /// Name.
    pub name: String,
    /// Id of its WorkDrive team.
    pub team_id: String,
    /// Ids of its team folders.
    pub team_folders: Vec<String>,
    /// Files and folders by path, the trash included.
    pub items: Vec<ItemState>,
    /// CRM records by module and id.
    pub records: BTreeMap<String, Vec<RecordState>>,
    /// Watch channels, expired ones included.
    pub channels: Vec<ChannelState>,
    /// Grants.
    pub grants: Vec<GrantState>,
    /// Books.
    #[serde(default)]
    pub books: BooksState,
    /// Cliq with every message.
    #[serde(default)]
    pub cliq: CliqState,
}

impl OrganizationState {
    /// The items that are not in the trash and lie below `path`, which itself is not included.
    pub fn below<'a>(&'a self, path: &'a str) -> impl Iterator<Item = &'a ItemState> {
        let inside = move |item: &&ItemState| item.path.strip_prefix(path).is_some_and(|rest| rest.starts_with('/'));
        self.items.iter().filter(inside).filter(|item| !item.trashed)
    }
}

/// A file or folder.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ItemState {
    /// Id.
    pub id: String,
    /// Id of the folder it lies in; the team's for a team folder.
    pub parent_id: String,
    /// Names from the team folder down, separated by `/`.
    pub path: String,
    /// Name.
    pub name: String,
    /// True for folders.
    pub is_folder: bool,
    /// Size in bytes; 0 for folders.
    pub size_bytes: u64,
    /// MD5 in hexadecimal; absent for folders, and for generated files when not asked for.
    pub md5: Option<String>,
    /// Creation, milliseconds since 1970.
    pub created_ms: i64,
    /// Last change, milliseconds since 1970.
    pub modified_ms: i64,
    /// Upload of the top version, milliseconds since 1970.
    pub uploaded_ms: i64,
    /// Number of versions.
    pub versions: u32,
    /// In the trash itself, or below something that is.
    pub trashed: bool,
}

/// A CRM record.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RecordState {
    /// Id.
    pub id: String,
    /// Values by field name.
    pub fields: Map<String, Value>,
    /// Last change, ISO with the organisation's offset.
    pub modified_time: String,
    /// True when the last change came through the API.
    pub modified_by_api: bool,
    /// Changes that came through the API, whether or not their answers arrived.
    pub api_updates: u32,
    /// Updates are refused with `RECORD_LOCKED`.
    pub locked: bool,
}

/// A watch channel.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ChannelState {
    /// Id.
    pub channel_id: String,
    /// Events such as `Contacts.edit`.
    pub events: Vec<String>,
    /// Where notifications go.
    pub notify_url: String,
    /// End of its life, RFC 3339 UTC.
    pub expires_at: String,
    /// True when it is over.
    pub expired: bool,
}

/// A grant without its secrets.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct GrantState {
    /// The client it was given to.
    pub client_id: String,
    /// The person who gave it.
    #[serde(default)]
    pub user: String,
    /// Its scopes.
    pub scopes: Vec<String>,
    /// Revoked: refreshing answers `invalid_code`.
    pub revoked: bool,
    /// Access tokens made in the present window.
    pub tokens_in_window: usize,
}

impl Control {
    /// The state now. With `md5` it reads every generated file once: not for a thread that must not block.
    #[must_use]
    pub fn state(&self, query: &StateQuery) -> State {
        let now = self.shared.clock.now_ms();
        let (mut organizations, contents): (Vec<_>, Vec<_>) = {
            let world = self.shared.world();
            let wanted = world
                .organizations
                .iter()
                .filter(|each| query.organization.as_deref().is_none_or(|name| *each.name == *name));
            wanted.map(|each| (organization(each, now), contents(each))).unzip()
        };
        for (organization, contents) in organizations.iter_mut().zip(&contents) {
            for item in &mut organization.items {
                let content = contents.get(&item.id);
                item.md5 = content
                    .and_then(|content| if query.md5 { Some(content.md5()) } else { content.known_md5() })
                    .map(str::to_owned);
            }
        }
        State { now: instant(now).to_rfc3339(), organizations }
    }
}

fn contents(organization: &Organization) -> BTreeMap<String, Content> {
    let files = organization.drive.nodes().filter_map(|node| Some((node.id.to_string(), node.content()?.clone())));
    files.collect()
}

fn organization(organization: &Organization, now: Millis) -> OrganizationState {
    let drive = &organization.drive;
    let mut items: Vec<ItemState> = drive
        .nodes()
        .map(|node| ItemState {
            id: node.id.to_string(),
            parent_id: node.parent.as_deref().unwrap_or(&drive.team_id).to_owned(),
            path: drive.path(&node.id),
            name: node.name.clone(),
            is_folder: node.is_folder(),
            size_bytes: node.content().map_or(0, Content::size_bytes),
            md5: None,
            created_ms: node.created_ms,
            modified_ms: node.modified_ms,
            uploaded_ms: node.uploaded_ms,
            versions: node.versions,
            trashed: drive.live(&node.id).is_none(),
        })
        .collect();
    items.sort_by(|left, right| (&left.path, &left.id).cmp(&(&right.path, &right.id)));
    OrganizationState {
        name: organization.name.to_string(),
        team_id: drive.team_id.clone(),
        team_folders: drive.team_folders.iter().map(ToString::to_string).collect(),
        items,
        records: records(organization),
        channels: channels(organization, now),
        grants: grants(organization),
        books: books::books(&organization.books),
        cliq: cliq::cliq(&organization.cliq, now),
    }
}

fn records(organization: &Organization) -> BTreeMap<String, Vec<RecordState>> {
    let crm = &organization.crm;
    let shown = |record: &crate::crm::Record| RecordState {
        id: record.id.to_string(),
        fields: record.fields.clone(),
        modified_time: iso_seconds(record.modified_ms, crm.offset),
        modified_by_api: record.modified_by == Person::Api,
        api_updates: record.api_updates,
        locked: record.locked,
    };
    crm.modules.iter().map(|module| (module.name.to_string(), module.records.values().map(shown).collect())).collect()
}

fn channels(organization: &Organization, now: Millis) -> Vec<ChannelState> {
    let channels = organization.crm.channels.values();
    channels
        .map(|channel| ChannelState {
            channel_id: channel.channel_id.clone(),
            events: channel.events.iter().map(WatchedEvent::text).collect(),
            notify_url: channel.notify_url.clone(),
            expires_at: instant(channel.expires_ms).to_rfc3339(),
            expired: channel.expires_ms <= now,
        })
        .collect()
}

fn grants(organization: &Organization) -> Vec<GrantState> {
    let clients = organization.clients.iter();
    clients
        .flat_map(|client| {
            client.grants.iter().map(|grant| GrantState {
                client_id: client.id.to_string(),
                user: grant.user.clone(),
                scopes: grant.scopes.to_vec(),
                revoked: grant.revoked,
                tokens_in_window: grant.issued_at.len(),
            })
        })
        .collect()
}
