//! The command line of `mappings import`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

/// `mappings import`
#[derive(Debug, Clone, Subcommand)]
pub enum Import {
    /// Give customers to salespeople, as a CSV file says
    ///
    /// The file has a header with the columns `zoho_contact_id` and either `zoho_user_id` or `email` of the salesperson,
    /// separated by commas, semicolons or tabs, in UTF-8. Every line is checked and has a result. Without --yes nothing
    /// changes; with it, nothing changes either if a line is refused, unless --partial is given.
    ///
    /// Exit code 0 when no line was refused, 1 otherwise.
    Assignments(ImportFile),
    /// Give users of Books roles of the ERP, as a CSV file says
    ///
    /// The file has a header with the columns `erp_role` and either `zoho_user_id` or `email`, separated by commas,
    /// semicolons or tabs, in UTF-8. The roles count before the table of roles, as those of `mappings users role` do. Every
    /// line is checked and has a result. Without --yes nothing changes; with it, nothing changes either if a line is
    /// refused, unless --partial is given.
    ///
    /// Exit code 0 when no line was refused, 1 otherwise.
    Users(ImportFile),
}

/// `mappings import assignments` and `mappings import users`
#[derive(Debug, Clone, Args)]
pub struct ImportFile {
    /// The file; `-` for standard input
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// The account whose customers or users they are
    #[arg(long, value_name = "NAME")]
    pub account: String,
    /// Only show what would become of the lines (the default)
    #[arg(long, conflicts_with = "yes")]
    pub dry_run: bool,
    /// Do it
    #[arg(long)]
    pub yes: bool,
    /// Change what the good lines say although others are refused
    #[arg(long)]
    pub partial: bool,
}
