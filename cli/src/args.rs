//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use consumers::Consumer;

use crate::accounts_arguments::{Accounts, Keys};
use crate::mappings_arguments::Mappings;
use crate::notify_arguments::Notify;

/// Records what providers push and what is fetched from them, and acts on it exactly once.
#[derive(Debug, Parser)]
#[command(name = "gateledger", version, max_term_width = 110)]
pub struct Cli {
    /// What every command understands.
    #[command(flatten)]
    pub global: Global,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What every command understands.
#[derive(Debug, Clone, Args)]
pub struct Global {
    /// Configuration file [default: gateledger.toml in the working directory, if it is there]
    #[arg(long, short, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// One JSON document (or one per line where the output has no end) on standard output
    #[arg(long, global = true)]
    pub json: bool,
    /// Log level on standard error: error, warn, info, debug, trace, or a filter such as consumers=debug
    #[arg(long, global = true, value_name = "LEVEL")]
    pub log: Option<String>,
}

/// The verbs.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Show the whole pipeline at work: on SQLite or PostgreSQL, against the built-in provider simulator, in about a minute
    Demo(Demo),
    /// Run the gateway and everything behind it
    Serve(Serve),
    /// Copy the folders that pending CRM records name, then stop
    ///
    /// Exit code 0 when every record succeeded, 1 otherwise.
    Transfer(Transfer),
    /// Look into the log
    #[command(subcommand)]
    Events(Events),
    /// Work that was given up
    #[command(subcommand)]
    DeadLetters(DeadLetters),
    /// Provider accounts
    #[command(subcommand)]
    Accounts(Accounts),
    /// Which channel belongs to which room, which customer to whom
    #[command(subcommand)]
    Mappings(Mappings),
    /// Endpoints that are told what happens
    #[command(subcommand)]
    Notify(Notify),
    /// Promises of providers to call us
    #[command(subcommand)]
    Registrations(Registrations),
    /// Read models
    #[command(subcommand)]
    Projections(Projections),
    /// Bring the database up to this version
    Migrate,
    /// Copy a SQLite store into an empty PostgreSQL database, and compare every row of both
    ///
    /// Exit code 0 when everything is there and the same, 1 otherwise. Interrupted, it goes on when it is run again.
    MigrateStore(MigrateStore),
    /// Run the provider simulator
    Simulate(Simulate),
    /// Keys under which tokens are encrypted
    #[command(subcommand)]
    Keys(Keys),
    /// Tokens for the API
    #[command(subcommand)]
    Token(Token),
    /// Print the description of the API (OpenAPI 3.1, JSON)
    Openapi(Openapi),
    /// Print a completion script
    Completions {
        /// For which shell
        shell: clap_complete::Shell,
    },
}

/// `demo`
#[derive(Debug, Clone, Args)]
pub struct Demo {
    /// No live progress, whatever the terminal can do
    #[arg(long)]
    pub headless: bool,
    /// Keep the database and the simulator's seed here instead of in a temporary folder
    #[arg(long, value_name = "FOLDER")]
    pub keep: Option<PathBuf>,
    /// On this PostgreSQL server instead of SQLite: in a database of its own, which is removed at the end
    #[arg(long, value_name = "postgres://…", conflicts_with = "keep")]
    pub store: Option<String>,
    /// Through this Kafka broker, in a topic of its own (host:port); with --store
    #[arg(long, value_name = "BROKERS", requires = "store")]
    pub kafka: Option<String>,
    /// Size of the largest file
    #[arg(long, value_name = "BYTES", default_value_t = 300 * 1024 * 1024)]
    pub large_file_bytes: u64,
    /// Give up after this many seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 600)]
    pub timeout_seconds: u64,
}

/// `serve`
#[derive(Debug, Clone, Args)]
pub struct Serve {
    /// Only these roles [default: all]
    #[arg(long = "role", value_name = "ROLE")]
    pub roles: Vec<Role>,
    /// Serve HTTP here instead of at http.listen; a process without the role gateway serves only health, status and
    /// metrics, and only with this
    #[arg(long, value_name = "ADDRESS")]
    pub listen: Option<std::net::SocketAddr>,
}

/// What a process does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub enum Role {
    /// Accepts webhooks, serves status and metrics
    Gateway,
    /// Runs schedules and fetches what thin notifications announce
    Poller,
    /// Keeps the providers' promises to call us alive
    Registrar,
    /// Publishes the log to Kafka; one at a time, others stand by
    Relay,
    /// Folds the log into read models
    Projector,
    /// Decides what follows from events, and performs effects
    Consumer,
    /// Only the consumer that transfers folders
    #[value(name = "consumer:transfer")]
    ConsumerTransfer,
    /// Only the consumer that checks records of completed transfers
    #[value(name = "consumer:crm-update")]
    ConsumerCrmUpdate,
    /// Only the consumer that sends messages to their receivers
    #[value(name = "consumer:ingest")]
    ConsumerIngest,
    /// Only the consumer that gives customers of Books the owners that the ERP wants
    #[value(name = "consumer:contact-update")]
    ConsumerContactUpdate,
    /// Only the consumer that tells endpoints what happens
    #[value(name = "consumer:notify")]
    ConsumerNotify,
}

impl Role {
    /// The consumers that it stands for.
    #[must_use]
    pub fn consumers(self) -> &'static [Consumer] {
        match self {
            Role::Consumer => &Consumer::ALL,
            Role::ConsumerTransfer => &[Consumer::Transfer],
            Role::ConsumerCrmUpdate => &[Consumer::CrmUpdate],
            Role::ConsumerIngest => &[Consumer::Ingest],
            Role::ConsumerContactUpdate => &[Consumer::ContactUpdate],
            Role::ConsumerNotify => &[Consumer::Notify],
            _ => &[],
        }
    }
}

/// `transfer`
#[derive(Debug, Clone, Args)]
pub struct Transfer {
    /// Change nothing, say exactly what would be done
    #[arg(long)]
    pub dry_run: bool,
    /// Only this record
    #[arg(long, value_name = "ID")]
    pub record_id: Option<String>,
    /// At most this many records
    #[arg(long, value_name = "N")]
    pub limit: Option<u32>,
    /// Only this transfer of the configuration [default: all]
    #[arg(long, value_name = "NAME")]
    pub transfer: Option<String>,
}

/// `events`
#[derive(Debug, Clone, Subcommand)]
pub enum Events {
    /// Newest events first
    List(EventsList),
    /// One event, or a whole story
    Show(EventsShow),
    /// Events as they are recorded, oldest first
    Tail(EventsTail),
}

/// Which events; the same for `list` and `tail`.
#[derive(Debug, Clone, Args)]
pub struct EventFilter {
    /// Of this type; a trailing * matches the rest (transfer.*). May be repeated
    #[arg(long = "type", value_name = "TYPE")]
    pub types: Vec<String>,
    /// Of this account
    #[arg(long, value_name = "NAME")]
    pub account: Option<String>,
    /// In this stream
    #[arg(long, value_name = "STREAM")]
    pub stream: Option<String>,
    /// In this story (correlation id)
    #[arg(long, value_name = "ID")]
    pub story: Option<uuid::Uuid>,
    /// Learned this way: webhook, poll, decision, effect, operator
    #[arg(long, value_name = "SOURCE")]
    pub source: Option<String>,
    /// Recorded at or after: RFC 3339, or a span back from now such as 15m, 2h, 3d
    #[arg(long, value_name = "TIME")]
    pub since: Option<String>,
    /// Recorded before: as --since
    #[arg(long, value_name = "TIME")]
    pub until: Option<String>,
}

/// `events list`
#[derive(Debug, Clone, Args)]
pub struct EventsList {
    /// Which events
    #[command(flatten)]
    pub filter: EventFilter,
    /// Requests that were not accepted, with the cause
    #[arg(long)]
    pub rejected: bool,
    /// At most this many
    #[arg(long, value_name = "N", default_value_t = 50)]
    pub limit: u32,
    /// Go on before this position (the last one shown)
    #[arg(long, value_name = "POSITION")]
    pub before: Option<i64>,
}

/// `events show`
#[derive(Debug, Clone, Args)]
#[group(required = true, multiple = false)]
pub struct EventsShow {
    /// Event id or global position
    #[arg(value_name = "EVENT")]
    pub event: Option<String>,
    /// All events of one story (correlation id), oldest first, with its effects
    #[arg(long, value_name = "ID")]
    pub story: Option<uuid::Uuid>,
}

/// `events tail`
#[derive(Debug, Clone, Args)]
pub struct EventsTail {
    /// Which events
    #[command(flatten)]
    pub filter: EventFilter,
    /// Keep waiting for more; without it, stop at the end
    #[arg(long, short)]
    pub follow: bool,
    /// Start after this position [default: with --follow the end, else the beginning]
    #[arg(long, value_name = "POSITION")]
    pub after: Option<i64>,
}

/// `dead-letters`
#[derive(Debug, Clone, Subcommand)]
pub enum DeadLetters {
    /// Newest first
    List(DeadLetterFilter),
    /// One, with what it was to do
    Show {
        /// Its number
        id: i64,
    },
    /// Send work on its way again
    ///
    /// Without --yes it only shows what would be sent.
    Redrive(Redrive),
}

/// Which dead letters.
#[derive(Debug, Clone, Args)]
pub struct DeadLetterFilter {
    /// Of this account
    #[arg(long, value_name = "NAME")]
    pub account: Option<String>,
    /// With this reason
    #[arg(long, value_name = "CODE")]
    pub reason: Option<String>,
    /// Also those that are resolved
    #[arg(long)]
    pub resolved: bool,
    /// At most this many
    #[arg(long, value_name = "N", default_value_t = 50)]
    pub limit: u32,
}

/// `dead-letters redrive`
#[derive(Debug, Clone, Args)]
pub struct Redrive {
    /// Their numbers
    #[arg(value_name = "ID", required_unless_present = "all")]
    pub ids: Vec<i64>,
    /// All that match the filter
    #[arg(long, conflicts_with = "ids")]
    pub all: bool,
    /// Which, with --all
    #[command(flatten)]
    pub filter: DeadLetterFilter,
    /// Do it
    #[arg(long)]
    pub yes: bool,
}

/// `registrations`
#[derive(Debug, Clone, Subcommand)]
pub enum Registrations {
    /// Wished for and observed, with the time left
    List,
}

/// `projections`
#[derive(Debug, Clone, Subcommand)]
pub enum Projections {
    /// Read models with their lag
    List,
    /// Fold the log from the beginning into fresh tables, then switch
    Rebuild {
        /// Only this one [default: all]
        name: Option<String>,
    },
}

/// `migrate-store`
#[derive(Debug, Clone, Args)]
pub struct MigrateStore {
    /// The store to copy; it is only read, and no process may work on it meanwhile
    #[arg(long, value_name = "sqlite:PATH")]
    pub from: String,
    /// The empty database, or one with an unfinished copy, as the role that owns its tables; also as env:NAME or file:PATH
    #[arg(long, value_name = "postgres://…")]
    pub to: String,
    /// Copy nothing, only compare
    #[arg(long)]
    pub verify_only: bool,
}

/// `simulate`
#[derive(Debug, Clone, Args)]
pub struct Simulate {
    /// Port on 127.0.0.1
    #[arg(long, value_name = "PORT", default_value_t = 9100)]
    pub port: u16,
    /// What the providers hold at the start [default: the demo's organisations]
    #[arg(long, value_name = "FILE")]
    pub seed: Option<PathBuf>,
}

/// `token`
#[derive(Debug, Clone, Subcommand)]
pub enum Token {
    /// Print a token, signed with auth.secret
    Issue(TokenIssue),
}

/// `token issue`
#[derive(Debug, Clone, Args)]
pub struct TokenIssue {
    /// What it entitles to: super_admin, admin, manager, operator, viewer
    #[arg(long, value_name = "ROLE")]
    pub role: api::Role,
    /// Whose things are within reach; only a super_admin may do without, and then reaches everybody's
    #[arg(long, value_name = "NAME")]
    pub organization: Option<String>,
    /// Who will bear it, for the audit trail [default: the user of the operating system]
    #[arg(long, value_name = "WHO")]
    pub subject: Option<String>,
    /// How long it counts: a number and s, m, h or d
    #[arg(long, value_name = "SPAN", default_value = "1h")]
    pub expires: String,
}

/// `openapi`
#[derive(Debug, Clone, Args)]
pub struct Openapi {
    /// Only the endpoints with their roles, as a table in Markdown
    #[arg(long)]
    pub table: bool,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn command_line_is_consistent() {
        super::Cli::command().debug_assert();
    }
}
