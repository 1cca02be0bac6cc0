//! The command line of `mappings conflicts`.

use clap::{Args, Subcommand};
use uuid::Uuid;

/// `mappings conflicts`
#[derive(Debug, Clone, Subcommand)]
pub enum Conflicts {
    /// Conflicts that wait for a person, or all
    List(ConflictsList),
    /// One conflict with the users that it is about
    Show {
        /// Its id
        #[arg(value_name = "CONFLICT")]
        id: Uuid,
    },
    /// Say what counts
    ///
    /// Without --yes it only shows what would follow.
    Decide {
        /// Its id
        #[arg(value_name = "CONFLICT")]
        id: Uuid,
        /// What counts: of several users with one address the id of one; of two owners of a customer `books`, the one in
        /// Books, or `erp`, the one that the ERP wants
        #[arg(long, value_name = "books|erp|USER")]
        keep: String,
        /// Do it
        #[arg(long)]
        yes: bool,
    },
}

/// `mappings conflicts list`
#[derive(Debug, Clone, Args)]
pub struct ConflictsList {
    /// Of this organisation
    #[arg(long, value_name = "NAME")]
    pub organization: Option<String>,
    /// Of this account
    #[arg(long, value_name = "NAME")]
    pub account: Option<String>,
    /// Those that wait for a person (the default)
    #[arg(long, conflicts_with = "all")]
    pub open: bool,
    /// Also those that were decided or went away
    #[arg(long)]
    pub all: bool,
    /// At most this many, up to 1000
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub limit: u32,
    /// Go on after this conflict (the last one shown)
    #[arg(long, value_name = "CONFLICT")]
    pub after: Option<Uuid>,
}
