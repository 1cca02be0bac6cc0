//! The engine: reads events into changes, looks the touched rows up, folds, and hands over what is to be written.
//!
//! One folder serves one projection over one table. The live runner and the rebuild use the same code, so what differs
//! between them can only be the table and the pace.

use std::collections::HashSet;
use std::ops::Range;
use std::sync::Arc;

use async_trait::async_trait;
use event_log::sql::{Connection, Dialect, Pool};
use event_log::{GlobalPosition, ScannedEvent, Stretch};

use crate::Error;
use crate::cache::Cache;
use crate::key_filter::KeyFilter;
use crate::projection::{Changes, Projection};
use crate::row::Row;
use crate::table::Table;

/// Rows folded in memory before they are written: many, because a sweep over the table in key order writes each of its
/// pages once, and single rows all over it write one page each.
const FULL_ROWS: usize = 65_536;
/// The same as bytes of event data, which bounds memory where rows are large.
const FULL_BYTES: usize = 32 * 1024 * 1024;

/// Folds for one projection into one table; the type parameter is hidden so that several can stand in a list.
#[async_trait]
pub(crate) trait Fold: Send + 'static {
    /// The projection's name.
    fn name(&self) -> &'static str;

    /// Takes one event in; costs processor time only.
    ///
    /// # Errors
    /// When the stored event does not decode. Nothing of it was taken in.
    fn read(&mut self, event: &ScannedEvent<'_>) -> Result<(), event_log::Error>;

    /// Folds what was read since the last call.
    ///
    /// # Errors
    /// Database failures.
    async fn fold(&mut self, readers: &Pool) -> Result<(), Error>;

    /// Whether so much is folded that it should be written.
    fn is_full(&self) -> bool;

    /// Hands over what was folded since the last call. What was handed over then must be written by now: it is looked
    /// up in the table from now on.
    fn hand_over(&mut self) -> Arc<dyn Rows>;

    /// Drops all that was read or folded: what counts is in the table.
    fn forget(&mut self);
}

/// Folded rows of one table, in key order.
#[async_trait]
pub(crate) trait Rows: Send + Sync {
    /// How many.
    fn len(&self) -> usize;

    /// Writes some of them.
    ///
    /// # Errors
    /// Database failures.
    async fn write(&self, connection: &mut Connection, range: Range<usize>) -> Result<(), Error>;
}

/// Folds `P` into a table.
pub(crate) struct Folder<P: Projection> {
    table: Table,
    cache: Cache<P::Row>,
    changes: Changes<P>,
    /// Length of the event data behind each change, and behind the folded rows: about what they take in memory.
    change_bytes: Vec<usize>,
    folded_bytes: usize,
    /// Keys that may be in the table, where nobody else writes to it; else all may.
    written: Option<KeyFilter>,
}

impl<P: Projection> Folder<P> {
    /// A folder into the table named `table`, which has the shape of `P`'s rows.
    pub(crate) fn new(dialect: Dialect, table: &str) -> Self {
        Folder {
            table: Table::new::<P::Row>(dialect, table),
            cache: Cache::new(),
            changes: Vec::new(),
            change_bytes: Vec::new(),
            folded_bytes: 0,
            written: None,
        }
    }

    /// A folder into an empty table that nobody else writes to.
    pub(crate) fn into_empty(dialect: Dialect, table: &str) -> Self {
        Folder { written: Some(KeyFilter::new()), ..Folder::new(dialect, table) }
    }

    async fn look_up(&mut self, readers: &Pool) -> Result<(), Error> {
        let touched = self.changes.iter().map(|(key, _)| key);
        let unknown: HashSet<_> = touched.filter(|key| self.must_be_looked_up(key)).cloned().collect();
        if unknown.is_empty() {
            return Ok(());
        }
        let mut unknown: Vec<_> = unknown.into_iter().collect();
        unknown.sort_unstable();
        let mut connection = readers.acquire().await?;
        for row in self.table.rows::<P::Row>(&mut connection, &unknown).await? {
            self.cache.insert(row);
        }
        Ok(())
    }

    fn must_be_looked_up(&self, key: &<P::Row as Row>::Key) -> bool {
        !self.cache.contains(key) && self.written.as_ref().is_none_or(|written| written.may_contain(key))
    }
}

#[async_trait]
impl<P: Projection> Fold for Folder<P> {
    fn name(&self) -> &'static str {
        P::NAME
    }

    fn read(&mut self, event: &ScannedEvent<'_>) -> Result<(), event_log::Error> {
        P::read(event, &mut self.changes)?;
        self.change_bytes.resize(self.changes.len(), event.data.len());
        Ok(())
    }

    async fn fold(&mut self, readers: &Pool) -> Result<(), Error> {
        self.look_up(readers).await?;
        for ((key, change), bytes) in self.changes.drain(..).zip(self.change_bytes.drain(..)) {
            let rows = self.cache.dirty();
            P::apply(self.cache.row(key), change);
            if self.cache.dirty() > rows {
                self.folded_bytes += bytes;
            }
        }
        Ok(())
    }

    fn is_full(&self) -> bool {
        self.cache.dirty() >= FULL_ROWS || self.folded_bytes >= FULL_BYTES
    }

    fn hand_over(&mut self) -> Arc<dyn Rows> {
        self.folded_bytes = 0;
        let rows = self.cache.hand_over();
        let is_new = match &mut self.written {
            Some(written) => rows.iter().map(|row| written.insert(&row.key())).collect(),
            None => vec![false; rows.len()],
        };
        Arc::new(Folded { table: self.table.clone(), rows, is_new })
    }

    fn forget(&mut self) {
        self.changes.clear();
        self.change_bytes.clear();
        self.cache.clear();
        self.folded_bytes = 0;
    }
}

struct Folded<R> {
    table: Table,
    rows: Arc<Vec<R>>,
    /// Which of them are certainly not in the table yet.
    is_new: Vec<bool>,
}

#[async_trait]
impl<R: Row> Rows for Folded<R> {
    fn len(&self) -> usize {
        self.rows.len()
    }

    async fn write(&self, connection: &mut Connection, range: Range<usize>) -> Result<(), Error> {
        let rows = || self.rows[range.clone()].iter().zip(&self.is_new[range.clone()]);
        let new: Vec<&R> = rows().filter_map(|(row, is_new)| is_new.then_some(row)).collect();
        let known: Vec<&R> = rows().filter_map(|(row, is_new)| (!is_new).then_some(row)).collect();
        self.table.insert(connection, &new).await?;
        self.table.write(connection, &known).await
    }
}

/// A folder on its way through the log.
pub(crate) struct Follower {
    /// The folder.
    pub(crate) fold: Box<dyn Fold>,
    /// The last position whose events are in the table.
    pub(crate) position: GlobalPosition,
    /// Why it no longer follows: an event that does not decode.
    pub(crate) stopped: Option<event_log::Error>,
}

impl Follower {
    /// A folder whose table holds the events up to `position`.
    pub(crate) fn new(fold: Box<dyn Fold>, position: GlobalPosition) -> Self {
        Follower { fold, position, stopped: None }
    }

    fn read(&mut self, event: &ScannedEvent<'_>) {
        if self.stopped.is_some() || event.global_position <= self.position {
            return;
        }
        self.stopped = self.fold.read(event).err();
    }
}

/// Lets every follower read the events of a stretch, on a thread where that may take its time.
///
/// # Errors
/// [`Error::Panicked`]; an event that does not decode stops its follower only. A header that does not decode stops all.
pub(crate) async fn read(mut followers: Vec<Follower>, stretch: Stretch) -> Result<Vec<Follower>, Error> {
    let reading = tokio::task::spawn_blocking(move || {
        for event in stretch.events() {
            let event = event?;
            followers.iter_mut().for_each(|follower| follower.read(&event));
        }
        Ok(followers)
    });
    reading.await.map_err(|_| Error::Panicked)?
}
