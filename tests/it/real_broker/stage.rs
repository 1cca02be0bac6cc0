//! Processes on the shared PostgreSQL server and a broker, with a topic of their own.

use std::collections::BTreeMap;
use std::sync::Arc;

use simulator::Seed;
use simulator::control::State;
use tests::fleet::Crew;
use tests::log::Log;
use tests::topic::Topic;
use tests::verify::{self, is_checked, records};
use tests::wait::until_true;
use tests::{Fleet, Settings, Site, Store, publication, story};

use crate::crash::fleet::UNPUBLISHED;
use crate::partner;

/// Partitions of the topic. The broker of these tests takes long to find records in a partition that holds many.
pub const PARTITIONS: u32 = 12;

pub struct Stage {
    pub site: Arc<Site>,
    pub fleet: Fleet,
    pub topic: Topic,
    /// The topic's name, and the first part of the groups' names.
    name: String,
    before: State,
}

impl Stage {
    /// The processes of `crew`, configured and not started, with `settings` over the usual ones.
    pub fn new(seed: &Seed, brokers: &str, crew: Crew<'_>, settings: &str) -> Self {
        let site = Arc::new(Site::on(Store::Postgres, seed));
        let fleet = Fleet::new(site.clone(), crew);
        let name = site.folder().file_name().unwrap().to_string_lossy().into_owned();
        let usual = format!(
            "[http]\npublic_url = \"http://{}\"\n[service]\neffect_lease_seconds = 3\n\
             [kafka]\nbrokers = \"{brokers}\"\ntopic = \"{name}\"\ngroup_prefix = \"{name}\"\npartitions = {PARTITIONS}\n",
            fleet.address()
        );
        site.configure(&site.settings().with(partner::SETTINGS).with(&usual).with(settings));
        let before = site.state();
        Stage { topic: Topic::new(brokers, &name), name, site, fleet, before }
    }

    /// The test itself is let in to the broker with these properties of librdkafka too.
    pub fn with_options(mut self, options: &BTreeMap<String, String>) -> Self {
        self.topic = self.topic.with_options(options);
        self
    }

    /// The database.
    pub fn log(&self) -> Log {
        self.site.log()
    }

    /// The group of a consumer.
    pub fn group(&self, consumer: &str) -> String {
        format!("{}.{consumer}", self.name)
    }

    /// From now on the consumers are in groups that nobody knows.
    pub fn rename_groups(&mut self) {
        self.name.push_str(".renamed");
        let text = std::fs::read_to_string(self.site.file("gateledger.toml")).unwrap();
        let settings = Settings::default().with(&text).with(&format!("[kafka]\ngroup_prefix = \"{}\"", self.name));
        self.site.configure(&settings);
    }

    /// Waits until all records are checked and no effect is open.
    pub fn until_all_is_done(&self) {
        let log = self.log();
        until_true("everything is transferred", 90, || {
            records(&self.site.state()).iter().all(is_checked) && log.open_effects() == 0
        });
    }

    /// Waits until the relay has published everything.
    pub fn until_published(&self) {
        let log = self.log();
        until_true("every event is published", 60, || log.count(UNPUBLISHED) == 0);
    }

    /// Ends all processes, the relays last; then the topic must say what the log says.
    pub fn land(&mut self) {
        let relays = self.fleet.names_of("relay");
        let others: Vec<String> = self.fleet.names().into_iter().filter(|name| !relays.contains(name)).collect();
        self.fleet.stop_together(&others);
        self.until_published();
        self.fleet.stop_together(&relays);
        let publication = publication::compare(&self.log(), &self.topic.records(), PARTITIONS);
        eprintln!("{} events in {} records", publication.events, publication.records);
        publication.assert_right();
    }

    /// Every file was brought once and every checkbox set once, by the providers and by the log.
    pub fn assert_transferred_once(&self) {
        let findings = verify::compare(&self.before, &self.site.state());
        findings.assert_right();
        let told = story::read(&self.log());
        told.assert_whole();
        assert_eq!(told.files, findings.files, "files brought, by the log and by the destination");
        assert_eq!(told.dead_letters, 0);
        let misdeeds = self.site.control().counts().misdeeds;
        assert!(misdeeds.is_empty(), "{misdeeds:?}");
    }
}
