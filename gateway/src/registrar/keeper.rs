//! Carries out the plan for one target, step by step, and waits when the provider does not let it.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use catalogue::registration::{self, Registration};
use chrono::{DateTime, TimeDelta, Utc};
use event_log::{Append, EventType, Leadership, NewEvent, UnitOfWork};
use providers::error::{Error as ProviderError, Outcome};
use providers::zoho::Client;
use providers::zoho::crm::{Watch, WatchEvent};
use secrecy::SecretString;
use sha2::{Digest, Sha256};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use url::Url;

use super::KIND;
use super::plan::{Observed, Step, Wish, plan};
use super::rows::{self, Creation, Row, State};
use crate::intake::pause::{LOOK_EVERY, Patience, needs_a_person, wait};
use crate::intake::settings::Target;
use crate::intake::{Error, Intake, only_as_leader};
use crate::schedule;

/// Pause after a failure; doubled after each further one, up to the longest.
const FIRST_PAUSE: TimeDelta = TimeDelta::seconds(15);
const LONGEST_PAUSE: TimeDelta = TimeDelta::minutes(30);

/// How soon the provider is asked again about a creation without an answer.
const ASK_AGAIN_AFTER: TimeDelta = TimeDelta::seconds(3);

/// Channel ids: long enough never to meet another one, and exact in every JSON reader.
const CHANNEL_IDS: std::ops::Range<u64> = 1_000_000_000_000..(1 << 53);

/// Keeps the registration of one target.
pub(super) struct Keeper {
    intake: Arc<Intake>,
    leadership: Leadership,
    target: Target,
    client: Client,
    notify_url: Option<Url>,
    changes: watch::Receiver<u64>,
    /// When the provider is asked next what it has.
    look_at: DateTime<Utc>,
    /// No call before, after a failure.
    not_before: Option<DateTime<Utc>>,
    waits_for_person: bool,
    failures: u32,
    /// The last failure that was told.
    told: Option<&'static str>,
}

/// On what grounds something is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Authority {
    /// We lead: nobody else has changed anything since we planned it.
    Leader,
    /// We called the provider: this is what became of it, whoever leads by now.
    Caller,
}

impl Keeper {
    pub(super) fn new(
        intake: Arc<Intake>,
        leadership: Leadership,
        target: Target,
        wished: bool,
    ) -> Result<Self, Error> {
        let client = intake.client(&target.account)?.clone();
        let notify_url = if wished { intake.settings.notify_url(&target.account).ok() } else { None };
        let changes = intake.changes.clone();
        Ok(Keeper {
            intake,
            leadership,
            target,
            client,
            notify_url,
            changes,
            look_at: DateTime::UNIX_EPOCH,
            not_before: None,
            waits_for_person: false,
            failures: 0,
            told: None,
        })
    }

    /// Keeps it until `stop`.
    pub(super) async fn run(mut self, stop: CancellationToken) -> Result<(), Error> {
        let mut patience = Patience::default();
        while !stop.is_cancelled() {
            let stepped = self.step(&stop).await;
            patience.survive("a registration", stepped, &stop).await?;
            wait(LOOK_EVERY, &stop).await;
        }
        Ok(())
    }

    async fn step(&mut self, stop: &CancellationToken) -> Result<(), Error> {
        let now = self.intake.log.now();
        let recovered = self.waits_for_person && self.changes.has_changed().unwrap_or(false);
        if self.not_before.is_some_and(|not_before| not_before > now) && !recovered {
            return Ok(());
        }
        self.changes.mark_unchanged();
        let (account, module) = (&self.target.account, self.target.module.as_str());
        let rows = rows::open(self.intake.log.database().readers(), account, module).await?;
        let observed = if self.look_at <= now && !rows.is_empty() {
            match stop.run_until_cancelled(self.look(&rows, now)).await {
                None => return Ok(()),
                Some(Ok(observed)) => observed,
                Some(Err(error)) => return self.troubled(&error, now).await,
            }
        } else {
            None
        };
        let asked = observed.is_some();
        let steps = {
            let wish = Wish {
                notify_url: self.notify_url.as_ref().map(Url::as_str),
                renew_before: delta(self.intake.settings.renew_before),
                retire_after: delta(self.intake.settings.retire_after),
            };
            plan(&rows, observed.as_deref(), &wish, now)
        };
        for step in steps {
            if let Err(error) = self.carry_out(step, &rows).await? {
                return self.troubled(&error, now).await;
            }
        }
        if asked {
            self.failures = 0;
            self.told = None;
        }
        (self.not_before, self.waits_for_person) = (None, false);
        Ok(())
    }

    /// Asks the provider what it has. A failure of this call alone does not keep renewals from happening by the clock.
    async fn look(&mut self, rows: &[Row], now: DateTime<Utc>) -> Result<Option<Vec<Observed>>, ProviderError> {
        let undecided = rows.iter().any(|row| row.state == State::Creating);
        let check_every = delta(self.intake.settings.check_every);
        self.look_at = now + if undecided { check_every.min(ASK_AGAIN_AFTER) } else { check_every };
        match self.client.crm().watch_list(None, Some(&self.target.module)).await {
            Ok(channels) => {
                let observed = |channel: providers::zoho::crm::ChannelDetails| Observed {
                    registration_id: channel.channel_id,
                    expires_at: channel.expiry,
                };
                Ok(Some(channels.into_iter().map(observed).collect()))
            }
            Err(error) if error.stops_account() || error.throttled_until().is_some() => Err(error),
            Err(error) => {
                self.tell(&error, "the provider does not say which registrations it has");
                Ok(None)
            }
        }
    }

    /// The inner error is the provider's, and ends the round.
    async fn carry_out(&mut self, step: Step, rows: &[Row]) -> Result<Result<(), ProviderError>, Error> {
        match step {
            Step::Create { covered_since } => return self.create(covered_since).await,
            Step::Delete { registration_id } => return self.delete(registration_id, rows).await,
            Step::Activate { registration_id, expires_at, covered_since } => {
                self.activated(Authority::Leader, registration_id, expires_at, covered_since).await?;
            }
            Step::Lose { registration_id, reason } => self.lost(registration_id, reason, rows).await?,
            Step::Forget { registration_id } => {
                self.write(Authority::Leader, move |unit| {
                    Box::pin(async move {
                        let (now, reason) = (unit.now(), Some("it never reached the provider"));
                        rows::end(unit.connection(), now, &registration_id, "removed", reason).await?;
                        Ok(())
                    })
                })
                .await?;
            }
            Step::Confirm { registration_id, expires_at } => {
                self.write(Authority::Leader, move |unit| {
                    Box::pin(async move {
                        let now = unit.now();
                        Ok(rows::confirm(unit.connection(), now, &registration_id, expires_at).await?)
                    })
                })
                .await?;
            }
            Step::Retire { registration_id } => {
                self.write(Authority::Leader, move |unit| {
                    Box::pin(async move {
                        let now = unit.now();
                        Ok(rows::retire(unit.connection(), now, &registration_id).await?)
                    })
                })
                .await?;
            }
        }
        Ok(Ok(()))
    }

    /// Asks for a new registration. Its row is committed first; when the answer is lost, the row stays to be settled.
    async fn create(&mut self, covered_since: Option<DateTime<Utc>>) -> Result<Result<(), ProviderError>, Error> {
        let Some(notify_url) = self.notify_url.clone() else { return Ok(Ok(())) };
        let token = URL_SAFE_NO_PAD.encode(rand::random::<[u8; 32]>());
        let registration_id = rand::random_range(CHANNEL_IDS).to_string();
        let creation = Arc::new(Creation {
            registration_id: registration_id.clone(),
            account: self.target.account.clone(),
            target: self.target.module.as_str().to_owned(),
            notify_url: notify_url.as_str().to_owned(),
            token_hash: Sha256::digest(token.as_bytes()).into(),
        });
        let row = creation.clone();
        self.write(Authority::Leader, move |unit| {
            Box::pin(async move {
                let now = unit.now();
                Ok(rows::insert(unit.connection(), now, &row).await?)
            })
        })
        .await?;
        let watch = Watch {
            channel_id: registration_id.clone(),
            module: self.target.module.clone(),
            events: vec![WatchEvent::All],
            expiry: self.intake.log.now() + delta(self.intake.settings.lifetime),
            token: SecretString::from(token),
            notify_url,
        };
        match self.client.crm().watch_create(&watch).await {
            Ok(watched) => {
                self.activated(Authority::Caller, registration_id, watched.expiry, covered_since).await.map(Ok)
            }
            Err(error) if error.outcome() == Outcome::Unknown => {
                self.look_at = self.intake.log.now();
                Ok(Err(error))
            }
            Err(error) => self.refused(creation, &error).await.map(|()| Err(error)),
        }
    }

    /// It is live. Unless it continues a live one, changes may have gone unannounced before: a poll looks for them.
    async fn activated(
        &self,
        authority: Authority,
        registration_id: String,
        expires_at: DateTime<Utc>,
        covered_since: Option<DateTime<Utc>>,
    ) -> Result<(), Error> {
        let target = self.target.clone();
        tracing::info!(account.id = %target.account, registration.id = %registration_id, "a registration for {} is live", target.module);
        self.write(authority, move |unit| {
            Box::pin(async move {
                let now = unit.now();
                let since = covered_since.unwrap_or(now);
                if !rows::activate(unit.connection(), now, &registration_id, expires_at, since).await? {
                    return Ok(());
                }
                if covered_since.is_none() {
                    want_polls(unit, &target).await?;
                }
                append(unit, &target, registration::CREATED, registration_id, Some(expires_at), None).await
            })
        })
        .await
    }

    async fn lost(&self, registration_id: String, reason: &'static str, rows: &[Row]) -> Result<(), Error> {
        let expires_at = expiry_of(&registration_id, rows);
        let target = self.target.clone();
        metrics::counter!("registrations_lost_total").increment(1);
        tracing::warn!(account.id = %target.account, registration.id = %registration_id, "a registration for {} was lost: {reason}", target.module);
        self.write(Authority::Leader, move |unit| {
            Box::pin(async move {
                let now = unit.now();
                if !rows::end(unit.connection(), now, &registration_id, "lost", Some(reason)).await? {
                    return Ok(());
                }
                want_polls(unit, &target).await?;
                let reason = Some(reason.to_owned());
                append(unit, &target, registration::LOST, registration_id, expires_at, reason).await
            })
        })
        .await
    }

    async fn delete(&self, registration_id: String, rows: &[Row]) -> Result<Result<(), ProviderError>, Error> {
        let expires_at = expiry_of(&registration_id, rows);
        let is_over = expires_at.is_some_and(|expires_at| expires_at <= self.intake.log.now());
        if !is_over && let Err(error) = self.client.crm().watch_delete(std::slice::from_ref(&registration_id)).await {
            return Ok(Err(error));
        }
        let target = self.target.clone();
        self.write(Authority::Caller, move |unit| {
            Box::pin(async move {
                let now = unit.now();
                if !rows::end(unit.connection(), now, &registration_id, "removed", None).await? {
                    return Ok(());
                }
                append(unit, &target, registration::REMOVED, registration_id, expires_at, None).await
            })
        })
        .await
        .map(Ok)
    }

    /// The provider refused a new one: the row says why, and each cause is one event.
    async fn refused(&self, creation: Arc<Creation>, error: &ProviderError) -> Result<(), Error> {
        let (code, words, target) = (error.code(), error.to_string(), self.target.clone());
        self.write(Authority::Leader, move |unit| {
            Box::pin(async move {
                let now = unit.now();
                if !rows::fail(unit.connection(), now, &creation, code, &words).await? {
                    return Ok(());
                }
                let id = creation.registration_id.clone();
                append(unit, &target, registration::FAILED, id, None, Some(format!("{code}: {words}"))).await
            })
        })
        .await
    }

    /// Waits longer after each failure, but not before the provider's time, and until a person acts where one must.
    async fn troubled(&mut self, error: &ProviderError, now: DateTime<Utc>) -> Result<(), Error> {
        self.tell(error, "a registration cannot be kept now");
        let pause = (FIRST_PAUSE * (1 << self.failures.min(10))).min(LONGEST_PAUSE);
        self.failures += 1;
        self.waits_for_person = needs_a_person(error);
        let unknown = error.outcome() == Outcome::Unknown && !matches!(error, ProviderError::Throttled(_));
        let pause = if unknown && self.failures == 1 { ASK_AGAIN_AFTER } else { pause };
        self.not_before = Some(error.throttled_until().unwrap_or(now + pause));
        let (account, module) = (self.target.account.clone(), self.target.module.clone());
        let words = format!("{}: {error}", error.code());
        self.write(Authority::Leader, move |unit| {
            Box::pin(async move { Ok(rows::trouble(unit.connection(), &account, module.as_str(), &words).await?) })
        })
        .await
    }

    /// Says each cause once.
    fn tell(&mut self, error: &ProviderError, words: &str) {
        if self.told.replace(error.code()) != Some(error.code()) {
            tracing::warn!(
                error = error as &dyn std::error::Error,
                account.id = %self.target.account,
                "{words}: {}",
                self.target.module
            );
        }
    }

    async fn write<F>(&self, authority: Authority, work: F) -> Result<(), Error>
    where
        F: for<'a, 'c> FnOnce(
                &'a mut UnitOfWork<'c>,
            ) -> std::pin::Pin<Box<dyn Future<Output = Result<(), Error>> + Send + 'a>>
            + Send
            + 'static,
    {
        let leadership = self.leadership.clone();
        self.intake
            .log
            .write(move |unit| {
                Box::pin(async move {
                    if authority == Authority::Leader {
                        only_as_leader(unit, &leadership).await?;
                    }
                    work(unit).await
                })
            })
            .await
    }
}

async fn want_polls(unit: &mut UnitOfWork<'_>, target: &Target) -> Result<(), Error> {
    let now = unit.now();
    for poll in &target.polls {
        schedule::rows::want(unit.connection(), now, poll, schedule::rows::GAP).await?;
    }
    Ok(())
}

async fn append(
    unit: &mut UnitOfWork<'_>,
    target: &Target,
    event_type: EventType,
    registration_id: String,
    expires_at: Option<DateTime<Utc>>,
    reason: Option<String>,
) -> Result<(), Error> {
    let module = target.module.as_str();
    let data = Registration {
        registration_id,
        account: target.account.clone(),
        kind: KIND.to_owned(),
        target: module.to_owned(),
        expires_at,
        reason,
    };
    let event = NewEvent::new(event_type, "fetch", &data).of(&target.account, &target.organization);
    unit.append(Append::new(registration::stream(&target.account, module), vec![event])).await?;
    Ok(())
}

fn expiry_of(registration_id: &str, rows: &[Row]) -> Option<DateTime<Utc>> {
    rows.iter().find(|row| row.registration_id == registration_id).and_then(|row| row.expires_at)
}

fn delta(duration: Duration) -> TimeDelta {
    TimeDelta::from_std(duration).unwrap_or(TimeDelta::MAX)
}
