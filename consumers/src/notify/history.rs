//! Planning what was before: for an endpoint that wants the beginning, and for one that was stopped.

use std::sync::Arc;
use std::time::Duration;

use event_log::{Direction, Filter, GlobalPosition, RecordedEvent};
use tokio_util::sync::CancellationToken;

use super::book;
use super::request::planned;
use super::settings::Settings;
use crate::Error;
use crate::context::Context;
use crate::ledger::plan;

/// Events of one unit of work: other writers wait as long.
const EVENTS: u32 = 200;
/// Pause when there is nothing to plan: somebody may want an endpoint to go on.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Plans until `stop`. In several processes at once nothing is planned twice.
///
/// # Errors
/// When the log or the ledger fails for a reason that no waiting helps.
pub(crate) async fn run(context: Arc<Context>, stop: CancellationToken) -> Result<(), Error> {
    while !stop.is_cancelled() {
        let mut is_done = true;
        for endpoint in context.settings.endpoints.all() {
            match plan_some(&context, endpoint).await {
                Ok(more) => is_done = is_done && !more,
                Err(error) if error.is_retryable() => {
                    tracing::warn!(error = %error, "what was before could not be planned yet");
                }
                Err(error) => return Err(error),
            }
        }
        if is_done {
            stop.run_until_cancelled(tokio::time::sleep(LOOK_EVERY)).await;
        }
    }
    Ok(())
}

/// Plans the next events of an endpoint's stretch; `false` when there is none.
async fn plan_some(context: &Context, endpoint: &Settings) -> Result<bool, Error> {
    let stretch = book::history(&mut context.log.database().readers().acquire().await?, &endpoint.name).await?;
    let Some((after, until)) = stretch else { return Ok(false) };
    let filter = Filter {
        event_types: endpoint.types.iter().map(|event_type| event_type.as_str().to_owned()).collect(),
        account: endpoint.account.clone(),
        organization: Some(endpoint.organization.clone()),
        ..Filter::default()
    };
    let events = context.log.list(&filter, after, Direction::Forward, EVENTS).await?;
    let is_last = events.len() < EVENTS as usize || events.last().is_some_and(|last| last.global_position >= until);
    let reached = events.last().map(|last| last.global_position).filter(|_| !is_last);
    let events = events.into_iter().take_while(|event| event.global_position <= until).collect();
    write(context, endpoint, after, events, reached).await?;
    context.work_was_planned();
    Ok(true)
}

async fn write(
    context: &Context,
    endpoint: &Settings,
    after: GlobalPosition,
    events: Vec<RecordedEvent>,
    reached: Option<GlobalPosition>,
) -> Result<(), Error> {
    let endpoint = endpoint.clone();
    context
        .log
        .write(move |unit| {
            Box::pin(async move {
                let stretch = book::history(unit.connection(), &endpoint.name).await?;
                // Another process was quicker, or the endpoint was stopped or goes on from elsewhere.
                if stretch.is_none_or(|(now_after, _)| now_after != after) {
                    return Ok(());
                }
                let wanted = events.iter().filter(|event| endpoint.wants(event));
                let notifications = wanted.map(|event| planned(&endpoint, event)).collect::<Result<Vec<_>, _>>()?;
                let now = unit.now();
                plan(unit.connection(), now, &notifications).await?;
                book::save_history(unit, &endpoint.name, reached).await
            })
        })
        .await
}
