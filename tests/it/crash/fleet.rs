//! Many processes on one PostgreSQL: any of them is killed at any moment, and the servers restart in the middle.

use std::collections::HashSet;
use std::time::Duration;

use rand::RngExt;
use serde_json::json;
use testkit::kafka::OwnBroker;
use testkit::postgres::Cluster;
use tests::database::block_on;
use tests::fleet::{Crew, WITH_KAFKA, WITHOUT_KAFKA};
use tests::topic::Topic;
use tests::wait::until_true;
use tests::{Database, Fleet, binary, publication};

use super::run::Run;

/// Read models with what they say of a whole run.
pub const READ_MODELS: [&str; 7] =
    ["rm_accounts", "rm_records", "rm_transfers", "rm_transfer_files", "rm_registrations", "rm_polls", "rm_totals"];

/// Partitions of the topic.
const PARTITIONS: u32 = 6;

/// Counts the events that the relay has not noted as published.
pub const UNPUBLISHED: &str = "SELECT count(*) FROM events WHERE global_position > \
     coalesce((SELECT global_position FROM checkpoints WHERE subscription_name = 'relay'), 0)";

#[test]
fn any_process_killed_at_any_moment_and_the_database_restarted_without_kafka() {
    let kills = binary::kills().div_ceil(4);
    let mut voyage = Voyage::new(binary::seed().wrapping_add(2), None);
    voyage.live(kills);
    voyage.arrive(kills);
}

/// A crash run of many processes with servers of its own.
pub struct Voyage {
    /// The work.
    pub run: Run,
    /// The processes.
    pub fleet: Fleet,
    /// Starts of processes.
    starts: u32,
    /// Those that were started while the database was away: they may have given up.
    forlorn: HashSet<String>,
    cluster: Cluster,
    broker: Option<OwnBroker>,
}

/// A server that is away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Away {
    Database,
    Broker,
}

impl Voyage {
    /// All processes are started and ready; with a broker, events go over it.
    pub fn new(seed: u64, broker: Option<OwnBroker>) -> Self {
        let cluster = block_on(Cluster::start());
        let run = Run::with_database(seed, |_| Database::on_server(cluster.url()));
        let crew: Crew<'_> = if broker.is_some() { WITH_KAFKA } else { WITHOUT_KAFKA };
        let mut fleet = Fleet::new(run.site.clone(), crew);
        let mut settings = Run::settings(&run.site).with(&format!(
            "[http]\npublic_url = \"http://{}\"\n[service]\neffect_lease_seconds = 3\n",
            fleet.address()
        ));
        if let Some(broker) = &broker {
            settings =
                settings.with(&format!("[kafka]\nbrokers = \"{}\"\npartitions = {PARTITIONS}\n", broker.address()));
        }
        run.site.configure(&settings);
        let fate = json!({ "duplicate_probability": 0.3, "drop_probability": 0.2, "reorder_window": 3, "reorder_hold_ms": 300 });
        run.site.control().set_webhooks(fate).unwrap();
        fleet.start_all();
        let starts = u32::try_from(fleet.names().len()).unwrap();
        Voyage { run, fleet, starts, forlorn: HashSet::new(), cluster, broker }
    }

    /// Kills and restarts; the database is away twice in between, and the broker, if there is one.
    pub fn live(&mut self, kills: u32) {
        let mut outages = vec![Away::Database, Away::Broker, Away::Database, Away::Broker];
        outages.retain(|away| *away == Away::Database || self.broker.is_some());
        let every = kills / (outages.len() as u32 + 1);
        let mut away = None;
        for kill in 1..=kills {
            self.run.keep_busy();
            if let Some((server, until)) = away
                && kill >= until
            {
                self.bring_back(server);
                away = None;
            }
            if away.is_none() && kill % every.max(1) == 0 && !outages.is_empty() {
                let server = outages.remove(0);
                self.take_away(server);
                away = Some((server, kill + self.run.random.random_range(1..=3)));
            }
            self.kill_one(away.map(|(server, _)| server));
        }
        if let Some((server, _)) = away {
            self.bring_back(server);
        }
        assert!(outages.is_empty(), "{outages:?} did not happen");
    }

    fn kill_one(&mut self, away: Option<Away>) {
        let names = self.fleet.names();
        let victim = &names[self.run.random.random_range(0..names.len())];
        let id = self.fleet.kill(victim);
        if let (Some(id), true) = (id, away != Some(Away::Database)) {
            self.run.look_at_the_dead(id);
        }
        std::thread::sleep(Duration::from_millis(self.run.random.random_range(20..400)));
        self.start(&victim.clone(), away);
        std::thread::sleep(Duration::from_millis(self.run.random.random_range(100..700)));
    }

    fn start(&mut self, name: &str, away: Option<Away>) {
        self.fleet.start(name);
        self.starts += 1;
        if away == Some(Away::Database) {
            self.forlorn.insert(name.to_owned());
        } else {
            self.forlorn.remove(name);
        }
    }

    fn take_away(&mut self, server: Away) {
        match (server, &self.broker) {
            (Away::Database, _) => block_on(self.cluster.stop_immediate()),
            (Away::Broker, Some(broker)) => block_on(broker.kill()),
            (Away::Broker, None) => {}
        }
    }

    /// The server is there again. What ran when it went has not ended; what was started meanwhile may have.
    fn bring_back(&mut self, server: Away) {
        match (server, &self.broker) {
            (Away::Database, _) => block_on(self.cluster.start_again()),
            (Away::Broker, Some(broker)) => block_on(broker.start_again()),
            (Away::Broker, None) => {}
        }
        for name in std::mem::take(&mut self.forlorn) {
            self.fleet.kill(&name);
            self.start(&name, None);
        }
        self.fleet.assert_alive();
    }

    /// Everything comes to its end, the processes end well, and all is as it should be.
    pub fn arrive(&mut self, kills: u32) {
        self.fleet.until_ready();
        self.run.until_all_is_done();
        self.fleet.assert_alive();
        self.land();
        let met = self.fleet.forwarded();
        eprintln!("webhooks to each gateway: {met:?}");
        self.run.check(kills, self.starts);
        self.topic_says_what_the_log_says();
        assert!(met.iter().all(|count| *count > 0), "{met:?}");
        self.read_models_equal_rebuilt_ones();
    }

    /// Ends the processes in an order that leaves the topic and the read models up to date.
    fn land(&mut self) {
        let mut last = self.fleet.names_of("projector");
        last.extend(self.fleet.names_of("relay"));
        let others: Vec<String> = self.fleet.names().into_iter().filter(|name| !last.contains(name)).collect();
        self.fleet.stop_together(&others);
        let site = self.run.site.clone();
        if self.broker.is_some() {
            let log = site.log();
            until_true("every event is published", 60, || log.count(UNPUBLISHED) == 0);
        }
        until_true("the read models are up to date", 30, || {
            let listed = site.run(&["projections", "list", "--json"]).json();
            let rows = listed.as_array().cloned().unwrap_or_default();
            rows.len() >= READ_MODELS.len() && rows.iter().all(|one| one["lag_events"] == 0)
        });
        self.fleet.stop_together(&last);
    }

    fn topic_says_what_the_log_says(&self) {
        let Some(broker) = &self.broker else { return };
        let records = Topic::new(broker.address(), "gateledger.events").records();
        let publication = publication::compare(&self.run.site.log(), &records, PARTITIONS);
        eprintln!("{} events in {} records", publication.events, publication.records);
        publication.assert_right();
    }

    fn read_models_equal_rebuilt_ones(&self) {
        let site = &self.run.site;
        let log = site.log();
        let live = READ_MODELS.map(|table| log.rows(table));
        let rebuilt = site.run(&["projections", "rebuild"]);
        assert_eq!(rebuilt.code, Some(0), "{}\n{}", rebuilt.stdout, rebuilt.stderr);
        for (table, live) in READ_MODELS.iter().zip(live) {
            assert!(!live.is_empty(), "{table} is empty");
            assert_eq!(live, log.rows(table), "{table}");
        }
    }
}
