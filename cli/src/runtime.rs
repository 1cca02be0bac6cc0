//! Opening what commands work on, and running roles.

use std::collections::BTreeSet;
use std::io::IsTerminal;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use accounts::Accounts;
use anyhow::Context as _;
use api::Api;
use clap::ValueEnum as _;
use consumers::ingest::receivers::Receivers;
use consumers::notify::senders::Senders;
use consumers::{Consumer, Settings, Work};
use event_log::{Access, Database, Log, RoleLock, process_name};
use futures::future::BoxFuture;
use service::clock::{SystemClock, as_function};
use service::config::{Config, ConfigError, DatabaseUrl, ExposeSecret as _, LoadOptions};
use service::shutdown::Service;
use tokio_util::sync::CancellationToken;

use gateway::intake::Intake;
use gateway::server::{About, Carrier, Http, MoreRoutes, RenderMetrics};
use service::telemetry::{self, TerminalMode};

use crate::args::{Global, Role};

/// Reads the configuration; with `for_transfer`, a transfer is demanded.
///
/// # Errors
/// Everything that is wrong with it, at once.
pub fn load(global: &Global, for_transfer: bool) -> Result<Config, ConfigError> {
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
    let environment = std::env::vars().collect();
    let working_dir = std::env::current_dir().unwrap_or_else(|_| PathBuf::from("."));
    let options = LoadOptions { file: global.config.clone(), environment, dotenv: None, working_dir };
    if for_transfer { Config::for_transfer(options) } else { Config::load(options) }
}

/// Opens the log for a command.
///
/// # Errors
/// As [`Database::open`].
pub async fn open_log(config: &Config, access: Access) -> anyhow::Result<Log> {
    open_log_at(config, &config.store.database, access).await
}

/// Opens the log at another address than the configuration's, with its other settings.
///
/// # Errors
/// As [`Database::open`].
pub async fn open_log_at(config: &Config, database: &DatabaseUrl, access: Access) -> anyhow::Result<Log> {
    let settings = event_log::Settings::new(database.exposed(), access);
    let database = Database::open(&settings).await.context("opening store.url")?;
    Ok(Log::open(database, config.http.queue_limit, as_function(SystemClock::shared())).await?)
}

/// What the roles work with.
#[derive(Debug)]
pub struct Parts {
    /// The configuration.
    pub config: Arc<Config>,
    /// The log.
    pub log: Log,
    /// Provider accounts.
    pub accounts: Accounts,
    /// What the consumers go by.
    pub settings: Settings,
    /// Clients of the receivers of messages.
    pub receivers: Receivers,
    /// Clients of the endpoints that are told what happens.
    pub senders: Senders,
    _lock: RoleLock,
}

impl Parts {
    /// Opens the database, creates or migrates it, and claims the work on it.
    ///
    /// # Errors
    /// When the database cannot be used or another process works on it, or a setting cannot be what it should be.
    pub async fn open(config: Config) -> anyhow::Result<Self> {
        config.check_secrets()?;
        let settings = Settings::of(&config)?;
        let receivers = Receivers::open(&config, &SystemClock::shared())?;
        let senders = Senders::open(&config, &SystemClock::shared())?;
        // Tables that belong to another role are brought up to date by `migrate`, as that role.
        let access = if config.store.owner_url.is_some() { Access::Existing } else { Access::CreateAndMigrate };
        let log = open_log(&config, access).await?;
        let lock = log.database().lock_roles()?;
        if !log.database().is_shared() {
            log.write::<_, event_log::Error, _>(|unit| Box::pin(event_log::forsake_leases(unit))).await?;
        }
        let accounts = Accounts::open(&config, log.clone(), SystemClock::shared()).await.context("opening accounts")?;
        Ok(Parts { config: Arc::new(config), log, accounts, settings, receivers, senders, _lock: lock })
    }

    /// Finishes what was handed to the log and empties its write-ahead log, so that the next start has nothing to replay.
    pub async fn close(&self) {
        if tokio::time::timeout(TO_CLOSE, self.log.close()).await.is_err() {
            tracing::warn!(
                "the log could not be closed in time; the next start replays what is left of its write-ahead log"
            );
        }
    }

    /// What the poller and the registrar work with.
    ///
    /// # Errors
    /// When a transfer names an account that cannot be used.
    pub fn intake(&self) -> anyhow::Result<Arc<Intake>> {
        let intake = Intake::open(&self.config, self.log.clone(), &self.accounts)?;
        Ok(Arc::new(intake))
    }

    /// The HTTP server, bound to its address, or to `listen`. Without the gateway among `roles` it only tells how the
    /// process is.
    ///
    /// # Errors
    /// When the address is taken, or a secret cannot be had.
    pub fn http(
        &self,
        roles: &BTreeSet<Role>,
        listen: Option<SocketAddr>,
        metrics: RenderMetrics,
        stop: CancellationToken,
    ) -> anyhow::Result<Http> {
        let names = roles.iter().filter_map(|role| Some(role.to_possible_value()?.get_name().to_owned()));
        let carrier = self.kafka()?.map(|settings| {
            // Without endpoints nobody is in the group of `notify`, and all of the topic would be its lag.
            let is_followed =
                |consumer: &&Consumer| **consumer != Consumer::Notify || !self.settings.endpoints.is_empty();
            let followed = Consumer::ALL.iter().filter(is_followed);
            let subscriptions: Vec<String> = followed.map(|consumer| consumer.name().to_owned()).collect();
            let names = subscriptions.clone();
            let look: Arc<dyn Fn() -> BoxFuture<'static, serde_json::Value> + Send + Sync> = Arc::new(move || {
                let (settings, names) = (settings.clone(), names.clone());
                Box::pin(async move {
                    serde_json::to_value(kafka::status::look(&settings, &names).await).unwrap_or_default()
                })
            });
            Carrier { subscriptions, look }
        });
        let about = About {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            roles: names.collect(),
            operator_only: !roles.contains(&Role::Gateway),
            carrier,
        };
        let mut config = Config::clone(&self.config);
        config.http.listen = listen.unwrap_or(config.http.listen);
        let more: MoreRoutes = if roles.contains(&Role::Gateway) {
            let api = self.api()?;
            Arc::new(move |app| api.configure(app))
        } else {
            Arc::new(|_| {})
        };
        Ok(Http::bind_with(&config, self.log.clone(), about, metrics, more, stop)?)
    }

    /// The API for people.
    ///
    /// # Errors
    /// When tokens cannot be checked with the settings.
    pub fn api(&self) -> anyhow::Result<Api> {
        let parts = api::Parts {
            config: self.config.clone(),
            log: self.log.clone(),
            accounts: self.accounts.clone(),
            settings: self.settings.clone(),
            clock: SystemClock::shared(),
        };
        Ok(Api::open(parts)?)
    }

    /// What the consumers work with.
    #[must_use]
    pub fn consumers(&self) -> Arc<consumers::Context> {
        let timing = consumers::Timing { lease: self.config.service.effect_lease, ..consumers::Timing::default() };
        let (log, accounts) = (self.log.clone(), self.accounts.clone());
        let (receivers, senders) = (self.receivers.clone(), self.senders.clone());
        consumers::Context::new(log, accounts, receivers, senders, self.settings.clone(), timing)
    }

    /// How to reach Kafka, where it carries the events.
    ///
    /// # Errors
    /// When a secret among its options cannot be had.
    pub fn kafka(&self) -> anyhow::Result<Option<kafka::Settings>> {
        let Some(section) = &self.config.kafka else { return Ok(None) };
        let mut settings = kafka::Settings::new(section.brokers.join(","));
        settings.topic.clone_from(&section.topic);
        settings.partitions = section.partitions;
        settings.replication_factor = section.replication_factor;
        settings.group_prefix.clone_from(&section.group_prefix);
        for (name, secret) in &section.options {
            let value = self.config.resolve(secret).with_context(|| format!("`kafka.options.{name}`"))?;
            settings.options.insert(name.clone(), value.expose_secret().to_owned());
        }
        if let Err(problems) = settings.check() {
            let problems: Vec<String> = problems.iter().map(ToString::to_string).collect();
            anyhow::bail!("{}", problems.join("\n"));
        }
        Ok(Some(settings))
    }

    /// Spawns everything behind the gateway that both `serve` and `transfer` need; events come over `carrier`, or else
    /// from the log itself.
    pub fn spawn_workers(&self, service: &Service, roles: &BTreeSet<Role>, carrier: Option<kafka::Settings>) {
        let stop = service.shutdown().stop().clone();
        let consumers: BTreeSet<Consumer> = roles.iter().flat_map(|role| role.consumers()).copied().collect();
        if !consumers.is_empty() {
            let context = self.consumers();
            let work = Work { alone: !self.log.database().is_shared(), consumers, carrier };
            let abort = before_the_end(service, &self.config);
            let stop = stop.clone();
            service.spawn("consumer", async move {
                let ended = consumers::run_some(context, work, stop, abort.clone()).await;
                abort.cancel();
                ended
            });
        }
        if roles.contains(&Role::Projector) {
            service.spawn("projector", projector::run(self.log.clone(), process_name(), stop.clone()));
        }
        let accounts = self.accounts.clone();
        service.spawn("consent", async move {
            accounts.run_consent_probe(stop).await;
            Ok::<_, anyhow::Error>(())
        });
    }
}

/// Effects are let go this long before the process is, so that they can still be parked.
const TO_PARK: std::time::Duration = std::time::Duration::from_secs(2);

/// Closing is a convenience: a process that is killed loses nothing either.
const TO_CLOSE: std::time::Duration = std::time::Duration::from_secs(5);

/// Cancelled shortly before the grace period is over, or with it.
fn before_the_end(service: &Service, config: &Config) -> CancellationToken {
    let stop = service.shutdown().stop().clone();
    let token = service.shutdown().abort().child_token();
    let (fired, grace) = (token.clone(), config.service.shutdown_grace);
    service.spawn("grace", async move {
        stop.cancelled().await;
        tokio::select! {
            () = tokio::time::sleep(grace.saturating_sub(TO_PARK)) => fired.cancel(),
            () = fired.cancelled() => {}
        }
        Ok::<_, anyhow::Error>(())
    });
    token
}

/// Starts logs and metrics.
///
/// # Errors
/// When the log file cannot be written.
pub fn telemetry(
    global: &Global,
    config: &Config,
    around: Option<telemetry::Around>,
) -> anyhow::Result<telemetry::Guard> {
    let mut settings = config.log.clone();
    if let Some(level) = &global.log {
        settings.level.clone_from(level);
    }
    let color = std::io::stderr().is_terminal();
    Ok(telemetry::start(&settings, TerminalMode { color, around })?)
}

/// Renders the metrics of the process.
#[must_use]
pub fn metrics(guard: &telemetry::Guard) -> RenderMetrics {
    let handle = guard.metrics();
    Arc::new(move || handle.render())
}
