//! `openapi`: the description of the API.

use std::io::{self, Write as _};

use crate::args::Openapi;

/// Prints it; always JSON, unless the table is wanted.
///
/// # Errors
/// When standard output cannot be written.
pub fn print(arguments: &Openapi) -> anyhow::Result<()> {
    let text = if arguments.table {
        api::reference::table()
    } else {
        format!("{}\n", serde_json::to_string_pretty(&api::document())?)
    };
    match io::stdout().lock().write_all(text.as_bytes()) {
        // A reader that went away (`| head`) has what it wanted.
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}
