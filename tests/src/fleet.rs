//! Many processes of the binary on one database, each with one role, as on many machines.

use std::net::SocketAddr;
use std::sync::Arc;

use crate::balancer::Balancer;
use crate::http::get;
use crate::site::free_address;
use crate::wait::until_true;
use crate::{Process, Site};

/// How many processes of which role; several roles of one process are joined by `+`.
pub type Crew<'a> = &'a [(&'a str, usize)];

/// Two of everything, three consumers.
pub const WITHOUT_KAFKA: Crew<'static> =
    &[("gateway", 2), ("poller", 2), ("registrar", 2), ("projector", 2), ("consumer", 3)];

/// The same with two relays.
pub const WITH_KAFKA: Crew<'static> =
    &[("gateway", 2), ("poller", 2), ("registrar", 2), ("relay", 2), ("projector", 2), ("consumer", 3)];

/// The processes; killed when dropped.
#[derive(Debug)]
pub struct Fleet {
    site: Arc<Site>,
    balancer: Balancer,
    members: Vec<Member>,
}

/// One process, which may be down at the moment.
#[derive(Debug)]
struct Member {
    role: String,
    /// The role and a number: `consumer-2`.
    name: String,
    /// Where it listens; gateways alone do.
    listen: SocketAddr,
    process: Option<Process>,
}

impl Fleet {
    /// The processes of `crew`, none of which is started, and one address in front of the gateways.
    #[must_use]
    pub fn new(site: Arc<Site>, crew: Crew<'_>) -> Self {
        let members: Vec<Member> =
            crew.iter().flat_map(|(role, count)| (1..=*count).map(|at| Member::new(role, at))).collect();
        let gateways = members.iter().filter(|member| member.is_gateway()).map(|member| member.listen).collect();
        Fleet { site, balancer: Balancer::start(gateways), members }
    }

    /// The address in front of the gateways, for `http.public_url`.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.balancer.address()
    }

    /// Requests that each gateway has answered.
    #[must_use]
    pub fn forwarded(&self) -> Vec<usize> {
        self.balancer.forwarded()
    }

    /// Where each gateway listens.
    #[must_use]
    pub fn gateways(&self) -> Vec<SocketAddr> {
        self.members.iter().filter(|member| member.is_gateway()).map(|member| member.listen).collect()
    }

    /// Names of all processes.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        self.members.iter().map(|member| member.name.clone()).collect()
    }

    /// Names of the processes of a role.
    #[must_use]
    pub fn names_of(&self, role: &str) -> Vec<String> {
        self.members.iter().filter(|member| member.role == role).map(|member| member.name.clone()).collect()
    }

    /// A number that a process with the role gateway tells of itself, by the metric's name and labels as they are written; 0
    /// when it tells nothing of it.
    #[must_use]
    pub fn metric(&self, name: &str, metric: &str) -> f64 {
        let member = self.members.iter().find(|member| member.name == name);
        let answer = member.and_then(|member| get(member.listen, "/metrics").ok());
        let body = answer.map(|answer| answer.body).unwrap_or_default();
        let found = body.lines().find_map(|line| line.strip_prefix(metric)?.strip_prefix(' ')?.parse().ok());
        found.unwrap_or(0.0)
    }

    /// One more process of a role; returns its name. It is not started.
    pub fn add(&mut self, role: &str) -> String {
        let member = Member::new(role, self.names_of(role).len() + 1);
        let name = member.name.clone();
        self.members.push(member);
        name
    }

    /// Starts a process; nothing happens when it runs.
    pub fn start(&mut self, name: &str) {
        let site = self.site.clone();
        let member = self.member(name);
        if member.process.is_none() {
            let listen = ("GATELEDGER__HTTP__LISTEN", member.listen.to_string());
            let roles = member.role.split('+').flat_map(|role| ["--role", role]);
            let arguments: Vec<&str> = std::iter::once("serve").chain(roles).collect();
            member.process = Some(site.start_named(&member.name, &[listen], &arguments));
        }
    }

    /// Starts all that do not run and waits until the gateways are ready.
    pub fn start_all(&mut self) {
        for name in self.names() {
            self.start(&name);
        }
        self.until_ready();
    }

    /// Waits until the gateways that are up are ready.
    pub fn until_ready(&mut self) {
        until_true("the gateways are ready", 60, || {
            self.assert_alive();
            let mut gateways = self.members.iter().filter(|member| member.is_gateway() && member.process.is_some());
            gateways.all(|gateway| get(gateway.listen, "/ready").is_ok_and(|answer| answer.status == 200))
        });
    }

    /// SIGKILL; returns its process id, or nothing when it was down.
    pub fn kill(&mut self, name: &str) -> Option<u32> {
        let process = self.member(name).process.take()?;
        let id = process.id();
        process.kill();
        Some(id)
    }

    /// SIGTERM, and waits for a good end; nothing happens when it is down.
    ///
    /// # Panics
    /// When it does not end well within ten seconds.
    pub fn stop(&mut self, name: &str) {
        self.stop_together(&[name.to_owned()]);
    }

    /// SIGTERM to several at the same time, and waits for a good end of all.
    ///
    /// # Panics
    /// When one does not end well within ten seconds.
    pub fn stop_together(&mut self, names: &[String]) {
        for name in names {
            if let Some(process) = &self.member(name).process {
                process.terminate();
            }
        }
        for name in names {
            if let Some(mut process) = self.member(name).process.take() {
                assert!(process.wait(10).success(), "{name} does not end well:\n{}", process.stderr());
            }
        }
    }

    /// SIGSTOP: it stands still, its connections stay open.
    pub fn freeze(&mut self, name: &str) {
        self.process(name).signal("STOP");
    }

    /// SIGCONT: it goes on as if nothing had happened.
    pub fn thaw(&mut self, name: &str) {
        self.process(name).signal("CONT");
    }

    /// The process that calls itself so in a lease.
    ///
    /// # Panics
    /// When it is none of these.
    #[must_use]
    pub fn holder(&self, leased_by: &str) -> String {
        let id = leased_by.split(':').next().and_then(|id| id.parse().ok());
        let holds = |member: &&Member| member.process.as_ref().map(Process::id) == id;
        let member = self.members.iter().find(holds);
        member.unwrap_or_else(|| panic!("{leased_by} is none of {:?}", self.names())).name.clone()
    }

    /// Demands that no process has ended by itself.
    ///
    /// # Panics
    /// When one has; shows what it said.
    pub fn assert_alive(&mut self) {
        for member in &mut self.members {
            if let Some(process) = &mut member.process {
                assert!(process.is_running(), "{} ended by itself:\n{}", member.name, process.stderr());
            }
        }
    }

    /// What a process and those before it under its name have written to standard error.
    #[must_use]
    pub fn stderr(&self, name: &str) -> String {
        std::fs::read_to_string(self.site.file(&format!("stderr-{name}.txt"))).unwrap_or_default()
    }

    fn process(&mut self, name: &str) -> &Process {
        self.member(name).process.as_ref().unwrap_or_else(|| panic!("{name} is down"))
    }

    fn member(&mut self, name: &str) -> &mut Member {
        self.members.iter_mut().find(|member| member.name == name).unwrap_or_else(|| panic!("there is no {name}"))
    }
}

impl Member {
    fn new(role: &str, number: usize) -> Self {
        let name = format!("{}-{number}", role.replace(':', "-"));
        Member { role: role.to_owned(), name, listen: free_address(), process: None }
    }

    fn is_gateway(&self) -> bool {
        self.role.split('+').any(|role| role == "gateway")
    }
}
