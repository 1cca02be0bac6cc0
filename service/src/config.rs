//! All settings of a process, read once.
//!
//! The file comes first, then the `.env` file, then the environment: `GATELEDGER__SECTION__KEY` overrides `[section] key`.
//! Unknown keys are errors. Everything that is wrong is reported at once, each with the key, what is wrong and what
//! helps. Secrets are kept by reference and never shown.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

pub mod account;
mod auth;
mod environment;
mod error;
mod http;
mod ingest;
mod kafka;
mod legacy;
mod log;
mod nearest;
mod notify;
mod origin;
mod roles;
mod schedule;
pub mod secret;
mod section;
mod store;
mod timezone;
mod transfer;
mod transport;
mod tree;
mod value;
mod vault;

pub use account::{Account, Cliq, Credentials, Endpoints, Limits, Provider, Webhook};
pub use auth::Auth;
pub use environment::Environment;
pub use error::{ConfigError, Problem, UnknownAccount};
pub use http::Http;
pub use ingest::{GoogleIdToken, Ingest, IngestAuth};
pub use kafka::Kafka;
pub use log::{Format, Log};
pub use notify::{Notify, NotifyFrom};
pub use origin::Origin;
pub use roles::{Registrar, Service, Webhooks};
pub use schedule::{InvalidPattern, Schedule};
pub use secret::{ExposeSecret, SecretError, SecretRef, SecretString};
pub use store::{DatabaseUrl, Store};
pub use timezone::{UnknownTimezone, timezone};
pub use transfer::{CheckWhen, Transfer};
pub use vault::Vault;

use section::{Reading, Section};
use tree::Tree;

/// File that is read from the working directory when none is named.
pub const DEFAULT_FILE: &str = "gateledger.toml";

/// Where settings are looked for.
#[derive(Clone)]
pub struct LoadOptions {
    /// The configuration file, which must exist. `None`: `gateledger.toml` in the working directory, if there is one.
    pub file: Option<PathBuf>,
    /// The environment of the process.
    pub environment: BTreeMap<String, String>,
    /// The `.env` file, read if there is one. `None`: `.env` in the working directory.
    pub dotenv: Option<PathBuf>,
    /// Where relative paths start.
    pub working_dir: PathBuf,
}

impl fmt::Debug for LoadOptions {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("LoadOptions")
            .field("file", &self.file)
            .field("dotenv", &self.dotenv)
            .field("working_dir", &self.working_dir)
            .finish_non_exhaustive()
    }
}

/// All settings.
#[derive(Debug, Clone)]
pub struct Config {
    /// `[store]`.
    pub store: Store,
    /// `[kafka]`, if there is one.
    pub kafka: Option<Kafka>,
    /// `[http]`.
    pub http: Http,
    /// `[auth]`.
    pub auth: Auth,
    /// `[log]`.
    pub log: Log,
    /// `[service]`.
    pub service: Service,
    /// `[vault]`.
    pub vault: Vault,
    /// `[webhooks]`.
    pub webhooks: Webhooks,
    /// `[registrar]`.
    pub registrar: Registrar,
    /// `[accounts.NAME]` by name.
    pub accounts: BTreeMap<String, Account>,
    /// `[ingest.NAME]` by name.
    pub ingests: BTreeMap<String, Ingest>,
    /// `[notify.NAME]` by name.
    pub notifies: BTreeMap<String, Notify>,
    /// `[transfers.NAME]` by name.
    pub transfers: BTreeMap<String, Transfer>,
    /// The variables that secrets are resolved with.
    pub environment: Environment,
    /// The file that was read, if there was one.
    pub file: Option<PathBuf>,
}

/// What is wanted of a configuration.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Purpose {
    Any,
    Transfer,
}

impl Config {
    /// Reads all settings.
    ///
    /// When no transfer is configured and the environment names of the WorkDrive migration describe one, it becomes the
    /// transfer `default` between the accounts `org-a` and `org-b`.
    ///
    /// # Errors
    /// [`ConfigError`]: a person must correct the settings; [`ConfigError::Invalid`] lists everything that is wrong.
    pub fn load(options: LoadOptions) -> Result<Self, ConfigError> {
        Self::read(options, Purpose::Any)
    }

    /// As [`Config::load`], for somebody who wants a transfer: when none is configured, every environment name of the
    /// WorkDrive migration is demanded. The log also goes to a file per day in `logs` unless `log.directory` says otherwise.
    ///
    /// # Errors
    /// As [`Config::load`], and all missing names in one [`ConfigError::Invalid`].
    pub fn for_transfer(options: LoadOptions) -> Result<Self, ConfigError> {
        Self::read(options, Purpose::Transfer)
    }

    /// The account of that name.
    ///
    /// # Errors
    /// [`UnknownAccount`] with the nearest name.
    pub fn account(&self, name: &str) -> Result<&Account, UnknownAccount> {
        self.accounts
            .get(name)
            .ok_or_else(|| UnknownAccount { name: name.to_owned(), known: self.accounts.keys().cloned().collect() })
    }

    /// Resolves a secret with the variables this configuration was read with.
    ///
    /// # Errors
    /// As [`SecretRef::resolve`].
    pub fn resolve(&self, secret: &SecretRef) -> Result<SecretString, SecretError> {
        secret.resolve(&self.environment)
    }

    /// Checks that every secret that is referred to can be had. Not part of [`Config::load`], because most commands work
    /// without secrets; whoever talks to providers or receives webhooks asks for it at the start.
    ///
    /// # Errors
    /// [`ConfigError::Invalid`] with all secrets that are missing, and where each was looked for.
    pub fn check_secrets(&self) -> Result<(), ConfigError> {
        let accounts = self.accounts.values().flat_map(Account::secrets);
        let ingests = self.ingests.values().flat_map(Ingest::secrets);
        let notifies = self.notifies.values().flat_map(Notify::secrets);
        let vault = self.vault.key.iter().map(|key| ("vault.key".to_owned(), key));
        let auth = self.auth.secret.iter().map(|secret| ("auth.secret".to_owned(), secret));
        let kafka = self.kafka.iter().flat_map(|kafka| &kafka.options);
        let kafka = kafka.map(|(name, secret)| (format!("kafka.options.{name}"), secret));
        let problems: Vec<Problem> = accounts
            .chain(ingests)
            .chain(notifies)
            .chain(vault)
            .chain(auth)
            .chain(kafka)
            .filter_map(|(key, secret)| {
                let error = self.resolve(secret).err()?;
                let message = format!("`{key}` cannot be used: {}", with_cause(&error));
                Some(Problem { key, message, origin: None })
            })
            .collect();
        if problems.is_empty() { Ok(()) } else { Err(ConfigError::Invalid { problems }) }
    }

    fn read(options: LoadOptions, purpose: Purpose) -> Result<Self, ConfigError> {
        let base = options.working_dir;
        let dotenv = base.join(options.dotenv.unwrap_or_else(|| PathBuf::from(".env")));
        let environment = Environment::read(options.environment, dotenv)?;
        let demanded = options.file.is_some();
        let path = base.join(options.file.unwrap_or_else(|| PathBuf::from(DEFAULT_FILE)));
        let file_tree = read_file(&path)?;
        if demanded && file_tree.is_none() {
            return Err(ConfigError::FileMissing { path });
        }
        let file = file_tree.is_some().then(|| path.clone());

        let reading = Reading::new(base);
        let mut tree = file_tree.unwrap_or_default();
        for (name, value, origin) in environment.iter().filter(|(name, ..)| overrides(name)) {
            tree::override_with(&mut tree, name, value, origin).unwrap_or_else(|problem| reading.report(problem));
        }
        let wanted = purpose == Purpose::Transfer && legacy::is_free(&tree);
        if wanted || legacy::is_meant(&tree, &environment) {
            for problem in legacy::add(&mut tree, &environment, &in_words(&path, file.is_some())) {
                reading.report(problem);
            }
        }
        let mut config = Self::from_tree(tree, &reading, environment, file);
        if purpose == Purpose::Transfer {
            config.log.directory.get_or_insert_with(|| reading.base().join("logs"));
        }
        let problems = reading.into_problems();
        if problems.is_empty() { Ok(config) } else { Err(ConfigError::Invalid { problems }) }
    }

    /// Reads the sections; what does not fit is reported and replaced by its default.
    fn from_tree(tree: Tree, reading: &Reading, environment: Environment, file: Option<PathBuf>) -> Self {
        let mut root = Section::root(tree, reading);
        let store = Store::read(root.section("store"), &environment);
        let kafka = Kafka::read(root.section("kafka"));
        let http = Http::read(root.section("http"));
        let receivers = root.named("ingest");
        let names: Vec<String> = receivers.iter().map(|(name, _)| name.clone()).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let ingests = receivers
            .into_iter()
            .filter_map(|(name, section)| Some((name.clone(), Ingest::read(&name, section)?)))
            .collect();
        let mut accounts: BTreeMap<String, Account> = root
            .named("accounts")
            .into_iter()
            .map(|(name, section)| (name.clone(), Account::read(&name, section, &http, &names)))
            .collect();
        account::settle(&mut accounts, reading);
        let notifies = root
            .named("notify")
            .into_iter()
            .filter_map(|(name, section)| Some((name.clone(), Notify::read(&name, section, &accounts)?)))
            .collect();
        let transfers = root
            .named("transfers")
            .into_iter()
            .map(|(name, section)| (name.clone(), Transfer::read(&name, section, &accounts)))
            .collect();
        let config = Self {
            vault: Vault::read(root.section("vault"), &store, &environment),
            auth: Auth::read(root.section("auth"), &environment),
            store,
            kafka,
            http,
            log: Log::read(root.section("log")),
            service: Service::read(root.section("service")),
            webhooks: Webhooks::read(root.section("webhooks")),
            registrar: Registrar::read(root.section("registrar")),
            accounts,
            ingests,
            notifies,
            transfers,
            environment,
            file,
        };
        root.finish();
        config
    }
}

/// Whether a variable overrides a setting.
fn overrides(name: &str) -> bool {
    name.get(..tree::PREFIX.len()).is_some_and(|start| start.eq_ignore_ascii_case(tree::PREFIX))
}

fn read_file(path: &Path) -> Result<Option<Tree>, ConfigError> {
    let Some(text) = environment::read_if_present(path)? else { return Ok(None) };
    let table: toml::Table = text.parse().map_err(|error: toml::de::Error| ConfigError::Syntax {
        path: path.to_owned(),
        line: error.span().map_or(1, |span| environment::line_of(&text, span.start)),
        message: error.message().to_owned(),
    })?;
    Ok(Some(tree::from_file(table, &Origin::File(path.into()))))
}

fn in_words(path: &Path, found: bool) -> String {
    let absent = if found { "" } else { ", which does not exist" };
    format!("{}{absent}", path.display())
}

fn with_cause(error: &dyn std::error::Error) -> String {
    error.source().map_or_else(|| error.to_string(), |cause| format!("{error}: {cause}"))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    const EXAMPLE: &str = include_str!("../../config.example.toml");

    /// The example with the lines that only show a setting switched on.
    fn everything() -> String {
        let shown = |line: &str| {
            line.strip_prefix('#')
                .is_some_and(|rest| rest.starts_with(|first: char| first == '[' || first.is_ascii_lowercase()))
        };
        EXAMPLE
            .lines()
            .map(|line| if shown(line) { &line[1..] } else { line })
            .fold(String::new(), |all, line| all + line + "\n")
    }

    fn read(text: &str) -> (Config, BTreeSet<String>, Vec<Problem>) {
        let tree = tree::from_file(text.parse().unwrap(), &Origin::Migration);
        let reading = Reading::new(PathBuf::new());
        let environment = Environment::read(BTreeMap::new(), PathBuf::from("no such file")).unwrap();
        let config = Config::from_tree(tree, &reading, environment, None);
        let asked = reading.asked();
        (config, asked, reading.into_problems())
    }

    #[test]
    fn the_example_shows_the_real_defaults() {
        let (example, _, problems) = read(EXAMPLE);
        assert_eq!(problems, []);
        assert_eq!(format!("{example:#?}"), format!("{:#?}", read("").0));
    }

    #[test]
    fn every_key_that_can_be_set_is_in_the_example() {
        let text = everything();
        let (_, asked, problems) = read(&text);
        assert_eq!(problems, []);
        let table: toml::Table = text.parse().unwrap();
        let key_of = |name: &str| name.rsplit('.').next().unwrap_or_default().to_owned();
        let shown: BTreeSet<String> = leaves("", &table).iter().map(|name| key_of(name)).collect();
        let missing: Vec<_> = asked.iter().filter(|name| !shown.contains(&key_of(name))).collect();
        assert!(missing.is_empty(), "not in config.example.toml: {missing:?}");
    }

    #[test]
    fn what_the_example_says_of_accounts_and_transfers_are_the_defaults() {
        let (shown, _, _) = read(&everything());
        let (bare, _, problems) = read(
            "[accounts.z]\nprovider='zoho'\nclient_id='1'\nclient_secret='s'\nwebhook.verify='zoho-crm'
            [accounts.h]\nprovider='generic'\nwebhook={verify='hmac',secret='s',header='h',timestamp_header='t'}
            [transfers.t]\ncrm='z'\nsource='z'\ndestination='z'\nmodule='M'\ncheckbox_field='C'\nfolder_field='F'
            source_team_folder_id='1'\ndestination_folder_id='2'",
        );
        assert_eq!(problems, []);
        let (zoho, bare_zoho) = (&shown.accounts["org-a"], &bare.accounts["z"]);
        assert_eq!((&zoho.organization, &zoho.region), (&bare_zoho.organization, &bare_zoho.region));
        assert_eq!(zoho.consent_probe, bare_zoho.consent_probe);
        let webhook = |account: &Account| account.webhook.clone().unwrap();
        assert_eq!(webhook(zoho).body_limit_bytes, webhook(bare_zoho).body_limit_bytes);
        assert_eq!(webhook(zoho).content, webhook(bare_zoho).content);
        let hmac = |config: &Config, name: &str| match webhook(&config.accounts[name]).verify {
            account::Verify::Hmac(hmac) => {
                (hmac.algorithm, hmac.encoding, hmac.timestamp.map(|one| (one.format, one.tolerance)))
            }
            _ => panic!("{name} is not verified by hmac"),
        };
        assert_eq!(hmac(&shown, "partner"), hmac(&bare, "h"));
        let (transfer, bare_transfer) = (&shown.transfers["accounts"], &bare.transfers["t"]);
        let options = |one: &Transfer| (one.check_when, one.concurrency, one.max_attempts, one.retry_base);
        assert_eq!(options(&shown.transfers["contacts"]), options(bare_transfer));
        assert_eq!(transfer.schedule, bare_transfer.schedule);
    }

    fn leaves(path: &str, table: &toml::Table) -> Vec<String> {
        let name = |key: &str| if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
        table
            .iter()
            .flat_map(|(key, value)| match value {
                toml::Value::Table(inner) => leaves(&name(key), inner),
                _ => vec![name(key)],
            })
            .collect()
    }
}
