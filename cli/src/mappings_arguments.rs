//! The command line of `mappings`.

use clap::{ArgGroup, Args, Subcommand};
use mappings::channel::State;
use uuid::Uuid;

use crate::conflicts_arguments::Conflicts;
use crate::import_arguments::Import;
use crate::users_arguments::Users;

/// `mappings`
#[derive(Debug, Clone, Subcommand)]
pub enum Mappings {
    /// Which channel belongs to which room.
    #[command(flatten)]
    Channels(ChannelMappings),
    /// What contradicts what among users and customers, and which of it is to count
    #[command(subcommand)]
    Conflicts(Conflicts),
    /// Which role users of Books have in the ERP
    #[command(subcommand)]
    Users(Users),
    /// Decisions about many customers or users that come as a file
    #[command(subcommand)]
    Import(Import),
}

/// `mappings`, as far as it is about channels and rooms.
#[derive(Debug, Clone, Subcommand)]
pub enum ChannelMappings {
    /// Which channel belongs to which room, oldest first
    List(MappingsList),
    /// One mapping with its settings
    Show {
        /// Its id
        #[arg(value_name = "MAPPING")]
        id: Uuid,
    },
    /// Let a channel belong to a room
    ///
    /// A channel has at most one room. Asking again for the same room shows the mapping that is there.
    Create(MappingsCreate),
    /// Suspend the syncs of a mapping
    Pause {
        /// Its id
        #[arg(value_name = "MAPPING")]
        id: Uuid,
        /// Why, for those who read the log
        #[arg(long, value_name = "TEXT", default_value = "")]
        reason: String,
    },
    /// Let the syncs of a paused mapping go on
    Resume {
        /// Its id
        #[arg(value_name = "MAPPING")]
        id: Uuid,
    },
    /// End a mapping; the channel can be mapped anew
    ///
    /// Without --yes it only shows what would end.
    Remove {
        /// Its id
        #[arg(value_name = "MAPPING")]
        id: Uuid,
        /// Why, for those who read the log
        #[arg(long, value_name = "TEXT", default_value = "")]
        reason: String,
        /// Do it
        #[arg(long)]
        yes: bool,
    },
    /// Change settings of a mapping; the others stay
    Configure(MappingsConfigure),
}

/// `mappings list`
#[derive(Debug, Clone, Args)]
pub struct MappingsList {
    /// Of this organisation
    #[arg(long, value_name = "NAME")]
    pub organization: Option<String>,
    /// Of this account
    #[arg(long, value_name = "NAME")]
    pub account: Option<String>,
    /// Of this client
    #[arg(long, value_name = "ID")]
    pub client: Option<String>,
    /// In this state: active, paused, error, ended
    #[arg(long, value_name = "STATE")]
    pub state: Option<State>,
    /// Also those that have ended
    #[arg(long)]
    pub ended: bool,
    /// At most this many, up to 500
    #[arg(long, value_name = "N", default_value_t = 50)]
    pub limit: u32,
    /// Go on after this mapping (the last one shown)
    #[arg(long, value_name = "MAPPING")]
    pub after: Option<Uuid>,
}

/// `mappings create`
#[derive(Debug, Clone, Args)]
pub struct MappingsCreate {
    /// The account that the channel is read with
    #[arg(long, value_name = "NAME")]
    pub account: String,
    /// The channel, by the provider's id
    #[arg(long, value_name = "ID")]
    pub channel: String,
    /// The chat that its messages are read by, by the provider's id
    #[arg(long, value_name = "ID")]
    pub chat: String,
    /// The channel's name
    #[arg(long, value_name = "NAME")]
    pub name: String,
    /// Whose room
    #[arg(long, value_name = "ID")]
    pub client: String,
    /// Which room
    #[arg(long, value_name = "ID")]
    pub room: String,
    /// When it is synced, as a cron pattern [default: the account's own schedule]
    #[arg(long, value_name = "CRON")]
    pub schedule: Option<String>,
    /// Time zone of the schedule and of the lines' times [default: UTC]
    #[arg(long, value_name = "ZONE")]
    pub timezone: Option<String>,
    /// Fetch no messages before this time: RFC 3339, or a span back from now such as 15m, 2h, 3d [default: all]
    #[arg(long, value_name = "TIME")]
    pub since: Option<String>,
    /// Leave the threads of the channel out
    #[arg(long)]
    pub no_threads: bool,
}

/// `mappings configure`
#[derive(Debug, Clone, Args)]
#[command(group(ArgGroup::new("change").required(true).multiple(true)))]
pub struct MappingsConfigure {
    /// Its id
    #[arg(value_name = "MAPPING")]
    pub id: Uuid,
    /// When it is synced, as a cron pattern
    #[arg(long, value_name = "CRON", group = "change")]
    pub schedule: Option<String>,
    /// As the account's own schedule says
    #[arg(long, group = "change", conflicts_with = "schedule")]
    pub no_schedule: bool,
    /// Time zone of the schedule and of the lines' times
    #[arg(long, value_name = "ZONE", group = "change")]
    pub timezone: Option<String>,
    /// Fetch no messages before this time: RFC 3339, or a span back from now such as 15m, 2h, 3d
    #[arg(long, value_name = "TIME", group = "change")]
    pub since: Option<String>,
    /// Fetch all messages that the provider shows
    #[arg(long, group = "change", conflicts_with = "since")]
    pub no_since: bool,
    /// Fetch the threads of the channel as well
    #[arg(long, group = "change")]
    pub threads: bool,
    /// Leave the threads of the channel out
    #[arg(long, group = "change", conflicts_with = "threads")]
    pub no_threads: bool,
}
