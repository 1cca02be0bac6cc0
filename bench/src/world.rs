//! A simulator in a process of its own, and the configuration that points at it.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use crate::process::{Process, free_address};

/// Files of a workload.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Files {
    pub(crate) folders: u32,
    pub(crate) files_per_folder: u32,
    pub(crate) bytes: u64,
}

impl Files {
    pub(crate) fn count(self) -> u64 {
        u64::from(self.folders.max(1)) * u64::from(self.files_per_folder)
    }
}

/// Two organisations: records in one, files in the other.
pub(crate) struct World {
    pub(crate) base: String,
    _simulator: Process,
}

pub(crate) const SOURCE_FOLDER: &str = "team-b";
pub(crate) const DESTINATION_FOLDER: &str = "dest-root";

impl World {
    /// Starts a simulator; `records` ask for the folder `Tree`, which holds `files`.
    pub(crate) fn start(binary: &Path, folder: &Path, files: Files, records: u32) -> anyhow::Result<Self> {
        World::start_slow(binary, folder, files, records, 0)
    }

    /// The same with a file storage that takes its time for each call.
    pub(crate) fn start_slow(
        binary: &Path,
        folder: &Path,
        files: Files,
        records: u32,
        latency_ms: u64,
    ) -> anyhow::Result<Self> {
        let address = free_address()?;
        let seed = folder.join("seed.toml");
        std::fs::write(&seed, seed_text(files, records, latency_ms))?;
        let mut command = Command::new(binary);
        command.arg("simulate").arg("--port").arg(address.port().to_string()).arg("--seed").arg(&seed);
        let simulator = Process::start(&mut command, address)?;
        Ok(World { base: format!("http://{address}"), _simulator: simulator })
    }

    /// The configuration of a gateledger that works on this world, with limits that do not limit.
    pub(crate) fn config(&self, listen: SocketAddr, concurrency: u32) -> String {
        let account = |name: &str| {
            format!(
                r#"
[accounts.{name}]
provider = "zoho"
client_id = "client-{name}"
client_secret = "secret-{name}"
refresh_token = "refresh-{name}"
[accounts.{name}.endpoints]
accounts = "{base}/accounts"
api = "{base}/api"
workdrive = "{base}/workdrive"
download = "{base}/download"
upload = "{base}/upload"
[accounts.{name}.limits]
workdrive_metadata_per_second = 1000.0
workdrive_listings_per_folder_per_minute = 1000
crm_per_second = 1000.0
crm_heavy_per_second = 1000.0
"#,
                base = self.base
            )
        };
        format!(
            r#"
[http]
listen = "{listen}"
public_url = "http://{listen}"
[log]
level = "warn"
{}
[accounts.org-a.webhook]
verify = "zoho-crm"
{}
[transfers.bench]
crm = "org-a"
source = "org-b"
destination = "org-a"
module = "Contacts"
checkbox_field = "Transfer_Complete"
folder_field = "Source_Folder_Name"
source_team_folder_id = "{SOURCE_FOLDER}"
destination_folder_id = "{DESTINATION_FOLDER}"
schedule = "0 3 1 1 *"
concurrency = {concurrency}
"#,
            account("org-a"),
            account("org-b")
        )
    }
}

fn seed_text(files: Files, records: u32, latency_ms: u64) -> String {
    let client = |name: &str| {
        format!(
            "[[organizations.clients]]\nid = \"client-{name}\"\nsecret = \"secret-{name}\"\nrefresh_token = \"refresh-{name}\"\n"
        )
    };
    let records: String = (0..records)
        .map(|number| {
            format!(
                "[[organizations.modules.records]]\nid = \"52000000000{number:05}\"\n\
                 fields = {{ Transfer_Complete = false, Source_Folder_Name = \"Tree\" }}\n"
            )
        })
        .collect();
    format!(
        r#"
[knobs.workdrive]
refused_listing = 0
latency_ms = {latency_ms}
[[organizations]]
name = "org-a"
{}
[[organizations.modules]]
name = "Contacts"
fields = [
    {{ name = "Transfer_Complete", type = "boolean" }},
    {{ name = "Source_Folder_Name", type = "text" }},
]
{records}
[[organizations.workdrive.team_folders]]
id = "{DESTINATION_FOLDER}"
name = "Destination"
[[organizations]]
name = "org-b"
{}
[[organizations.workdrive.team_folders]]
id = "{SOURCE_FOLDER}"
name = "Source"
[[organizations.workdrive.generated]]
in_folder = "{SOURCE_FOLDER}"
path = "Tree"
folders = {}
files_per_folder = {}
min_size_bytes = {}
"#,
        client("org-a"),
        client("org-b"),
        files.folders,
        files.files_per_folder,
        files.bytes
    )
}
