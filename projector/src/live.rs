//! Following the log: all projections together, few and larger units of work.

use std::sync::Arc;
use std::time::Duration;

use event_log::{GlobalPosition, Log, UnitOfWork};
use tokio_util::sync::CancellationToken;

use crate::folder::{Follower, Rows, read};
use crate::registry;
use crate::window::Window;
use crate::{Error, checkpoint_name};

/// Positions per batch at most: keeps a unit of work in the low tens of milliseconds when all projections are touched.
const WINDOW: u32 = 1024;
/// Pause after a batch that reached the head, so that a stream of events costs few units of work.
const COALESCE: Duration = Duration::from_millis(30);
/// How often to look for events that another process appended.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// Pause after a failure that may go away, for instance a full disk.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// Keeps all read models up to date until `stop`.
///
/// An event that a projection cannot decode stops that projection before the event, tells so in the log file, and lets
/// the others go on. A rebuild may switch tables meanwhile, from this or another process.
///
/// # Errors
/// Failures that do not go away by themselves; a full disk is waited for.
///
/// # Cancellation
/// Dropping the future loses nothing: rows and checkpoints are committed together.
pub async fn run(log: Log, stop: CancellationToken) -> Result<(), Error> {
    let mut head = log.head();
    let mut window = Window::up_to(WINDOW);
    let mut followers = follow(&log).await?;
    while !stop.is_cancelled() {
        // Before the read: an append between the two wakes us once too often rather than never.
        head.mark_unchanged();
        let pause = match advance(&log, &mut followers, &mut window).await {
            Ok(Advance::MoreToCome) => continue,
            Ok(Advance::ReachedHead) => COALESCE,
            Ok(Advance::AtHead) => {
                let changed = tokio::time::timeout(LOOK_EVERY, head.changed());
                let _ = stop.run_until_cancelled(changed).await;
                continue;
            }
            Err(Error::Moved { name }) => {
                tracing::info!(projection.name = name, "projection {name} was switched or moved; reading it again");
                followers = follow(&log).await?;
                continue;
            }
            Err(error) if error.is_retryable() => {
                tracing::warn!(error = %error, "read models wait: {error}");
                metrics::counter!("projection_failures_total", "reason" => "retryable").increment(1);
                followers = follow(&log).await?;
                RETRY_AFTER
            }
            Err(error) => return Err(error),
        };
        let _ = stop.run_until_cancelled(tokio::time::sleep(pause)).await;
    }
    Ok(())
}

enum Advance {
    /// The log had nothing new.
    AtHead,
    /// All there was is in the tables.
    ReachedHead,
    /// A whole window is in the tables, and there is more.
    MoreToCome,
}

/// All projections where their checkpoints say.
async fn follow(log: &Log) -> Result<Vec<Follower>, Error> {
    let checkpoints = event_log::checkpoints(log.database().readers()).await?;
    let position = |name: String| {
        checkpoints
            .iter()
            .find(|one| one.subscription_name == name)
            .map_or(GlobalPosition(0), |one| one.global_position)
    };
    Ok(registry::ALL.iter().map(|entry| Follower::new(entry.folder(), position(entry.checkpoint()))).collect())
}

/// Folds one window of the log into all projections that have not seen it. On an error, `followers` must be made anew.
async fn advance(log: &Log, followers: &mut Vec<Follower>, window: &mut Window) -> Result<Advance, Error> {
    let running = followers.iter().filter(|follower| follower.stopped.is_none());
    let Some(after) = running.map(|follower| follower.position).min() else { return Ok(Advance::AtHead) };
    let stretch = log.scan(&[], after, window.positions()).await?;
    if stretch.is_empty() {
        return Ok(Advance::AtHead);
    }
    let last = stretch.last();
    let full = last.0 - after.0 >= i64::from(window.positions());
    window.adapt(&stretch);
    *followers = read(std::mem::take(followers), stretch).await?;

    let mut writes = Vec::with_capacity(followers.len());
    for follower in followers.iter_mut().filter(|follower| follower.position < last) {
        if let Some(error) = &follower.stopped {
            report_stopped(follower.fold.name(), follower.position, error);
            follower.fold.forget();
            continue;
        }
        follower.fold.fold(log.database().readers()).await?;
        writes.push(Write { name: follower.fold.name(), from: follower.position, rows: follower.fold.hand_over() });
    }
    log.write(move |unit| Box::pin(async move { write(unit, &writes, last).await })).await?;
    for follower in followers.iter_mut().filter(|follower| follower.stopped.is_none()) {
        follower.position = follower.position.max(last);
    }
    metrics::counter!("projection_events_total").increment((last.0 - after.0).unsigned_abs());
    Ok(if full { Advance::MoreToCome } else { Advance::ReachedHead })
}

struct Write {
    name: &'static str,
    from: GlobalPosition,
    rows: Arc<dyn Rows>,
}

/// Rows and checkpoints together; nothing at all where somebody else has moved a checkpoint.
async fn write(unit: &mut UnitOfWork<'_>, writes: &[Write], last: GlobalPosition) -> Result<(), Error> {
    for Write { name, from, rows } in writes {
        let checkpoint = checkpoint_name(name);
        if unit.checkpoint(&checkpoint).await? != *from {
            return Err(Error::Moved { name });
        }
        rows.write(unit.connection(), 0..rows.len()).await?;
        unit.save_checkpoint(&checkpoint, last).await?;
    }
    Ok(())
}

fn report_stopped(name: &'static str, position: GlobalPosition, error: &event_log::Error) {
    tracing::error!(
        projection.name = name, global_position = position.0, error = %error,
        "projection {name} stopped before an event that it cannot read: {error}"
    );
    metrics::counter!("projection_failures_total", "reason" => "undecodable").increment(1);
}
