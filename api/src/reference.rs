//! The table of endpoints and roles in `docs/api.md`, made from the code.

use std::fmt::Write as _;

use crate::endpoint::Changes;
use crate::endpoints;

/// Stands in `docs/api.md` before the table.
pub const BEGIN: &str = "<!-- endpoints: made from the code; `gateledger openapi --table` prints it -->";
/// Stands in `docs/api.md` after the table.
pub const END: &str = "<!-- end of endpoints -->";

/// The table, in Markdown.
#[must_use]
pub fn table() -> String {
    let mut table = "| call | role | what it does | recorded as |\n|---|---|---|---|\n".to_owned();
    for endpoint in endpoints::all() {
        let recorded = match endpoint.changes {
            Changes::Nothing => "",
            Changes::Recorded => "its own event",
            Changes::Audited => "`api.called`",
        };
        let (method, path, role, summary) = (&endpoint.method, endpoint.path, endpoint.role, endpoint.summary);
        let _ = writeln!(table, "| `{method} {path}` | {role} | {summary} | {recorded} |");
    }
    table
}
