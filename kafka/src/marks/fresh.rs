//! The marks inside a unit of work: what is handled at this moment, not what was when the marks were read.
//!
//! Units of work are serial over all processes, so an event that is not handled by the rows read here is handled by
//! nobody else: two owners of one partition, for a moment, handle nothing twice.

use std::collections::BTreeMap;

use event_log::{Error, GlobalPosition, UnitOfWork};

use super::{ADDED, Marks, row_name};
use crate::partition::{Portion, StreamHash};

/// Another process began a layout that these marks do not know: read them again.
#[derive(Debug)]
pub(crate) struct Moved;

/// Marks as the unit of work finds and leaves them.
pub(crate) struct Fresh<'m> {
    marks: &'m Marks,
    /// Rows as this unit found them.
    found: BTreeMap<Portion, GlobalPosition>,
    /// What this unit adds to them.
    noted: BTreeMap<Portion, GlobalPosition>,
}

impl<'m> Fresh<'m> {
    /// Starts from marks that were read before.
    pub(crate) async fn check(unit: &mut UnitOfWork<'_>, marks: &'m Marks) -> Result<Result<Self, Moved>, Error> {
        let added = unit.checkpoint(&format!("{}{ADDED}", marks.subscription)).await?;
        if added != marks.layouts_added {
            return Ok(Err(Moved));
        }
        Ok(Ok(Fresh { marks, found: BTreeMap::new(), noted: BTreeMap::new() }))
    }

    /// Whether somebody has handled the event.
    pub(crate) async fn is_handled(
        &mut self,
        unit: &mut UnitOfWork<'_>,
        stream: StreamHash,
        position: GlobalPosition,
    ) -> Result<bool, Error> {
        let noted = |(portion, mark): (&Portion, &GlobalPosition)| *mark >= position && portion.holds(stream);
        if self.marks.is_handled(stream, position) || self.noted.iter().any(noted) {
            return Ok(true);
        }
        let mut layouts = self.marks.layouts();
        layouts.insert(Portion::ALL.partitions());
        for partitions in layouts {
            if self.row(unit, stream.portion(partitions)).await? >= position {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Every event of `portion` up to `position` is handled, by this unit at the latest.
    pub(crate) fn note(&mut self, portion: Portion, position: GlobalPosition) {
        let noted = self.noted.entry(portion).or_default();
        *noted = position.max(*noted);
    }

    /// Writes what was noted. Rows never go back.
    pub(crate) async fn save(mut self, unit: &mut UnitOfWork<'_>) -> Result<Marks, Error> {
        let subscription = &self.marks.subscription;
        let known = self.marks.layouts();
        let mut marks = self.marks.clone();
        for (portion, position) in std::mem::take(&mut self.noted) {
            if self.row(unit, portion).await? < position {
                unit.save_checkpoint(&row_name(subscription, portion), position).await?;
                marks.advance(portion, position);
            }
        }
        for (portion, position) in self.found {
            marks.advance(portion, position);
        }
        marks.rows.retain(|_, mark| mark.0 > 0);
        let added = marks.layouts().into_iter().any(|partitions| partitions != 1 && !known.contains(&partitions));
        if added {
            marks.layouts_added = GlobalPosition(marks.layouts_added.0 + 1);
            unit.save_checkpoint(&format!("{subscription}{ADDED}"), marks.layouts_added).await?;
        }
        Ok(marks)
    }

    async fn row(&mut self, unit: &mut UnitOfWork<'_>, portion: Portion) -> Result<GlobalPosition, Error> {
        if let Some(row) = self.found.get(&portion) {
            return Ok(*row);
        }
        let row = unit.checkpoint(&row_name(&self.marks.subscription, portion)).await?;
        self.found.insert(portion, row);
        Ok(row)
    }
}
