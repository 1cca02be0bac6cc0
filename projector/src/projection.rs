//! What a projection is: a pure fold from events to rows, in two steps so that reading can run ahead of folding.

use event_log::{Error, EventType, ScannedEvent};

use crate::row::Row;

/// Changes that events make, each with the key of the row it goes to.
pub(crate) type Changes<P> = Vec<(<<P as Projection>::Row as Row>::Key, <P as Projection>::Change)>;

/// Folds events into the rows of one table.
///
/// Both functions are pure: no clock, no database, no effects. The engine gives every event once, in position order.
pub(crate) trait Projection: Send + Sync + 'static {
    /// One row of its table.
    type Row: Row;
    /// What one event means to one row.
    type Change: Send + 'static;
    /// Its name; the checkpoint is `projection:<name>`.
    const NAME: &'static str;
    /// The events it folds; empty: all.
    const EVENT_TYPES: &'static [&'static EventType];

    /// Reads what an event means, and to which rows.
    ///
    /// # Errors
    /// [`Error::Undecodable`] when the stored data does not have its type's shape.
    fn read(event: &ScannedEvent<'_>, changes: &mut Changes<Self>) -> Result<(), Error>
    where
        Self: Sized;

    /// Makes the change.
    fn apply(row: &mut Self::Row, change: Self::Change);
}
