//! Following the log: all projections together, few and larger units of work.

use std::sync::Arc;
use std::time::Duration;

use event_log::{GlobalPosition, Leadership, Log, UnitOfWork, take_lease};
use tokio_util::sync::CancellationToken;

use crate::folder::{Follower, Rows, read};
use crate::window::Window;
use crate::{Error, checkpoint_name, lock_wait, registry};

/// Positions per batch at most: keeps a unit of work in the low tens of milliseconds when all projections are touched.
const WINDOW: u32 = 1024;
/// Pause after a batch that reached the head, so that a stream of events costs few units of work.
const COALESCE: Duration = Duration::from_millis(30);
/// How often to look for events that another process appended.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// Pause after a failure that may go away, for instance a full disk.
const RETRY_AFTER: Duration = Duration::from_secs(1);
/// What the one process that works holds, where several share a database.
const LEASE_NAME: &str = "projector";
/// How long the others wait for one that died.
const LEASE: Duration = Duration::from_secs(10);

/// Keeps all read models up to date until `stop`.
///
/// Where several processes share a database, one of them works and the others wait until it stops, or for some seconds
/// after it was killed. `holder` names this process and must be unique among all, as [`event_log::process_name`] is.
///
/// An event that a projection cannot decode stops that projection before the event, tells so in the log file, and lets
/// the others go on. A rebuild may switch tables meanwhile, from this or another process.
///
/// # Errors
/// Failures that do not go away by themselves; a full disk, or a database that is away, is waited for.
///
/// # Cancellation
/// Dropping the future loses nothing: rows and checkpoints are committed together. Where several processes share a
/// database, the next one begins some seconds later.
pub async fn run(log: Log, holder: String, stop: CancellationToken) -> Result<(), Error> {
    if !log.database().is_shared() {
        return follow(log, None, stop).await;
    }
    let leadership = Leadership { log: log.clone(), lease_name: LEASE_NAME.to_owned(), leased_by: holder.clone() };
    leadership.lead(&stop, |leading| follow(log.clone(), Some(holder.clone()), leading)).await
}

struct Live {
    log: Log,
    /// Who holds the lease in the name of this process; absent where there is no other process.
    holder: Option<String>,
    window: Window,
    /// All projections; empty where their checkpoints must be read first.
    followers: Vec<Follower>,
}

enum Advance {
    /// Another process has the lease.
    TakenOver,
    /// The log had nothing new.
    AtHead,
    /// All there was is in the tables.
    ReachedHead,
    /// A whole window is in the tables, and there is more.
    MoreToCome,
}

/// Follows the log until `stop`, or until another process has taken over.
async fn follow(log: Log, holder: Option<String>, stop: CancellationToken) -> Result<(), Error> {
    let mut head = log.head();
    let mut live = Live { log, holder, window: Window::up_to(WINDOW), followers: Vec::new() };
    while !stop.is_cancelled() {
        // Before the read: an append between the two wakes us once too often rather than never.
        head.mark_unchanged();
        let advanced = live.advance().await;
        if advanced.is_err() {
            live.followers.clear();
        }
        let pause = match advanced {
            Ok(Advance::MoreToCome) => continue,
            Ok(Advance::ReachedHead) => COALESCE,
            Ok(Advance::AtHead) => {
                let changed = tokio::time::timeout(LOOK_EVERY, head.changed());
                let _ = stop.run_until_cancelled(changed).await;
                continue;
            }
            Ok(Advance::TakenOver) => return Ok(()),
            Err(Error::Moved { name }) => {
                tracing::info!(projection.name = name, "projection {name} was switched or moved; reading it again");
                continue;
            }
            Err(error) if error.is_retryable() => {
                tracing::warn!(error = %error, "read models wait: {error}");
                metrics::counter!("projection_failures_total", "reason" => "retryable").increment(1);
                RETRY_AFTER
            }
            Err(error) => return Err(error),
        };
        let _ = stop.run_until_cancelled(tokio::time::sleep(pause)).await;
    }
    Ok(())
}

impl Live {
    /// Folds one window of the log into all projections that have not seen it. On an error, the followers must be made
    /// anew.
    async fn advance(&mut self) -> Result<Advance, Error> {
        if self.followers.is_empty() {
            self.followers = followers(&self.log).await?;
        }
        let running = self.followers.iter().filter(|follower| follower.stopped.is_none());
        let Some(after) = running.map(|follower| follower.position).min() else { return Ok(Advance::AtHead) };
        let stretch = self.log.scan(&[], after, self.window.positions()).await?;
        if stretch.is_empty() {
            return Ok(Advance::AtHead);
        }
        let last = stretch.last();
        let full = last.0 - after.0 >= i64::from(self.window.positions());
        self.window.adapt(&stretch);
        self.followers = read(std::mem::take(&mut self.followers), stretch).await?;

        let (writes, holder) = (self.fold(last).await?, self.holder.clone());
        let writing =
            self.log.write(move |unit| Box::pin(async move { write(unit, holder.as_deref(), &writes, last).await }));
        if !writing.await? {
            return Ok(Advance::TakenOver);
        }
        for follower in self.followers.iter_mut().filter(|follower| follower.stopped.is_none()) {
            follower.position = follower.position.max(last);
        }
        metrics::counter!("projection_events_total").increment((last.0 - after.0).unsigned_abs());
        Ok(if full { Advance::MoreToCome } else { Advance::ReachedHead })
    }

    /// Folds what was read, up to `last`.
    async fn fold(&mut self, last: GlobalPosition) -> Result<Vec<Write>, Error> {
        let mut writes = Vec::with_capacity(self.followers.len());
        for follower in self.followers.iter_mut().filter(|follower| follower.position < last) {
            if let Some(error) = &follower.stopped {
                report_stopped(follower.fold.name(), follower.position, error);
                follower.fold.forget();
                continue;
            }
            follower.fold.fold(self.log.database().readers()).await?;
            writes.push(Write { name: follower.fold.name(), from: follower.position, rows: follower.fold.hand_over() });
        }
        Ok(writes)
    }
}

/// All projections where their checkpoints say.
async fn followers(log: &Log) -> Result<Vec<Follower>, Error> {
    let checkpoints = event_log::checkpoints(log.database().readers()).await?;
    let position = |name: String| {
        checkpoints
            .iter()
            .find(|one| one.subscription_name == name)
            .map_or(GlobalPosition(0), |one| one.global_position)
    };
    let dialect = log.database().dialect();
    let each = registry::ALL.iter().map(|entry| Follower::new(entry.folder(dialect), position(entry.checkpoint())));
    Ok(each.collect())
}

struct Write {
    name: &'static str,
    from: GlobalPosition,
    rows: Arc<dyn Rows>,
}

/// Rows and checkpoints together, while the lease is held; says whether it is. Nothing at all is written where somebody
/// else has moved a checkpoint.
async fn write(
    unit: &mut UnitOfWork<'_>,
    holder: Option<&str>,
    writes: &[Write],
    last: GlobalPosition,
) -> Result<bool, Error> {
    if let Some(holder) = holder
        && !take_lease(unit, LEASE_NAME, holder, LEASE).await?
    {
        return Ok(false);
    }
    lock_wait::limit(unit.connection()).await?;
    for Write { name, from, rows } in writes {
        let checkpoint = checkpoint_name(name);
        if unit.checkpoint(&checkpoint).await? != *from {
            return Err(Error::Moved { name });
        }
        rows.write(unit.connection(), 0..rows.len()).await?;
        unit.save_checkpoint(&checkpoint, last).await?;
    }
    lock_wait::lift(unit.connection()).await?;
    Ok(true)
}

fn report_stopped(name: &'static str, position: GlobalPosition, error: &event_log::Error) {
    tracing::error!(
        projection.name = name, global_position = position.0, error = %error,
        "projection {name} stopped before an event that it cannot read: {error}"
    );
    metrics::counter!("projection_failures_total", "reason" => "undecodable").increment(1);
}
