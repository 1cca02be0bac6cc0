//! The command line of `accounts` and `keys`.

use std::path::PathBuf;

use accounts::Product;
use clap::{Args, Subcommand};

/// `accounts`
#[derive(Debug, Clone, Subcommand)]
pub enum Accounts {
    /// Configured accounts and their state
    List,
    /// One account: its grant, the rights that it has and lacks, its tokens
    Show {
        /// The account
        name: String,
    },
    /// Try what the configuration needs of an account; only reads
    Test {
        /// Only this account [default: all]
        name: Option<String>,
    },
    /// Let a person give a grant: prints the provider's address, and waits until they are back
    ///
    /// The provider sends the person to a port of this machine; its address must be registered at the provider's API
    /// console: http://127.0.0.1:PORT/oauth/zoho/callback. Where the browser runs elsewhere, use --manual.
    Connect(Connect),
    /// Ask the provider for a new access token now
    Refresh {
        /// The account
        name: String,
    },
    /// Have the provider forget every grant of the account, and forget them here; its work waits
    Disconnect {
        /// The account
        name: String,
        /// Do it
        #[arg(long)]
        yes: bool,
    },
}

/// `accounts connect`
#[derive(Debug, Clone, Args)]
pub struct Connect {
    /// The account
    pub name: String,
    /// Also for these products, beyond what is configured and mapped: crm, workdrive, books, cliq
    #[arg(long = "for", value_name = "PRODUCT", value_delimiter = ',')]
    pub products: Vec<Product>,
    /// Port of this machine that the provider sends the person back to; 0 for any
    #[arg(long, value_name = "PORT", default_value_t = 8976)]
    pub port: u16,
    /// Only print the address, open no browser
    #[arg(long)]
    pub no_browser: bool,
    /// Listen to no port: read the address that the browser was sent back to from standard input
    #[arg(long)]
    pub manual: bool,
}

/// `keys`
#[derive(Debug, Clone, Subcommand)]
pub enum Keys {
    /// Make a random key for GATELEDGER_KEY
    Generate {
        /// Write it to this file, for its owner alone, instead of printing it; a file that is there is never overwritten
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
    /// Put everything that is encrypted under a new key, while processes run
    ///
    /// With the key in a file, a new one is made and put into it, and the old one stays in the second line. With the key
    /// in GATELEDGER_KEY, put a new one there by hand and the old one in GATELEDGER_KEY_PREVIOUS, restart all processes,
    /// then run this. Interrupted, it goes on when it is run again.
    Rotate,
}
