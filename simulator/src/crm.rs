//! CRM: modules and their records, queries, updates and watch channels (zoho.md section 2).

pub(crate) mod channel;
pub(crate) mod coql;
pub(crate) mod dialect;
pub(crate) mod fetch;
pub(crate) mod limits;
pub(crate) mod list;
pub(crate) mod module;
pub(crate) mod search;
pub(crate) mod update;
pub(crate) mod users;
pub(crate) mod watch;

use std::collections::BTreeMap;

use chrono::{FixedOffset, Offset, Utc};

use crate::random::Random;
use crate::seed::OrganizationSeed;

pub(crate) use channel::Channel;
pub(crate) use limits::Usage;
pub(crate) use module::{Module, Record};

/// CRM of one organisation.
#[derive(Debug)]
pub(crate) struct Crm {
    pub(crate) modules: Vec<Module>,
    pub(crate) channels: BTreeMap<String, Channel>,
    pub(crate) offset: FixedOffset,
    pub(crate) usage: Usage,
}

impl Crm {
    /// Builds the modules and records of a seed; problems are added to `problems`.
    pub(crate) fn build(seed: &OrganizationSeed, root: u64, now: i64, problems: &mut Vec<String>) -> Self {
        let mut random = Random::new(root ^ 0xC4_33);
        let offset = FixedOffset::east_opt(seed.utc_offset_minutes * 60).unwrap_or_else(|| {
            problems.push(format!("organization {:?}: utc_offset_minutes is out of range", seed.name));
            Utc.fix()
        });
        let modules = seed.modules.iter().map(|module| Module::build(module, &mut random, now, problems)).collect();
        Self { modules, channels: BTreeMap::new(), offset, usage: Usage::default() }
    }

    pub(crate) fn module(&self, name: &str) -> Option<&Module> {
        self.modules.iter().find(|module| &*module.name == name)
    }

    pub(crate) fn module_mut(&mut self, name: &str) -> Option<&mut Module> {
        self.modules.iter_mut().find(|module| &*module.name == name)
    }
}
