//! Replacing the vault's key while processes run.
//!
//! The new key is in place before the first row is touched, and the old one goes on opening what it sealed; so a process
//! that is killed in the middle leaves nothing unreadable, and the next rotation goes on where it stopped. Rows are
//! sealed anew in batches, each row only if nobody has written it meanwhile: a token that is refreshed at the same time
//! wins, and its writer uses the new key by then.

use std::time::Duration;

use catalogue::actor::Actor;
use catalogue::vault::{ROTATED, Rotated, stream};
use event_log::{Append, Log, NewEvent};
use service::config::Config;
use uuid::Uuid;

use crate::Error;
use crate::vault::{Source, Vault};

mod rows;

use rows::{SealedRow, Table};

/// Rows in one unit of work.
const BATCH: u32 = 100;

/// Only one process rotates at a time; after a crash the next one waits this long.
const LEASE: &str = "vault.rotate";
const LEASE_DURATION: Duration = Duration::from_secs(15);

/// What a rotation did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RotationReport {
    /// The key that seals.
    pub key_id: String,
    /// Rows that were sealed anew.
    pub resealed: u64,
    /// Ids of known keys that no row needs any more.
    pub unused_key_ids: Vec<String>,
    /// Where these keys stand, in words for a person.
    pub unused_keys_in: Vec<String>,
    /// Rows that none of the known keys opens, by the id of the key that they need or that does not fit.
    pub unreadable: Vec<(String, u64)>,
}

/// A rotation that was begun. Dropped at any time, another one goes on.
#[derive(Debug)]
pub struct Rotation {
    log: Log,
    vault: Vault,
    leased_by: String,
    made_key: bool,
    resealed: u64,
    /// Which table is next, and which of its accounts was the last.
    table_at: usize,
    after: String,
}

impl Rotation {
    /// Makes a new key the current one, where the key stands in a file; goes on with a rotation that was not finished, or
    /// with a key that was put in its place by hand.
    ///
    /// # Errors
    /// [`Error::Vault`], above all [`crate::VaultError::KeyElsewhere`] when a person must put the new key in its place;
    /// [`Error::RotationUnderWay`], [`Error::Log`].
    ///
    /// # Cancellation
    /// Nothing becomes unreadable. The new key may be in its place; the next rotation goes on with it.
    pub async fn begin(config: &Config, log: Log) -> Result<Self, Error> {
        let vault = Vault::open_at(Source::of(config)?)?;
        let leased_by = Uuid::now_v7().to_string();
        let by = leased_by.clone();
        let taken = log
            .write(move |unit| Box::pin(async move { event_log::take_lease(unit, LEASE, &by, LEASE_DURATION).await }));
        if !taken.await? {
            return Err(Error::RotationUnderWay);
        }
        let (table_at, after) = (0, String::new());
        let mut rotation = Self { log, vault, leased_by, made_key: false, resealed: 0, table_at, after };
        let sealed_by = rows::count(rotation.log.database().readers()).await?;
        let others = rotation.vault.other_key_ids();
        let unfinished = sealed_by.keys().any(|key_id| others.contains(key_id));
        let put_in_place = rotation.vault.has_listed_previous_keys();
        if !unfinished && !put_in_place {
            if let Err(error) = rotation.vault.replace_key() {
                rotation.release().await?;
                return Err(error.into());
            }
            rotation.made_key = true;
        }
        Ok(rotation)
    }

    /// The key that seals from now on.
    #[must_use]
    pub fn key_id(&self) -> String {
        self.vault.key_id()
    }

    /// Whether this rotation made the key, instead of going on with one that was there.
    #[must_use]
    pub fn made_key(&self) -> bool {
        self.made_key
    }

    /// Seals some rows anew; `false` when none are left.
    ///
    /// # Errors
    /// [`Error::Log`], [`Error::Vault`]; what was sealed anew stays so. [`Error::RotationUnderWay`] when this one was
    /// held up for so long that another took over.
    ///
    /// # Cancellation
    /// The batch is sealed anew or not; nothing becomes unreadable.
    pub async fn reseal_batch(&mut self) -> Result<bool, Error> {
        self.reseal_some(BATCH).await
    }

    /// As [`Self::reseal_batch`], with batches of another size.
    ///
    /// # Errors
    /// As [`Self::reseal_batch`].
    pub async fn reseal_some(&mut self, limit: u32) -> Result<bool, Error> {
        self.prolong().await?;
        let Some((table, batch)) = self.next_batch(limit).await? else { return Ok(false) };
        let mut work = Vec::new();
        for row in batch {
            let owner = table.owner(&row.account);
            // What no key opens stays as it is, and is told in the report.
            if let Ok(plain) = self.vault.open(&owner, &row.sealed) {
                let anew = self.vault.seal(&owner, &plain)?;
                work.push((row, anew));
            }
        }
        let written = self.log.write(move |unit| {
            Box::pin(async move {
                let mut written = 0_u64;
                for (row, anew) in &work {
                    let row: &SealedRow = row;
                    written += u64::from(rows::reseal(unit.connection(), table, row, anew).await?);
                }
                Ok::<_, event_log::Error>(written)
            })
        });
        self.resealed += written.await?;
        Ok(true)
    }

    /// The next rows that another key sealed, in whatever table they are.
    async fn next_batch(&mut self, limit: u32) -> Result<Option<(Table, Vec<SealedRow>)>, Error> {
        let readers = self.log.database().readers();
        while let Some(table) = Table::ALL.get(self.table_at).copied() {
            let batch = rows::others(readers, table, &self.vault.key_id(), &self.after, limit).await?;
            if let Some(last) = batch.last() {
                self.after.clone_from(&last.account);
                return Ok(Some((table, batch)));
            }
            self.table_at += 1;
            self.after.clear();
        }
        Ok(None)
    }

    /// Seals anew whatever is left, looks at all rows again, and records the rotation.
    ///
    /// # Errors
    /// As [`Self::reseal_batch`].
    ///
    /// # Cancellation
    /// As [`Self::reseal_batch`]; the event may be missing.
    pub async fn finish(mut self, actor: &Actor) -> Result<RotationReport, Error> {
        // The second pass finds what was written with the old key during the first.
        for _ in 0..2 {
            while self.reseal_batch().await? {}
            (self.table_at, self.after) = (0, String::new());
        }
        let sealed_by = rows::count(self.log.database().readers()).await?;
        let key_id = self.vault.key_id();
        let unreadable: Vec<(String, u64)> =
            sealed_by.iter().filter(|(id, _)| **id != key_id).map(|(id, count)| (id.clone(), *count)).collect();
        let is_unused = |id: &String| !sealed_by.contains_key(id);
        let unused_key_ids: Vec<String> = self.vault.other_key_ids().into_iter().filter(is_unused).collect();
        let unused_keys_in = if unused_key_ids.is_empty() { Vec::new() } else { self.vault.previous_words() };
        let data = Rotated {
            key_id: key_id.clone(),
            rows: self.resealed,
            unreadable: unreadable.iter().map(|(_, count)| count).sum(),
        };
        let event = NewEvent::new(ROTATED, "operator", &data).with_metadata(&actor.metadata());
        self.log.append(Append::new(stream(), vec![event])).await?;
        self.release().await?;
        Ok(RotationReport { key_id, resealed: self.resealed, unused_key_ids, unused_keys_in, unreadable })
    }

    async fn prolong(&self) -> Result<(), Error> {
        let by = self.leased_by.clone();
        let held = self.log.write(move |unit| {
            Box::pin(async move { event_log::prolong_lease(unit, LEASE, &by, LEASE_DURATION).await })
        });
        if held.await? { Ok(()) } else { Err(Error::RotationUnderWay) }
    }

    async fn release(&self) -> Result<(), Error> {
        let by = self.leased_by.clone();
        let released =
            self.log.write(move |unit| Box::pin(async move { event_log::release_lease(unit, LEASE, &by).await }));
        released.await?;
        Ok(())
    }
}
