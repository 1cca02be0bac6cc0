//! The command line of `mappings users`.

use clap::{ArgGroup, Args, Subcommand};
use uuid::Uuid;

/// `mappings users`
#[derive(Debug, Clone, Subcommand)]
pub enum Users {
    /// Users of Books, with their accounts and roles in the ERP
    List(UsersList),
    /// Say which role a user has in the ERP, or let the table of roles say it again
    ///
    /// What is said counts before the table, whatever becomes of the user, until it is left to the table again. Without
    /// --yes it only shows what would change.
    Role(UsersRole),
}

/// `mappings users list`
#[derive(Debug, Clone, Args)]
pub struct UsersList {
    /// Of this organisation
    #[arg(long, value_name = "NAME")]
    pub organization: Option<String>,
    /// Of this account
    #[arg(long, value_name = "NAME")]
    pub account: Option<String>,
    /// Only those that are in use and have no role: the table does not name theirs, and nobody has decided it
    #[arg(long)]
    pub needs_review: bool,
    /// At most this many, up to 1000
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub limit: u32,
    /// Go on after this account of the ERP (the last one shown)
    #[arg(long, value_name = "ID")]
    pub after: Option<Uuid>,
}

/// `mappings users role`
#[derive(Debug, Clone, Args)]
#[command(group(ArgGroup::new("decision").required(true)))]
pub struct UsersRole {
    /// The user: the id or the address in Books, or the account's id in the ERP
    #[arg(value_name = "USER")]
    pub user: String,
    /// The role in the ERP: one of the table of roles, or the default one
    #[arg(long, value_name = "ROLE", group = "decision")]
    pub role: Option<String>,
    /// The role that the table says
    #[arg(long, group = "decision")]
    pub by_table: bool,
    /// The account, where users of several are named alike
    #[arg(long, value_name = "NAME")]
    pub account: Option<String>,
    /// Do it
    #[arg(long)]
    pub yes: bool,
}
