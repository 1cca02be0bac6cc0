//! A store moved from SQLite to PostgreSQL: everything copied, then everything compared.
//!
//! What it promises:
//! - the file is only read, and nobody works on it meanwhile: the claim that roles make on it is held, and a command that
//!   changed it all the same is found at the end;
//! - the database is empty at the start, or holds the beginning of a copy of this very log; anything else is refused;
//! - from the first row to the last comparison the database is marked as unfinished, and no role or command opens it;
//! - it may end at any moment, killed or asked to: the next run goes on. Events never change, so those that are there stay;
//!   everything else is copied in one transaction, afresh in every run, since it may have changed with its file;
//! - it is done when every row of every table was read back and is the same in its meaning.
//!
//! Tables, columns and types are those of the database's own catalogue, so a migration that adds some needs no change here.
//! Memory holds a few rows at a time, however large a payload is.

mod canonical;
mod cell;
mod compare;
mod error;
mod fill;
mod pairing;
mod report;
mod schema;
mod source;
mod target;

use std::time::Instant;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

pub use error::Error;
pub use report::{Difference, Order, Payloads, Progress, Report, State, Step, TableReport};

use compare::Comparison;
use report::Tables;
use source::Source;
use target::{Found, Target};

/// From where to where.
#[derive(Debug, Clone)]
pub struct StoreCopy {
    /// `sqlite:<path>`.
    pub from: String,
    /// `postgres://…`, as the role that owns the tables.
    pub to: String,
    /// Told how far it is.
    pub progress: watch::Sender<Progress>,
}

impl StoreCopy {
    /// Copies what is not there yet, then compares both sides. Running it again after it was done compares again.
    ///
    /// When `stop` is cancelled it ends soon, with [`State::Interrupted`]; a later run goes on.
    ///
    /// # Errors
    /// [`Error`]: each says what helps. The file is as it was in every case, and a database that held something else, too.
    ///
    /// # Cancellation
    /// Dropping the future is like a kill: a later run goes on.
    pub async fn run(&self, stop: &CancellationToken) -> Result<Report, Error> {
        let begun = Instant::now();
        let mut source = Source::open(&self.from).await?;
        let mut target = Target::open(&self.to).await?;
        let tables = Tables::match_up(source.tables().await?, target.tables().await?, &mut source).await?;
        let mut report = Report::new(source.name(), target.name(), &tables);
        if target.found(&mut source, &tables).await? == Found::Whole {
            // Done by an earlier run, or filled by somebody else.
            self.compare(&mut source, &mut target, &tables, &mut report, stop).await?;
            if report.state == State::Different {
                return Err(target.not_empty(&tables).await?);
            }
        } else {
            target.begin(source.name(), &tables).await?;
            if self.copy(&mut source, &mut target, &tables, &mut report, stop).await? {
                target.analyze(&tables).await?;
                self.compare(&mut source, &mut target, &tables, &mut report, stop).await?;
            }
            if report.state == State::Complete {
                source.check_unchanged().await?;
                target.finish().await?;
            }
        }
        report.seconds = begun.elapsed().as_secs_f64();
        target.close().await;
        Ok(report)
    }

    /// Only compares both sides; changes nothing on either.
    ///
    /// # Errors
    /// As [`StoreCopy::run`].
    ///
    /// # Cancellation
    /// Nothing is lost.
    pub async fn verify(&self, stop: &CancellationToken) -> Result<Report, Error> {
        let begun = Instant::now();
        let mut source = Source::open(&self.from).await?;
        let mut target = Target::open_to_look(&self.to).await?;
        let tables = Tables::match_up(source.tables().await?, target.tables().await?, &mut source).await?;
        let mut report = Report::new(source.name(), target.name(), &tables);
        self.compare(&mut source, &mut target, &tables, &mut report, stop).await?;
        report.seconds = begun.elapsed().as_secs_f64();
        target.close().await;
        Ok(report)
    }

    /// Whether it came to the end.
    async fn copy(
        &self,
        source: &mut Source,
        target: &mut Target,
        tables: &Tables,
        report: &mut Report,
        stop: &CancellationToken,
    ) -> Result<bool, Error> {
        let filling = fill::Filling { source, target, progress: &self.progress, stop };
        let copied = filling.run(tables, report).await?;
        if !copied {
            report.state = State::Interrupted;
        }
        Ok(copied)
    }

    async fn compare(
        &self,
        source: &mut Source,
        target: &mut Target,
        tables: &Tables,
        report: &mut Report,
        stop: &CancellationToken,
    ) -> Result<(), Error> {
        let comparison = Comparison { source, target, progress: &self.progress, stop };
        report.state = comparison.run(tables, report).await?;
        Ok(())
    }
}
