//! Comparing: every row of every table is read back and held against the file.

use futures::TryStreamExt as _;
use sha2::{Digest as _, Sha256};
use sqlx::postgres::PgRow;
use sqlx::sqlite::SqliteRow;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::Error;
use super::cell::Cell;
use super::pairing::{Fingerprints, Pairing, Side};
use super::report::{Compared, Counted, Payloads, Progress, Report, State, Step, Tables};
use super::schema::Table;
use super::source::Source;
use super::target::Target;
use crate::sql::Kind;

/// Between the parts of a key, where no key has it.
const KEY_SEPARATOR: &str = "\u{1f}";

/// Both sides, and who watches.
pub(super) struct Comparison<'c> {
    pub(super) source: &'c mut Source,
    pub(super) target: &'c mut Target,
    pub(super) progress: &'c watch::Sender<Progress>,
    pub(super) stop: &'c CancellationToken,
}

/// One row, whichever side it is from.
struct Image {
    key: String,
    fingerprints: Fingerprints,
    replaced_zero: bool,
}

/// Payloads so far.
#[derive(Default)]
struct Digest {
    events: u64,
    bytes: u64,
    sha256: Sha256,
}

impl Comparison<'_> {
    /// Compares all tables; what differs is in the report.
    pub(super) async fn run(mut self, tables: &Tables, report: &mut Report) -> Result<State, Error> {
        self.progress.send_replace(Progress { step: Step::Comparing, of: tables.rows(), ..Progress::default() });
        for one in &tables.list {
            self.progress.send_modify(|progress| progress.table.clone_from(&one.table.name));
            if !self.table(one, report).await? {
                return Ok(State::Interrupted);
            }
        }
        let order = Compared { source: self.source.order().await?, target: self.target.order().await? };
        let same_payloads = report.payloads.as_ref().is_some_and(|payloads| payloads.source == payloads.target);
        let same = report.different_rows == 0 && order.source == order.target && same_payloads;
        report.order = Some(order);
        Ok(if same { State::Complete } else { State::Different })
    }

    /// Compares one table; returns whether it came to the end.
    async fn table(&mut self, one: &Counted, report: &mut Report) -> Result<bool, Error> {
        let table = &one.table;
        let differences_before = report.different_rows;
        let mut digests = (Digest::default(), Digest::default());
        let mut pairing = Pairing::default();
        let mut target_rows = 0;
        {
            let mut from = self.source.rows(table, None);
            let mut to = self.target.rows(table);
            loop {
                if self.stop.is_cancelled() {
                    return Ok(false);
                }
                let (here, there) = (from.try_next().await?, to.try_next().await?);
                if (here.is_none() && there.is_none()) || pairing.is_hopeless() {
                    break;
                }
                target_rows += u64::from(there.is_some());
                let here = here.map(|row| read_source(table, &row, &mut digests.0)).transpose()?;
                let there = there.map(|row| read_target(table, &row, &mut digests.1)).transpose()?;
                if let Some(row) = &here
                    && row.replaced_zero
                {
                    report.add_replaced(&table.name, &shown(&row.key));
                }
                match_rows(table, here, there, &mut pairing, report);
                report.compared_rows += 1;
                self.progress.send_modify(|progress| progress.rows += 1);
            }
        }
        if pairing.is_hopeless() {
            target_rows = self.target.count(&table.name).await?;
        }
        for (key, side) in pairing.alone() {
            let what = if side == Side::Source { "is missing in the database" } else { "is not in the file" };
            report.add_difference(&table.name, shown(&key), what.to_owned());
        }
        if table.is_events() {
            report.payloads = Some(Compared { source: digests.0.ended(), target: digests.1.ended() });
        }
        let equal = report.different_rows == differences_before;
        let of_table = report.table(&table.name);
        of_table.target_rows = Some(target_rows);
        of_table.equal = Some(equal);
        Ok(true)
    }
}

/// Compares the next rows of both sides, or lets them wait for their counterparts.
fn match_rows(table: &Table, here: Option<Image>, there: Option<Image>, pairing: &mut Pairing, report: &mut Report) {
    if let (Some(here), Some(there)) = (&here, &there)
        && here.key == there.key
    {
        return compare_rows(table, &here.key, &here.fingerprints, &there.fingerprints, report);
    }
    for (side, row) in [(Side::Source, here), (Side::Target, there)] {
        let Some(row) = row else { continue };
        if let Some(other) = pairing.add(side, &row.key, &row.fingerprints) {
            compare_rows(table, &row.key, &row.fingerprints, &other, report);
        }
    }
}

fn compare_rows(table: &Table, key: &str, one: &Fingerprints, other: &Fingerprints, report: &mut Report) {
    if one == other {
        return;
    }
    let columns = table.columns.iter().zip(one.iter().zip(other)).filter(|(_, (one, other))| one != other);
    let names: Vec<&str> = columns.map(|(column, _)| column.name.as_str()).collect();
    report.add_difference(&table.name, shown(key), format!("differs in {}", names.join(", ")));
}

fn read_source(table: &Table, row: &SqliteRow, digest: &mut Digest) -> Result<Image, Error> {
    let read = |at, kind| Cell::from_sqlite(row, at, kind).map_err(|error| table.unreadable(row, at, error));
    image(table, digest, read)
}

fn read_target(table: &Table, row: &PgRow, digest: &mut Digest) -> Result<Image, Error> {
    let read = |at, kind| Cell::from_postgres(row, at, kind).map_err(|error| sqlx::Error::Decode(error).into());
    image(table, digest, read)
}

fn image<'r>(
    table: &Table,
    digest: &mut Digest,
    read: impl Fn(usize, Kind) -> Result<Cell<'r>, Error>,
) -> Result<Image, Error> {
    let mut cells = Vec::with_capacity(table.columns.len());
    for (at, column) in table.columns.iter().enumerate() {
        cells.push(read(at, column.kind)?);
    }
    if table.is_events() {
        digest.add(table, &cells);
    }
    let key: Vec<String> = table.key.iter().filter_map(|at| Some(cells.get(*at)?.shown())).collect();
    Ok(Image {
        key: key.join(KEY_SEPARATOR),
        fingerprints: cells.iter().map(Cell::fingerprint).collect(),
        replaced_zero: cells.iter().any(Cell::has_zero),
    })
}

fn shown(key: &str) -> String {
    key.replace(KEY_SEPARATOR, ", ")
}

impl Digest {
    fn add(&mut self, table: &Table, cells: &[Cell<'_>]) {
        let cell =
            |name: &str| table.columns.iter().zip(cells).find(|(column, _)| column.name == name).map(|(_, cell)| cell);
        let (Some(Cell::Integer(position)), Some(Cell::Bytes(payload))) = (cell("global_position"), cell("payload"))
        else {
            return;
        };
        self.events += 1;
        self.bytes += payload.len() as u64;
        self.sha256.update(position.to_be_bytes());
        self.sha256.update((payload.len() as u64).to_be_bytes());
        self.sha256.update(payload);
    }

    fn ended(self) -> Payloads {
        let sha256 = self.sha256.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        Payloads { events: self.events, bytes: self.bytes, sha256 }
    }
}
