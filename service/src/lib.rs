//! Start-up that all roles share: [configuration](config), [telemetry], [shutdown] and the [clock].
//!
//! Only the binary's `main` reads the real environment; it passes what it found to [`config::Config::load`]. Nothing here
//! knows a provider, the event log or HTTP.

pub mod clock;
pub mod config;
pub mod shutdown;
pub mod telemetry;
