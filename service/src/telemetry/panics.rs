//! Panics as lines of the log, so that the file has them too and progress bars are not torn.

use std::backtrace::{Backtrace, BacktraceStatus};
use std::panic;

/// Replaces the standard message on stderr.
pub(super) fn log() {
    panic::set_hook(Box::new(|info| {
        let message = info.payload_as_str().unwrap_or("no message");
        let location = info.location().map_or_else(|| "an unknown place".to_owned(), ToString::to_string);
        let backtrace = Backtrace::capture();
        let backtrace = (backtrace.status() == BacktraceStatus::Captured).then(|| backtrace.to_string());
        tracing::error!(code.location = location, backtrace, "a bug: the code panicked: {message}");
    }));
}
