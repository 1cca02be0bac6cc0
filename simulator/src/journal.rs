//! What happened: the latest requests, and counts of everything. Bounded and cheap.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::clock::{Millis, instant};

/// One request as it was answered.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Entry {
    /// Rises by one with every request; the first is 1.
    pub seq: u64,
    /// Arrival on the virtual clock, RFC 3339 UTC.
    pub at: String,
    /// Route such as `crm.coql`.
    pub route: String,
    /// The organisation that the token or the client id belongs to.
    pub organization: Option<String>,
    /// HTTP method.
    pub method: String,
    /// Path without the query.
    pub path: String,
    /// HTTP status; 0 when the connection was cut.
    pub status: u16,
    /// From arrival to the head of the answer, in milliseconds of real time.
    pub duration_ms: u64,
    /// The fault that met it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault: Option<String>,
}

/// Everything counted since the start.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Counts {
    /// Requests by route, then by status; status `0` is a cut connection.
    pub routes: BTreeMap<String, BTreeMap<u16, u64>>,
    /// Notifications.
    pub webhooks: WebhookCounts,
    /// What clients did wrong, by kind.
    pub misdeeds: BTreeMap<String, Misdeed>,
    /// Calls of the token endpoint by organisation, then by outcome (`issued`, `invalid_code`, `throttled`, …).
    pub token_requests: BTreeMap<String, BTreeMap<String, u64>>,
    /// Faults that met a request, by kind.
    pub faults: BTreeMap<String, u64>,
}

impl Counts {
    /// Requests of a route with any status.
    #[must_use]
    pub fn requests(&self, route: &str) -> u64 {
        self.routes.get(route).map_or(0, |by_status| by_status.values().sum())
    }

    /// How often a misdeed was seen.
    #[must_use]
    pub fn misdeed(&self, kind: &str) -> u64 {
        self.misdeeds.get(kind).map_or(0, |misdeed| misdeed.count)
    }
}

/// Notifications by what became of them.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub struct WebhookCounts {
    /// Raised by a change and a live channel.
    pub raised: u64,
    /// Attempts over HTTP.
    pub attempts: u64,
    /// Answered with 2xx.
    pub delivered: u64,
    /// Attempts after the first of one notification.
    pub retried: u64,
    /// Given up after the last retry.
    pub failed: u64,
    /// Lost on purpose.
    pub dropped: u64,
    /// Sent a second time on purpose.
    pub duplicated: u64,
    /// Lost because too many were waiting.
    pub overflowed: u64,
}

/// One kind of wrong behaviour.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Misdeed {
    /// How often.
    pub count: u64,
    /// The latest case in words.
    pub last: String,
}

/// A request as it is remembered; turned into an [`Entry`] only when somebody asks.
#[derive(Debug)]
pub(crate) struct Observed {
    pub(crate) at: Millis,
    pub(crate) route: &'static str,
    pub(crate) organization: Option<Arc<str>>,
    pub(crate) method: &'static str,
    pub(crate) path: Box<str>,
    pub(crate) status: u16,
    pub(crate) duration_ms: u64,
    pub(crate) fault: Option<&'static str>,
}

/// The ring of requests and the counts.
#[derive(Debug, Default)]
pub(crate) struct Journal {
    kept: VecDeque<Observed>,
    last_seq: u64,
    routes: HashMap<(&'static str, u16), u64>,
    misdeeds: BTreeMap<&'static str, Misdeed>,
    token_requests: BTreeMap<(Arc<str>, &'static str), u64>,
    faults: BTreeMap<&'static str, u64>,
    pub(crate) webhooks: WebhookCounts,
}

impl Journal {
    pub(crate) fn record(&mut self, observed: Observed, keep: usize) {
        self.last_seq += 1;
        *self.routes.entry((observed.route, observed.status)).or_default() += 1;
        if let Some(fault) = observed.fault {
            *self.faults.entry(fault).or_default() += 1;
        }
        self.kept.push_back(observed);
        while self.kept.len() > keep {
            self.kept.pop_front();
        }
    }

    pub(crate) fn misdeed(&mut self, kind: &'static str, example: impl FnOnce() -> String) {
        let misdeed = self.misdeeds.entry(kind).or_default();
        misdeed.count += 1;
        misdeed.last = example();
    }

    pub(crate) fn token_request(&mut self, organization: Arc<str>, outcome: &'static str) {
        *self.token_requests.entry((organization, outcome)).or_default() += 1;
    }

    /// The remembered requests after `since`, oldest first.
    pub(crate) fn entries(&self, since: u64) -> Vec<Entry> {
        let first_seq = self.last_seq + 1 - self.kept.len() as u64;
        let skip = usize::try_from((since + 1).saturating_sub(first_seq)).unwrap_or(usize::MAX);
        (first_seq..).zip(&self.kept).skip(skip).map(|(seq, kept)| entry(seq, kept)).collect()
    }

    pub(crate) fn counts(&self) -> Counts {
        let mut counts = Counts { webhooks: self.webhooks, ..Counts::default() };
        for ((route, status), count) in &self.routes {
            counts.routes.entry((*route).to_owned()).or_default().insert(*status, *count);
        }
        for ((organization, outcome), count) in &self.token_requests {
            let outcomes = counts.token_requests.entry(organization.to_string()).or_default();
            outcomes.insert((*outcome).to_owned(), *count);
        }
        counts.misdeeds = self.misdeeds.iter().map(|(kind, seen)| ((*kind).to_owned(), seen.clone())).collect();
        counts.faults = self.faults.iter().map(|(kind, count)| ((*kind).to_owned(), *count)).collect();
        counts
    }
}

fn entry(seq: u64, kept: &Observed) -> Entry {
    Entry {
        seq,
        at: instant(kept.at).to_rfc3339_opts(chrono::SecondsFormat::Millis, true),
        route: kept.route.to_owned(),
        organization: kept.organization.as_deref().map(str::to_owned),
        method: kept.method.to_owned(),
        path: kept.path.to_string(),
        status: kept.status,
        duration_ms: kept.duration_ms,
        fault: kept.fault.map(str::to_owned),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn observed(status: u16) -> Observed {
        Observed {
            at: 0,
            route: "crm.coql",
            organization: None,
            method: "POST",
            path: "/api/crm/v8/coql".into(),
            status,
            duration_ms: 1,
            fault: None,
        }
    }

    #[test]
    fn ring_is_bounded_and_counts_are_not() {
        let mut journal = Journal::default();
        for _ in 0..5 {
            journal.record(observed(200), 2);
        }
        let seqs: Vec<u64> = journal.entries(0).iter().map(|entry| entry.seq).collect();
        assert_eq!(seqs, [4, 5]);
        assert_eq!(journal.entries(4).len(), 1);
        assert!(journal.entries(9).is_empty());
        assert_eq!(journal.counts().requests("crm.coql"), 5);
    }
}
