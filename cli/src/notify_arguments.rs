//! The command line of `notify`.

use clap::Subcommand;

/// `notify`
#[derive(Debug, Clone, Subcommand)]
pub enum Notify {
    /// How each endpoint of the settings is doing
    List,
    /// Send a signed gateledger.ping now, once
    ///
    /// Exit code 0 when the receiver took it, 1 otherwise.
    Test {
        /// The endpoint
        name: String,
    },
    /// Go on with an endpoint that said it wants nothing more, also with what it missed meanwhile
    Resume {
        /// The endpoint
        name: String,
    },
}
