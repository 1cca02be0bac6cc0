//! The few settings of single roles: `[service]`, `[webhooks]`, `[poller]`, `[registrar]`.

use std::time::Duration;

use super::section::Section;

/// `[service]`: how the process ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Service {
    /// Key `shutdown_grace_seconds`: time for running work to end after the first signal, 0 to 3600. Default 20. What has
    /// not ended is dropped and settled at the next start.
    pub shutdown_grace: Duration,
    /// Key `effect_lease_seconds`: how long work that was begun stays with its process without a sign of life, 3 to
    /// 3,600. Default 60. After a crash others settle what it left after this time; a process that cannot reach the
    /// database for three quarters of it drops what it is doing, so no shorter than a failover of the database.
    pub effect_lease: Duration,
}

impl Service {
    pub(super) fn read(mut section: Section<'_>) -> Self {
        let service = Self {
            shutdown_grace: section.seconds("shutdown_grace_seconds", 20, 0..=3600),
            effect_lease: section.seconds("effect_lease_seconds", 60, 3..=3600),
        };
        section.finish();
        service
    }
}

/// `[webhooks]`: what is kept of requests that were not accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Webhooks {
    /// Key `rejected_keep`: how many rejected requests are kept, 0 to 1,000,000. Default 10,000; the oldest go first, so
    /// that nobody can fill the disk.
    pub rejected_keep: u64,
}

impl Webhooks {
    pub(super) fn read(mut section: Section<'_>) -> Self {
        let webhooks = Self { rejected_keep: section.within("rejected_keep", 0..=1_000_000).unwrap_or(10_000) };
        section.finish();
        webhooks
    }
}

/// `[registrar]`: how registrations with providers are kept alive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registrar {
    /// Key `check_seconds`: pause between comparisons with what the provider has, 1 to 86,400. Default 300. A registration
    /// that died unnoticed is found within this time.
    pub check: Duration,
    /// Key `lifetime_seconds`: how long a registration is asked to live, 60 to 604,800. Default 518,400 (6 days). Zoho
    /// silently gives one hour to who asks for more than it allows.
    pub lifetime: Duration,
    /// Key `renew_before_seconds`: how long before its end a registration is renewed, below `lifetime_seconds`. Default:
    /// half of the lifetime.
    pub renew_before: Duration,
}

/// One week: what Zoho CRM allows a channel.
const LONGEST_LIFETIME: u64 = 604_800;

impl Registrar {
    pub(super) fn read(mut section: Section<'_>) -> Self {
        let lifetime = section.seconds("lifetime_seconds", 518_400, 60..=LONGEST_LIFETIME);
        let lead = section.within("renew_before_seconds", 1..=lifetime.as_secs().saturating_sub(1));
        let registrar = Self {
            check: section.seconds("check_seconds", 300, 1..=86_400),
            lifetime,
            renew_before: lead.map_or(lifetime / 2, Duration::from_secs),
        };
        section.finish();
        registrar
    }
}
