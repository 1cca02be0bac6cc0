//! What a simulator starts with: organisations, grants, records, files, knobs and faults, written in TOML.

mod books;
mod cliq;
mod demo;
mod migration;

use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::fault::FaultRule;
use crate::knobs::Knobs;

pub use books::{
    BooksContactSeed, BooksContactType, BooksGeneratedSeed, BooksOptions, BooksSeed, BooksUserSeed, BooksUserStatus,
    BooksWebhookFormat, BooksWebhookSeed,
};
pub use cliq::{
    CliqBotSeed, CliqChannelSeed, CliqFileSeed, CliqGeneratedSeed, CliqLevel, CliqMessageSeed, CliqOptions, CliqSeed,
    CliqStatus, CliqThreadSeed, CliqUserSeed,
};
pub use demo::{DemoOptions, constants};
pub use migration::MigrationOptions;

/// Why a seed cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The file cannot be read: check the path.
    #[error("seed file {path} cannot be read")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Not TOML, an unknown key, or a value of the wrong type; the source names line and key.
    #[error("seed does not parse: {0}")]
    Malformed(#[from] toml::de::Error),
    /// It parses and makes no sense; every problem found is listed.
    #[error("seed is not consistent: {}", .0.join("; "))]
    Inconsistent(Vec<String>),
}

/// The state a simulator starts with.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Seed {
    /// Root of all generated ids and random choices; 0.
    pub seed: u64,
    /// Limits and behaviours; all documented values by default.
    pub knobs: Knobs,
    /// Faults in force from the start.
    pub faults: Vec<FaultRule>,
    /// Organisations; they share the hosts, the access token tells them apart.
    pub organizations: Vec<OrganizationSeed>,
}

/// One organisation.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OrganizationSeed {
    /// Name in the control API, unique.
    pub name: String,
    /// Region of its data centre, such as `eu`; `com`.
    #[serde(default = "default_region")]
    pub region: String,
    /// Offset of the times CRM prints, in minutes east of UTC; 0.
    #[serde(default)]
    pub utc_offset_minutes: i32,
    /// OAuth clients.
    #[serde(default)]
    pub clients: Vec<ClientSeed>,
    /// CRM modules.
    #[serde(default)]
    pub modules: Vec<ModuleSeed>,
    /// WorkDrive.
    #[serde(default)]
    pub workdrive: WorkDriveSeed,
    /// Books.
    #[serde(default)]
    pub books: BooksSeed,
    /// Cliq.
    #[serde(default)]
    pub cliq: CliqSeed,
}

fn default_region() -> String {
    "com".to_owned()
}

/// An OAuth client and the grant it starts with.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClientSeed {
    /// Client id, unique over all organisations.
    pub id: String,
    /// Client secret.
    pub secret: String,
    /// A refresh token granted already; absent when somebody has to consent first.
    #[serde(default)]
    pub refresh_token: Option<String>,
    /// Scopes of that grant; all that the gateway needs by default.
    #[serde(default = "all_scopes")]
    pub scopes: Vec<String>,
    /// Registered redirect addresses; empty accepts any.
    #[serde(default)]
    pub redirect_uris: Vec<String>,
}

/// The scopes of zoho.md section 1.12.
#[must_use]
pub fn all_scopes() -> Vec<String> {
    [
        "ZohoCRM.modules.ALL",
        "ZohoCRM.coql.READ",
        "ZohoCRM.users.READ",
        "ZohoCRM.notifications.ALL",
        "ZohoSearch.securesearch.READ",
        "WorkDrive.files.ALL",
        "WorkDrive.team.READ",
        "WorkDrive.teamfolders.READ",
        "WorkDrive.workspace.READ",
        "ZohoFiles.files.ALL",
        "ZohoBooks.contacts.ALL",
        "ZohoBooks.settings.READ",
        "ZohoCliq.Channels.READ",
        "ZohoCliq.Chats.READ",
        "ZohoCliq.Messages.READ",
        "ZohoCliq.Users.READ",
    ]
    .map(str::to_owned)
    .to_vec()
}

/// A CRM module.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModuleSeed {
    /// API name, such as `Contacts`.
    pub name: String,
    /// Fields besides `id`, `Created_Time`, `Modified_Time`, `Created_By` and `Modified_By`.
    pub fields: Vec<FieldSeed>,
    /// Records.
    #[serde(default)]
    pub records: Vec<RecordSeed>,
}

/// A field of a module.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FieldSeed {
    /// API name.
    pub name: String,
    /// Type of its values.
    #[serde(rename = "type")]
    pub kind: FieldKind,
}

/// Types of CRM fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FieldKind {
    /// Any text, pick lists included.
    Text,
    /// `true` or `false`; a checkbox.
    Boolean,
    /// A whole number.
    Integer,
    /// A number.
    Double,
    /// ISO time with offset.
    Datetime,
    /// `yyyy-mm-dd`.
    Date,
    /// An object with `id` and `name`.
    Lookup,
}

/// A CRM record.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecordSeed {
    /// Numeric id as text; made from the seed when absent.
    #[serde(default)]
    pub id: Option<String>,
    /// Values by field name.
    #[serde(default)]
    pub fields: Map<String, Value>,
    /// Last change, RFC 3339; the start of the simulator when absent.
    #[serde(default)]
    pub modified_at: Option<String>,
}

/// WorkDrive of one organisation.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct WorkDriveSeed {
    /// Id of the team; made from the seed when absent.
    pub team_id: Option<String>,
    /// Name of the team.
    pub team_name: String,
    /// Top folders.
    pub team_folders: Vec<TeamFolderSeed>,
    /// Files and folders named one by one.
    pub entries: Vec<EntrySeed>,
    /// Files and folders in numbers.
    pub generated: Vec<GeneratedSeed>,
}

impl Default for WorkDriveSeed {
    fn default() -> Self {
        Self {
            team_id: None,
            team_name: "Team".to_owned(),
            team_folders: Vec::new(),
            entries: Vec::new(),
            generated: Vec::new(),
        }
    }
}

/// A team folder.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TeamFolderSeed {
    /// Id, chosen here so that settings can name it.
    pub id: String,
    /// Name.
    pub name: String,
}

/// A file or folder named by its path. With neither `size_bytes` nor `text` it is a folder.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EntrySeed {
    /// Id of the folder the path starts in.
    pub in_folder: String,
    /// Names separated by `/`; missing folders on the way are made.
    pub path: String,
    /// Used instead of the last part of the path, for names that hold a slash.
    pub name: Option<String>,
    /// Id; made from the seed when absent.
    pub id: Option<String>,
    /// Size of a generated file in bytes.
    pub size_bytes: Option<u64>,
    /// Literal content of a file.
    pub text: Option<String>,
    /// Seed of the generated bytes; made from the path when absent.
    pub seed: Option<u64>,
    /// Last change, RFC 3339; the start of the simulator when absent.
    pub modified_at: Option<String>,
    /// Make a second item even if this name is taken in its folder; false.
    pub duplicate: bool,
}

/// Folders with files, in numbers.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GeneratedSeed {
    /// Id of the folder the path starts in.
    pub in_folder: String,
    /// Folder that receives the files; made when missing. Empty for `in_folder` itself.
    #[serde(default)]
    pub path: String,
    /// Sub-folders; 0 puts the files directly into the folder.
    #[serde(default)]
    pub folders: u32,
    /// Files in each sub-folder, or in the folder itself when there are none.
    pub files_per_folder: u32,
    /// Smallest file in bytes.
    pub min_size_bytes: u64,
    /// Largest file in bytes; the smallest when absent.
    #[serde(default)]
    pub max_size_bytes: Option<u64>,
    /// Seed of sizes and bytes; 0.
    #[serde(default)]
    pub seed: u64,
}

impl Seed {
    /// Reads a seed from TOML text.
    ///
    /// # Errors
    /// [`Error::Malformed`] with line and key. Consistency is checked by [`crate::start`].
    pub fn from_toml(text: &str) -> Result<Self, Error> {
        Ok(toml::from_str(text)?)
    }

    /// Reads a seed from a TOML file.
    ///
    /// # Errors
    /// [`Error::Unreadable`] or [`Error::Malformed`].
    pub fn from_file(path: &Path) -> Result<Self, Error> {
        let text =
            std::fs::read_to_string(path).map_err(|source| Error::Unreadable { path: path.to_owned(), source })?;
        Self::from_toml(&text)
    }

    /// Two organisations with everything the demonstration shows; see [`constants`] for its names.
    #[must_use]
    pub fn demo() -> Self {
        demo::seed(&DemoOptions::default())
    }

    /// The demonstration with other sizes.
    #[must_use]
    pub fn demo_with(options: &DemoOptions) -> Self {
        demo::seed(options)
    }

    /// The demonstration's organisations with users and contacts of Books in numbers.
    #[must_use]
    pub fn books(options: &BooksOptions) -> Self {
        books::seed(options)
    }

    /// The demonstration's organisations without files and records, and with channels and messages of Cliq in numbers.
    #[must_use]
    pub fn cliq(options: &CliqOptions) -> Self {
        cliq::seed(options)
    }

    /// Records with one tree each, for load and crash tests; the same names as the demonstration.
    #[must_use]
    pub fn migration(options: &MigrationOptions) -> Self {
        migration::seed(options)
    }
}
