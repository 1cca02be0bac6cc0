//! `[transfers.NAME]`: which records move which folders from where to where.

use std::collections::BTreeMap;
use std::time::Duration;

use super::account::{Account, Provider};
use super::nearest;
use super::schedule::Schedule;
use super::section::Section;
use super::value::Misfit;

/// `[transfers.NAME]`.
#[derive(Debug, Clone, PartialEq)]
pub struct Transfer {
    /// NAME.
    pub name: String,
    /// Key `crm`: account whose CRM holds the records. Required.
    pub crm: String,
    /// Key `source`: account that is copied from. Required.
    pub source: String,
    /// Key `destination`: account that is copied to. Required.
    pub destination: String,
    /// Key `module`: API name of the CRM module. Required.
    pub module: String,
    /// Key `checkbox_field`: API name of the checkbox that says a record is done. Required.
    pub checkbox_field: String,
    /// Key `folder_field`: API name of the field that names the folder. Required.
    pub folder_field: String,
    /// Key `source_team_folder_id`: the only team folder that is searched. Required.
    pub source_team_folder_id: String,
    /// Key `destination_folder_id`: the folder that copies go into. Required.
    pub destination_folder_id: String,
    /// Keys `schedule` (cron) and `timezone`, or `interval_seconds`: when pending records are looked for. Default: every
    /// 300 seconds. Each look costs a few calls; rare looks leave records waiting whose notification was lost.
    pub schedule: Schedule,
    /// Key `check_when`: `any` sets the checkbox when at least one file was transferred, `all` when none failed. Default `any`.
    pub check_when: CheckWhen,
    /// Key `concurrency`: files copied at a time, 1 to 64. Default 8. Each holds two connections and a small buffer.
    pub concurrency: u32,
    /// Key `max_attempts`: failed attempts after which a file is given up, 1 to 100. Default 3. Waiting for a provider's
    /// limit is no attempt.
    pub max_attempts: u32,
    /// Key `retry_base_ms`: pause after the first failed attempt, doubled after each further one, 1 to 600,000. Default 1000.
    pub retry_base: Duration,
}

/// When a record's checkbox is set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CheckWhen {
    /// At least one file was transferred.
    Any,
    /// All files were transferred.
    All,
}

/// Pause between looks for pending records.
const DEFAULT_INTERVAL_SECONDS: u64 = 300;

impl Transfer {
    pub(super) fn read(name: &str, mut section: Section<'_>, accounts: &BTreeMap<String, Account>) -> Self {
        let transfer = Self {
            name: name.to_owned(),
            crm: account(&mut section, "crm", accounts),
            source: account(&mut section, "source", accounts),
            destination: account(&mut section, "destination", accounts),
            module: api_name(&mut section, "module"),
            checkbox_field: api_name(&mut section, "checkbox_field"),
            folder_field: api_name(&mut section, "folder_field"),
            source_team_folder_id: folder_id(&mut section, "source_team_folder_id"),
            destination_folder_id: folder_id(&mut section, "destination_folder_id"),
            schedule: Schedule::read(&mut section, DEFAULT_INTERVAL_SECONDS),
            check_when: section
                .choice("check_when", &[("any", CheckWhen::Any), ("all", CheckWhen::All)])
                .unwrap_or(CheckWhen::Any),
            concurrency: small(&mut section, "concurrency", 8, 64),
            max_attempts: small(&mut section, "max_attempts", 3, 100),
            retry_base: Duration::from_millis(section.within("retry_base_ms", 1..=600_000).unwrap_or(1000)),
        };
        section.finish();
        transfer
    }
}

/// A whole number from 1 to a limit that fits.
fn small(section: &mut Section<'_>, key: &'static str, default: u32, most: u32) -> u32 {
    section.within(key, 1..=most.into()).and_then(|number| u32::try_from(number).ok()).unwrap_or(default)
}

fn account(section: &mut Section<'_>, key: &'static str, accounts: &BTreeMap<String, Account>) -> String {
    section.require(key, "name one of the accounts");
    let named = section.read(key, "the name of an account, in quotes", |leaf| {
        let name = leaf.raw.text()?.trim();
        match accounts.get(name) {
            Some(found) if found.provider == Provider::Zoho => Ok(name.to_owned()),
            Some(_) => Err(Misfit::Rule(format!("names `{name}`, whose provider is not zoho"))),
            None => {
                let hint = nearest::hint(name, accounts.keys().map(String::as_str));
                Err(Misfit::Rule(format!("names the account `{name}`, which is not configured{hint}")))
            }
        }
    });
    named.unwrap_or_default()
}

/// API names become part of queries, so only plain ones are let in.
fn api_name(section: &mut Section<'_>, key: &'static str) -> String {
    section.require(key, "give its API name, as the CRM's developer settings show it");
    let named = section.read(key, "an API name in quotes", |leaf| {
        let name = leaf.raw.text()?.trim();
        let plain = name.chars().all(|one| one.is_ascii_alphanumeric() || one == '_');
        if plain && name.starts_with(|first: char| first.is_ascii_alphabetic()) {
            return Ok(name.to_owned());
        }
        Err(Misfit::Rule("is no API name: letters, digits and `_`, beginning with a letter".to_owned()))
    });
    named.unwrap_or_default()
}

fn folder_id(section: &mut Section<'_>, key: &'static str) -> String {
    section.require(key, "give the id, the last part of the folder's address in WorkDrive");
    let id = section.read(key, "an id in quotes", |leaf| {
        let id = leaf.raw.text()?.trim();
        let plain = !id.is_empty() && id.chars().all(|one| one.is_ascii_alphanumeric() || one == '_' || one == '-');
        if plain { Ok(id.to_owned()) } else { Err(Misfit::Rule("is no id: letters, digits, `_` and `-`".to_owned())) }
    });
    id.unwrap_or_default()
}
