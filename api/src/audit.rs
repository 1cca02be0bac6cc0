//! The audit trail of calls that have no event of their own.

use std::collections::BTreeMap;

use actix_web::http::StatusCode;
use catalogue::api::{CALLED, Called, stream};
use event_log::{Append, Error, Log, NewEvent};
use serde_json::Value;

use crate::{Caller, Endpoint};

/// Appends [`CALLED`] for a call that was carried out.
///
/// # Errors
/// Failures of the log.
///
/// # Cancellation
/// The event is recorded all the same.
pub(crate) async fn record(
    log: &Log,
    caller: &Caller,
    endpoint: &Endpoint,
    path: &Value,
    status: StatusCode,
    code: Option<&str>,
) -> Result<(), Error> {
    let data = Called {
        method: endpoint.method.to_string(),
        route: endpoint.path.to_owned(),
        parameters: parameters(path),
        status: status.as_u16(),
        code: code.map(str::to_owned),
    };
    let mut event = NewEvent::new(CALLED, "operator", &data).with_metadata(&caller.actor().metadata());
    event.organization.clone_from(&caller.organization);
    log.append(Append::new(stream(caller.organization.as_deref()), vec![event])).await?;
    Ok(())
}

fn parameters(path: &Value) -> BTreeMap<String, String> {
    let written = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    path.as_object().into_iter().flatten().map(|(name, value)| (name.clone(), written(value))).collect()
}
