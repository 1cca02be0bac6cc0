//! Faults on demand: rules that name a route and what goes wrong there.

use serde::{Deserialize, Serialize};

use crate::random::Random;

/// A rule: which requests it meets and what happens to them.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FaultRule {
    /// A route such as `workdrive.upload_stream`, a product such as `workdrive.*`, or `*`.
    pub route: String,
    /// Only requests of this organisation; absent for all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub organization: Option<String>,
    /// So many matching requests pass first; 0.
    #[serde(default)]
    pub skip: u64,
    /// How many requests it meets; 1.
    #[serde(default)]
    pub times: Times,
    /// Share of the matching requests it meets, 0.0 to 1.0; absent for all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub probability: Option<f64>,
    /// What goes wrong.
    pub fault: Fault,
}

impl FaultRule {
    /// A rule that meets the next request of `route` once.
    #[must_use]
    pub fn once(route: impl Into<String>, fault: Fault) -> Self {
        Self { route: route.into(), organization: None, skip: 0, times: Times::Count(1), probability: None, fault }
    }

    /// The same rule for so many requests.
    #[must_use]
    pub fn times(mut self, times: u64) -> Self {
        self.times = Times::Count(times);
        self
    }

    /// The same rule without end.
    #[must_use]
    pub fn forever(mut self) -> Self {
        self.times = Times::Forever(Forever::Forever);
        self
    }

    /// The same rule, met only with this probability.
    #[must_use]
    pub fn with_probability(mut self, probability: f64) -> Self {
        self.probability = Some(probability);
        self
    }

    /// The same rule after letting so many requests pass.
    #[must_use]
    pub fn skipping(mut self, skip: u64) -> Self {
        self.skip = skip;
        self
    }

    /// The same rule for one organisation.
    #[must_use]
    pub fn for_organization(mut self, name: impl Into<String>) -> Self {
        self.organization = Some(name.into());
        self
    }

    fn covers(&self, route: &str, organization: Option<&str>) -> bool {
        let route_matches = match self.route.strip_suffix('*') {
            Some(prefix) => route.starts_with(prefix),
            None => route == self.route,
        };
        let organization_matches = self.organization.is_none() || self.organization.as_deref() == organization;
        route_matches && organization_matches
    }
}

/// How often a rule applies: a number, or the word `forever`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Times {
    /// So many requests.
    Count(u64),
    /// Every request.
    Forever(Forever),
}

impl Default for Times {
    fn default() -> Self {
        Self::Count(1)
    }
}

/// The word `forever`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Forever {
    /// Without end.
    Forever,
}

/// What goes wrong. Written with its name under `kind`: `{"kind": "delay", "ms": 200}`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Fault {
    /// Too many requests in the product's own dialect. On WorkDrive a time is also enforced for that resource.
    Throttle {
        /// `Retry-After` in seconds; absent for no such header.
        #[serde(default, alias = "retry_after", skip_serializing_if = "Option::is_none")]
        retry_after_seconds: Option<u32>,
    },
    /// This status, with the product's error body or with a page of HTML.
    Status {
        /// HTTP status.
        code: u16,
        /// Send HTML instead of JSON; false.
        #[serde(default)]
        html_body: bool,
    },
    /// The access token of this call stops working now.
    ExpiredToken {},
    /// The connection closes before anything is done.
    CutBefore {},
    /// All is done and kept, the connection closes instead of an answer.
    CutAfter {},
    /// The connection closes after so many bytes: of the answer, or of the body of an upload.
    CutMidBody {
        /// Bytes that still get through.
        after_bytes: u64,
    },
    /// The answer comes later.
    Delay {
        /// Milliseconds of real time.
        ms: u64,
    },
    /// Everything is done, the JSON of the answer ends in the middle.
    TruncatedJson {},
    /// Nothing is done and no answer ever comes; the connection stays open.
    Hang {},
    /// All is done and kept, the answer is a failure with this status all the same.
    StatusAfter {
        /// HTTP status.
        code: u16,
    },
    /// All is done and kept, no answer ever comes; the connection stays open.
    HangAfter {},
    /// A download trickles.
    SlowDrip {
        /// Bytes per second of real time.
        bytes_per_second: u64,
    },
    /// A download ends early and its `Content-Length` agrees with the short body.
    ShortBody {
        /// Bytes that are sent.
        bytes: u64,
    },
}

impl Fault {
    /// Its wire name.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Throttle { .. } => "throttle",
            Self::Status { .. } => "status",
            Self::ExpiredToken {} => "expired_token",
            Self::CutBefore {} => "cut_before",
            Self::CutAfter {} => "cut_after",
            Self::CutMidBody { .. } => "cut_mid_body",
            Self::Delay { .. } => "delay",
            Self::TruncatedJson {} => "truncated_json",
            Self::Hang {} => "hang",
            Self::StatusAfter { .. } => "status_after",
            Self::HangAfter {} => "hang_after",
            Self::SlowDrip { .. } => "slow_drip",
            Self::ShortBody { .. } => "short_body",
        }
    }
}

/// A rule with what became of it.
#[derive(Debug, Clone, Serialize)]
pub struct FaultState {
    /// Number to delete it by.
    pub id: u64,
    /// The rule.
    #[serde(flatten)]
    pub rule: FaultRule,
    /// Requests its route and organisation covered.
    pub matched: u64,
    /// Requests it met.
    pub fired: u64,
}

/// The rules in force, oldest first.
#[derive(Debug)]
pub(crate) struct Faults {
    rules: Vec<FaultState>,
    next_id: u64,
    random: Random,
}

impl Faults {
    pub(crate) fn new(seed: u64) -> Self {
        Self { rules: Vec::new(), next_id: 1, random: Random::new(seed ^ 0xFA17) }
    }

    pub(crate) fn add(&mut self, rule: FaultRule) -> u64 {
        let id = self.next_id;
        self.next_id += 1;
        self.rules.push(FaultState { id, rule, matched: 0, fired: 0 });
        id
    }

    pub(crate) fn list(&self) -> Vec<FaultState> {
        self.rules.clone()
    }

    /// Removes one rule; false when there is none with this id.
    pub(crate) fn remove(&mut self, id: u64) -> bool {
        let before = self.rules.len();
        self.rules.retain(|state| state.id != id);
        before != self.rules.len()
    }

    pub(crate) fn clear(&mut self) {
        self.rules.clear();
    }

    /// What the oldest rule that wants this request does to it.
    pub(crate) fn take(&mut self, route: &str, organization: Option<&str>) -> Option<Fault> {
        for state in &mut self.rules {
            if !state.rule.covers(route, organization) || is_spent(state) {
                continue;
            }
            state.matched += 1;
            if state.matched <= state.rule.skip {
                continue;
            }
            if state.rule.probability.is_some_and(|share| !self.random.chance(share)) {
                continue;
            }
            state.fired += 1;
            return Some(state.rule.fault.clone());
        }
        None
    }
}

fn is_spent(state: &FaultState) -> bool {
    matches!(state.rule.times, Times::Count(times) if state.fired >= times)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn rule_skips_then_fires_so_many_times() {
        let mut faults = Faults::new(1);
        faults.add(FaultRule::once("crm.*", Fault::Hang {}).skipping(1).times(2));
        let hits: Vec<bool> = (0..5).map(|_| faults.take("crm.coql", None).is_some()).collect();
        assert_eq!(hits, [false, true, true, false, false]);
        assert!(faults.take("workdrive.list", None).is_none());
    }

    #[test]
    fn rule_of_one_organization_leaves_the_others_alone() {
        let mut faults = Faults::new(1);
        faults.add(FaultRule::once("*", Fault::Hang {}).for_organization("org-a").forever());
        assert!(faults.take("crm.coql", Some("org-b")).is_none());
        assert!(faults.take("crm.coql", Some("org-a")).is_some());
    }

    #[test]
    fn rule_reads_from_json_and_unknown_fields_are_named() {
        let rule: FaultRule =
            serde_json::from_str(r#"{"route":"*","times":"forever","fault":{"kind":"throttle","retry_after":5}}"#)
                .unwrap();
        assert_eq!(rule.fault, Fault::Throttle { retry_after_seconds: Some(5) });
        let error =
            serde_json::from_str::<FaultRule>(r#"{"route":"*","fault":{"kind":"hang","often":1}}"#).unwrap_err();
        assert!(error.to_string().contains("often"), "{error}");
    }
}
