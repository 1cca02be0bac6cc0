//! The configuration of the demo: a file like anybody's, pointed at the simulator.

use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;

use anyhow::Context as _;
use service::config::{Config, LoadOptions};
use simulator::Simulator;
use simulator::seed::constants as demo;

/// Where the demo keeps and carries its events, where that is not a file.
#[derive(Debug, Default)]
pub struct Places {
    /// Address of a database of the demo's own.
    pub store: Option<String>,
    /// Brokers.
    pub kafka: Option<String>,
}

/// A text as TOML writes it.
fn quoted(text: &str) -> String {
    toml::Value::from(text).to_string()
}

/// Writes `gateledger.toml` into the folder and reads it as `serve` would.
///
/// # Errors
/// When the file cannot be written.
pub fn config(folder: &Path, simulator: &Simulator, places: &Places) -> anyhow::Result<Config> {
    let listen =
        TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|free| free.local_addr()).context("finding a port")?;
    let mut text = format!(
        "[http]\nlisten = \"{listen}\"\npublic_url = \"http://{listen}\"\n\
         [log]\nlevel = \"error\"\n[service]\nshutdown_grace_seconds = 5\n"
    );
    if let Some(url) = &places.store {
        text.push_str(&format!("[store]\nurl = {}\n[vault]\nkey_file = \"gateledger.key\"\n", quoted(url)));
    }
    if let Some(brokers) = &places.kafka {
        let topic = format!("gateledger.demo.{}", uuid::Uuid::now_v7().simple());
        text.push_str(&format!(
            "[kafka]\nbrokers = {}\ntopic = \"{topic}\"\ngroup_prefix = \"{topic}\"\n",
            quoted(brokers)
        ));
    }
    let accounts = [
        (demo::ORG_A, demo::ORG_A_CLIENT_ID, demo::ORG_A_CLIENT_SECRET, demo::ORG_A_REFRESH_TOKEN),
        (demo::ORG_B, demo::ORG_B_CLIENT_ID, demo::ORG_B_CLIENT_SECRET, demo::ORG_B_REFRESH_TOKEN),
    ];
    for (name, client_id, client_secret, refresh_token) in accounts {
        text.push_str(&format!(
            "[accounts.{name}]\nprovider = \"zoho\"\norganization = \"demo\"\nclient_id = \"{client_id}\"\n\
             client_secret = \"{client_secret}\"\nrefresh_token = \"{refresh_token}\"\n[accounts.{name}.endpoints]\n"
        ));
        for (endpoint, url) in simulator.endpoints() {
            text.push_str(&format!("{endpoint} = \"{url}\"\n"));
        }
        // The simulator has no limit on calls a second, and its limit on listings of a folder is the provider's.
        text.push_str(&format!("[accounts.{name}.limits]\nworkdrive_metadata_per_second = 200.0\n"));
    }
    text.push_str(&format!(
        "[accounts.{}.webhook]\nverify = \"zoho-crm\"\n[transfers.contacts]\ncrm = \"{}\"\nsource = \"{}\"\n\
         destination = \"{}\"\nmodule = \"{}\"\ncheckbox_field = \"{}\"\nfolder_field = \"{}\"\n\
         source_team_folder_id = \"{}\"\ndestination_folder_id = \"{}\"\ninterval_seconds = 8\nretry_base_ms = 200\n",
        demo::ORG_A,
        demo::ORG_A,
        demo::ORG_B,
        demo::ORG_A,
        demo::MODULE,
        demo::CHECKBOX_FIELD,
        demo::FOLDER_FIELD,
        demo::SOURCE_TEAM_FOLDER_ID,
        demo::DESTINATION_FOLDER_ID,
    ));
    let file = folder.join("gateledger.toml");
    std::fs::write(&file, text).with_context(|| format!("writing {}", file.display()))?;
    let options = LoadOptions {
        file: Some(file),
        environment: std::collections::BTreeMap::new(),
        dotenv: None,
        working_dir: folder.to_owned(),
    };
    Ok(Config::load(options)?)
}
