//! `gateledger.toml` for a simulator: like anybody's, with limits that let tests be quick.

use std::net::SocketAddr;

use simulator::Simulator;
use simulator::seed::constants::{
    CHECKBOX_FIELD, DESTINATION_FOLDER_ID, FOLDER_FIELD, MODULE, ORG_A, ORG_A_CLIENT_ID, ORG_A_CLIENT_SECRET,
    ORG_A_REFRESH_TOKEN, ORG_B, ORG_B_CLIENT_ID, ORG_B_CLIENT_SECRET, ORG_B_REFRESH_TOKEN, SOURCE_TEAM_FOLDER_ID,
};
use toml::{Table, Value};

/// The settings as a table that tests add to.
#[derive(Debug, Clone, Default)]
pub struct Settings(Table);

impl Settings {
    /// The two organisations of the simulator's seeds and the transfer `contacts` between them, with webhooks and polls.
    #[must_use]
    pub fn of(simulator: &Simulator, listen: SocketAddr) -> Self {
        let base = format!(
            "[http]\nlisten = \"{listen}\"\npublic_url = \"http://{listen}\"\n\
             [log]\nlevel = \"info\"\n\
             [service]\nshutdown_grace_seconds = 3\n\
             [registrar]\ncheck_seconds = 2\n\
             [accounts.{ORG_A}]\nprovider = \"zoho\"\nclient_id = \"{ORG_A_CLIENT_ID}\"\n\
             client_secret = \"{ORG_A_CLIENT_SECRET}\"\nrefresh_token = \"{ORG_A_REFRESH_TOKEN}\"\n\
             consent_probe_seconds = 1\n\
             [accounts.{ORG_A}.webhook]\nverify = \"zoho-crm\"\n\
             [accounts.{ORG_B}]\nprovider = \"zoho\"\nclient_id = \"{ORG_B_CLIENT_ID}\"\n\
             client_secret = \"{ORG_B_CLIENT_SECRET}\"\nrefresh_token = \"{ORG_B_REFRESH_TOKEN}\"\n\
             consent_probe_seconds = 1\n\
             [transfers.contacts]\ncrm = \"{ORG_A}\"\nsource = \"{ORG_B}\"\ndestination = \"{ORG_A}\"\n\
             module = \"{MODULE}\"\ncheckbox_field = \"{CHECKBOX_FIELD}\"\nfolder_field = \"{FOLDER_FIELD}\"\n\
             source_team_folder_id = \"{SOURCE_TEAM_FOLDER_ID}\"\ndestination_folder_id = \"{DESTINATION_FOLDER_ID}\"\n\
             interval_seconds = 2\nretry_base_ms = 50\n"
        );
        let endpoints = Self::endpoints(simulator);
        [ORG_A, ORG_B].into_iter().fold(Settings::default().with(&base).with_table(endpoints.0), |settings, account| {
            settings.with(&format!(
                "[accounts.{account}.limits]\nworkdrive_metadata_per_second = 500.0\n\
                 workdrive_listings_per_folder_per_minute = 500\ntoken_refreshes_per_10_minutes = 500\n\
                 crm_per_second = 200.0\ncrm_heavy_per_second = 100.0\n"
            ))
        })
    }

    /// Only the addresses of both organisations.
    #[must_use]
    pub fn endpoints(simulator: &Simulator) -> Self {
        let mut text = String::new();
        for account in [ORG_A, ORG_B] {
            text.push_str(&format!("[accounts.{account}.endpoints]\n"));
            for (name, url) in simulator.endpoints() {
                text.push_str(&format!("{name} = \"{url}\"\n"));
            }
        }
        Settings::default().with(&text)
    }

    /// The settings with those of `text` (TOML) over them.
    ///
    /// # Panics
    /// When it is not TOML.
    #[must_use]
    pub fn with(self, text: &str) -> Self {
        let table = text.parse::<Table>().unwrap_or_else(|error| panic!("{error}\n{text}"));
        self.with_table(table)
    }

    /// The settings without a top-level section.
    #[must_use]
    pub fn without(mut self, section: &str) -> Self {
        self.0.remove(section);
        self
    }

    fn with_table(mut self, table: Table) -> Self {
        merge(&mut self.0, table);
        self
    }

    /// As it stands in a file.
    #[must_use]
    pub fn text(&self) -> String {
        self.0.to_string()
    }
}

fn merge(target: &mut Table, table: Table) {
    for (key, value) in table {
        match (target.get_mut(&key), value) {
            (Some(Value::Table(inner)), Value::Table(value)) => merge(inner, value),
            (_, value) => {
                target.insert(key, value);
            }
        }
    }
}
