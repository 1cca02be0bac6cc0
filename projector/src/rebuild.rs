//! Folding a projection from the first event into a fresh table beside the live one, then switching them.
//!
//! Three stages run side by side: the database joins the next stretch, this stretch is folded, the rows folded before are
//! written. Writes go through the log's one writer in units of bounded time, so appends wait for a few milliseconds
//! at most. Nothing but read models is written: effects cannot happen here.

use std::sync::Arc;
use std::time::{Duration, Instant};

use event_log::{EventType, GlobalPosition, Log, Stretch};
use serde::Serialize;
use tokio::sync::{mpsc, oneshot};

use crate::Error;
use crate::folder::{Follower, Rows, read};
use crate::fresh_table::{FreshTable, Patience};
use crate::registry::Entry;
use crate::status::count_rows;
use crate::window::Window;

/// Positions in a stretch at most.
const WINDOW: u32 = 16_384;
/// How often the claim is prolonged while there is nothing to write.
const RENEW_EVERY: Duration = Duration::from_secs(15);

/// What a rebuild did.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// The projection.
    pub name: &'static str,
    /// Events of the log that were gone through, wanted or not.
    pub events: u64,
    /// How long it took until readers had the new table; clearing the old one away is not in it.
    pub seconds: f64,
    /// Rows of the new table.
    pub rows: u64,
}

/// How far a rebuild is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Progress {
    /// The last position that was folded.
    pub position: GlobalPosition,
    /// The last position of the log when this was told.
    pub head: GlobalPosition,
}

/// Rebuilds one projection and switches readers to the new table.
///
/// Readers see the old rows until the switch and the new ones after it. Live projecting may go on in this or another
/// process. `on_progress` is called after each stretch.
///
/// # Errors
/// [`Error::UnknownProjection`], [`Error::RebuildRunning`], [`Error::InUse`] where somebody read the live table for ten
/// minutes without an end, and failures of the log. The live table is then untouched.
///
/// # Cancellation
/// Dropping the future leaves a table beside the live one, which the next rebuild removes; that one can start when the
/// claim of this one has run out, within a minute.
pub async fn rebuild(log: &Log, name: &str, mut on_progress: impl FnMut(Progress) + Send) -> Result<Report, Error> {
    let entry = Entry::find(name)?;
    let started = Instant::now();
    let mut fresh = FreshTable::claim(log, entry).await?;
    let switched = fill_and_switch(log, entry, &mut fresh, &mut on_progress).await;
    let seconds = started.elapsed().as_secs_f64();
    let released = fresh.release().await;
    let position = switched?;
    released?;
    let rows = count_rows(log.database().readers(), entry.table).await?;
    Ok(Report { name: entry.name, events: position.0.unsigned_abs(), seconds, rows })
}

async fn fill_and_switch(
    log: &Log,
    entry: Entry,
    fresh: &mut FreshTable,
    on_progress: &mut (impl FnMut(Progress) + Send),
) -> Result<GlobalPosition, Error> {
    fresh.create().await?;
    let mut filling = Filling::new(log, entry, fresh.name());
    let mut patience = Patience::new();
    loop {
        let position = filling.catch_up(fresh, on_progress).await?;
        match fresh.switch(position).await {
            Ok(true) => return Ok(position),
            // The live table is further by now: there is a little more to fold before readers may switch.
            Ok(false) => {}
            Err(error) => fresh.wait(&mut patience, error).await?,
        }
    }
}

/// Rows on their way to the table.
struct Batch {
    rows: Arc<dyn Rows>,
    done: oneshot::Sender<()>,
}

async fn write_all(fresh: &mut FreshTable, mut batches: mpsc::Receiver<Batch>) -> Result<(), Error> {
    loop {
        match tokio::time::timeout(RENEW_EVERY, batches.recv()).await {
            Ok(None) => return Ok(()),
            Ok(Some(Batch { rows, done })) => {
                fresh.write(&rows).await?;
                let _ = done.send(());
            }
            Err(_) => fresh.renew().await?,
        }
    }
}

/// The way of one projection through the log into its fresh table.
struct Filling<'l> {
    log: &'l Log,
    types: Vec<EventType>,
    follower: Vec<Follower>,
    window: Window,
}

impl<'l> Filling<'l> {
    fn new(log: &'l Log, entry: Entry, table: &str) -> Self {
        let types = entry.event_types.iter().copied().cloned().collect();
        let follower = vec![Follower::new(entry.folder_into_empty(log.database().dialect(), table), GlobalPosition(0))];
        Filling { log, types, follower, window: Window::up_to(WINDOW) }
    }

    /// Folds and writes until the log has nothing more; returns the last position.
    async fn catch_up(
        &mut self,
        fresh: &mut FreshTable,
        on_progress: &mut (impl FnMut(Progress) + Send),
    ) -> Result<GlobalPosition, Error> {
        // One batch is written while the next is folded, so there is never one to wait in the channel.
        let (sender, receiver) = mpsc::channel(1);
        let (position, ()) = tokio::try_join!(self.fold_all(sender, on_progress), write_all(fresh, receiver))?;
        Ok(position)
    }

    async fn fold_all(
        &mut self,
        batches: mpsc::Sender<Batch>,
        on_progress: &mut (impl FnMut(Progress) + Send),
    ) -> Result<GlobalPosition, Error> {
        let mut written = None;
        let mut stretch = self.log.scan(&self.types, self.position(), self.window.positions()).await?;
        while !stretch.is_empty() {
            let position = stretch.last();
            self.window.adapt(&stretch);
            let (log, types, window) = (self.log, self.types.clone(), self.window.positions());
            let next = async { Ok(log.scan(&types, position, window).await?) };
            let (following, full) = tokio::try_join!(next, self.fold(stretch))?;
            stretch = following;
            if full || stretch.is_empty() {
                written = self.hand_over(&batches, written).await?;
            }
            let head = position.max(*self.log.head().borrow());
            on_progress(Progress { position, head });
        }
        Ok(self.position())
    }

    /// Gives a batch to the writer once the one before is written.
    async fn hand_over(
        &mut self,
        batches: &mpsc::Sender<Batch>,
        written: Option<oneshot::Receiver<()>>,
    ) -> Result<Option<oneshot::Receiver<()>>, Error> {
        if let Some(written) = written {
            written.await.map_err(|_| Error::Panicked)?;
        }
        let Some(follower) = self.follower.first_mut() else { return Err(Error::Panicked) };
        let (done, written) = oneshot::channel();
        batches.send(Batch { rows: follower.fold.hand_over(), done }).await.map_err(|_| Error::Panicked)?;
        Ok(Some(written))
    }

    fn position(&self) -> GlobalPosition {
        self.follower.first().map_or(GlobalPosition(0), |follower| follower.position)
    }

    /// Folds a stretch; says whether so much is folded that it should be written.
    async fn fold(&mut self, stretch: Stretch) -> Result<bool, Error> {
        let last = stretch.last();
        self.follower = read(std::mem::take(&mut self.follower), stretch).await?;
        let Some(follower) = self.follower.first_mut() else { return Err(Error::Panicked) };
        if let Some(error) = follower.stopped.take() {
            return Err(error.into());
        }
        follower.position = last;
        follower.fold.fold(self.log.database().readers()).await?;
        Ok(follower.fold.is_full())
    }
}
