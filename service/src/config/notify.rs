//! `[notify.NAME]`: endpoints that are told what happens, by signed requests after Standard Webhooks.

use std::collections::BTreeMap;
use std::time::Duration;

use url::Url;

use super::account::Account;
use super::nearest;
use super::secret::SecretRef;
use super::section::Section;
use super::transport;
use super::value::Misfit;

/// `[notify.NAME]`.
#[derive(Debug, Clone)]
pub struct Notify {
    /// NAME: part of the id of every notification, so that another name is another receiver.
    pub name: String,
    /// Key `url`: where notifications are posted to. Required. `https`, or `http` to this machine or with `allow_http`.
    pub url: Url,
    /// Key `secrets`: what requests are signed with, newest first; `whsec_` and the base64 of 24 to 64 bytes. Required. Each
    /// request carries a signature for each of them, so the receiver may change over at any time.
    pub secrets: Vec<SecretRef>,
    /// Key `organization`: whose events are told. Default `default`. Nothing of anybody else is ever sent.
    pub organization: String,
    /// Key `account`: only events of this account. Default: all of the organisation.
    pub account: Option<String>,
    /// Key `events`: types of events; a trailing `*` matches the rest of a name. Required.
    pub events: Vec<String>,
    /// Key `from`: whether a new endpoint gets what happened before it first was in the settings. Default `now`.
    pub from: NotifyFrom,
    /// Key `timeout_seconds`: from start to end of one request, 1 to 300. Default 20. Short: slow receivers get everything
    /// several times. Long: a receiver that does not answer holds a slot so long.
    pub timeout: Duration,
    /// Key `max_attempts`: failed attempts after which a notification is given up, 1 to 100. Default 12, which with the default
    /// pause is a day and a half. Waiting because the receiver asks for it is no attempt.
    pub max_attempts: u32,
    /// Key `retry_base_ms`: pause after the first failed attempt, four times as long after each further one up to eight hours,
    /// 1 to 600,000. Default 5000.
    pub retry_base: Duration,
    /// Key `concurrency`: notifications under way at a time, 1 to 64. Default 4.
    pub concurrency: u32,
    /// Key `allow_http`: whether the url may be `http` to another machine. Default false. Anybody on the way can read it.
    pub allow_http: bool,
    /// Key `allow_private`: whether the receiver may be on a private network or this machine. Default false, because whoever
    /// may choose an address could have us reach what trusts its own network.
    pub allow_private: bool,
}

/// What a new endpoint gets first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotifyFrom {
    /// What happens from now on.
    Now,
    /// Everything that is in the log.
    Beginning,
}

const FROM: [(&str, NotifyFrom); 2] = [("now", NotifyFrom::Now), ("beginning", NotifyFrom::Beginning)];

impl Notify {
    /// `None` when a key is missing or wrong that nothing stands for; it is reported.
    pub(super) fn read(name: &str, mut section: Section<'_>, accounts: &BTreeMap<String, Account>) -> Option<Self> {
        section.require("url", "give the address that notifications are posted to");
        let allow_http = section.or("allow_http", false);
        let url: Option<Url> = section.optional("url");
        let is_readable = |url: &Url| !allow_http && transport::is_open(url);
        if url.as_ref().is_some_and(is_readable) {
            let what = "is http, which anybody on the way can read; use https, or say allow_http = true";
            section.wrong("url", what, None);
        }
        section.require("secrets", "give what requests are signed with, best as [\"env:NAME\"]");
        let secrets = section.secrets("secrets");
        if secrets.as_ref().is_some_and(Vec::is_empty) {
            section.wrong("secrets", "is empty; requests are always signed", None);
        }
        section.require("events", "name the types of events, such as [\"erp_user.*\"]");
        let events = section.texts("events");
        if events.as_ref().is_some_and(Vec::is_empty) {
            section.wrong("events", "is empty; name the types of events, such as [\"erp_user.*\"]", None);
        }
        let organization = section.or("organization", "default".to_owned());
        let account = account(&mut section, accounts);
        let from = section.choice("from", &FROM).unwrap_or(NotifyFrom::Now);
        let timeout = section.seconds("timeout_seconds", 20, 1..=300);
        let max_attempts = small(&mut section, "max_attempts", 12, 100);
        let retry_base = Duration::from_millis(section.within("retry_base_ms", 1..=600_000).unwrap_or(5000));
        let concurrency = small(&mut section, "concurrency", 4, 64);
        let allow_private = section.or("allow_private", false);
        section.finish();
        let ((url, secrets), events) = url.zip(secrets).zip(events)?;
        Some(Self {
            name: name.to_owned(),
            url,
            secrets,
            organization,
            account,
            events,
            from,
            timeout,
            max_attempts,
            retry_base,
            concurrency,
            allow_http,
            allow_private,
        })
    }

    /// Every secret of the endpoint with the key that refers to it.
    pub fn secrets(&self) -> Vec<(String, &SecretRef)> {
        let key = format!("notify.{}.secrets", self.name);
        self.secrets.iter().map(|secret| (key.clone(), secret)).collect()
    }
}

fn account(section: &mut Section<'_>, accounts: &BTreeMap<String, Account>) -> Option<String> {
    section.read("account", "the name of an account, in quotes", |leaf| {
        let name = leaf.raw.text()?;
        if accounts.contains_key(name) {
            return Ok(name.to_owned());
        }
        let hint = nearest::hint(name, accounts.keys().map(String::as_str));
        Err(Misfit::Rule(format!("names `[accounts.{name}]`, which is not configured{hint}")))
    })
}

/// A whole number from 1 to a limit that fits.
fn small(section: &mut Section<'_>, key: &'static str, default: u32, most: u32) -> u32 {
    section.within(key, 1..=most.into()).and_then(|number| u32::try_from(number).ok()).unwrap_or(default)
}
