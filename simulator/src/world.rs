//! The whole state behind the servers: organisations, live tokens, faults, knobs and the journal.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use crate::books::Books;
use crate::cliq::Cliq;
use crate::clock::Millis;
use crate::crm::Crm;
use crate::drive::Drive;
use crate::fault::Faults;
use crate::ingest::Received;
use crate::journal::Journal;
use crate::knobs::Knobs;
use crate::notify::Notification;
use crate::oauth::{Client, Code, LiveToken, Pending};
use crate::random::{Random, hash_text};
use crate::receiver::Inbox;
use crate::seed::{self, OrganizationSeed, Seed};
use crate::workdrive::limits::Limits;

/// Everything that changes, under one lock that is never held while waiting.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) organizations: Vec<Organization>,
    pub(crate) tokens: HashMap<Arc<str>, LiveToken>,
    pub(crate) codes: HashMap<String, Code>,
    /// Consent pages that wait for an answer.
    pub(crate) consents: BTreeMap<String, Pending>,
    /// Signed download addresses: item id and expiry.
    pub(crate) signed: HashMap<String, SignedDownload>,
    pub(crate) knobs: Knobs,
    pub(crate) faults: Faults,
    pub(crate) journal: Journal,
    /// What the analysis service took.
    pub(crate) ingest: Received,
    /// What the receivers of notifications have.
    pub(crate) inbox: Inbox,
    /// Notifications raised and not yet handed to the sender.
    pub(crate) outbox: Vec<Notification>,
    pub(crate) random: Random,
}

/// One organisation.
#[derive(Debug)]
pub(crate) struct Organization {
    pub(crate) name: Arc<str>,
    pub(crate) region: String,
    pub(crate) clients: Vec<Client>,
    pub(crate) crm: Crm,
    pub(crate) drive: Drive,
    pub(crate) books: Books,
    pub(crate) cliq: Cliq,
    pub(crate) limits: Limits,
}

/// What a signed address gives.
#[derive(Debug)]
pub(crate) struct SignedDownload {
    pub(crate) organization: usize,
    pub(crate) item: Arc<str>,
    pub(crate) expires_ms: Millis,
}

impl World {
    /// Builds the state of a seed, or says everything that is wrong with it.
    pub(crate) fn build(seed: &Seed, now: Millis) -> Result<Self, seed::Error> {
        let mut problems = Vec::new();
        let organizations: Vec<Organization> =
            seed.organizations.iter().map(|each| organization(each, seed.seed, now, &mut problems)).collect();
        let mut faults = Faults::new(seed.seed);
        for rule in &seed.faults {
            faults.add(rule.clone());
        }
        report_repeats("organization", seed.organizations.iter().map(|each| each.name.as_str()), &mut problems);
        let clients = seed.organizations.iter().flat_map(|each| &each.clients);
        report_repeats("client id", clients.map(|client| client.id.as_str()), &mut problems);
        let team_folders = seed.organizations.iter().flat_map(|each| &each.workdrive.team_folders);
        report_repeats("team folder id", team_folders.map(|folder| folder.id.as_str()), &mut problems);
        if !problems.is_empty() {
            return Err(seed::Error::Inconsistent(problems));
        }
        Ok(Self {
            organizations,
            tokens: HashMap::new(),
            codes: HashMap::new(),
            consents: BTreeMap::new(),
            signed: HashMap::new(),
            knobs: seed.knobs.clone(),
            faults,
            journal: Journal::default(),
            ingest: Received::default(),
            inbox: Inbox::default(),
            outbox: Vec::new(),
            random: Random::new(seed.seed ^ 0x70CE),
        })
    }

    pub(crate) fn organization_named(&mut self, name: &str) -> Option<&mut Organization> {
        self.organizations.iter_mut().find(|organization| &*organization.name == name)
    }
}

fn organization(seed: &OrganizationSeed, root: u64, now: Millis, problems: &mut Vec<String>) -> Organization {
    let own_seed = root ^ hash_text(&seed.name);
    let crm = Crm::build(seed, own_seed, now, problems);
    let books = Books::build(seed, own_seed, now, problems);
    let cliq = Cliq::build(seed, own_seed, now, problems);
    let workdrive = &seed.workdrive;
    let mut drive = Drive::new(workdrive.team_id.clone(), workdrive.team_name.clone(), own_seed);
    for folder in &workdrive.team_folders {
        drive.add_team_folder(&folder.id, folder.name.clone(), now);
    }
    for entry in &workdrive.entries {
        if let Err(problem) = drive.add_entry(entry, now) {
            problems.push(format!("organization {:?}: {problem}", seed.name));
        }
    }
    for generated in &workdrive.generated {
        if let Err(problem) = drive.add_generated(generated, now) {
            problems.push(format!("organization {:?}: {problem}", seed.name));
        }
    }
    Organization {
        name: seed.name.as_str().into(),
        region: seed.region.clone(),
        clients: seed.clients.iter().map(Client::build).collect(),
        crm,
        drive,
        books,
        cliq,
        limits: Limits::default(),
    }
}

fn report_repeats<'a>(what: &str, names: impl Iterator<Item = &'a str>, problems: &mut Vec<String>) {
    let mut seen = HashSet::new();
    for name in names {
        if !seen.insert(name) {
            problems.push(format!("{what} {name:?} appears twice"));
        }
    }
}
