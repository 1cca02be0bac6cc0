//! Watch channels: Zoho's promise to call us when records change.
//!
//! A channel ends silently at its expiry, and one asked for too long a life gets an hour: what counts is the expiry in the
//! answer. The token is echoed in every notification and is the only sign of authenticity.

use std::fmt;

use chrono::{DateTime, SecondsFormat, Utc};
use reqwest::Method;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::{Value, json};
use url::Url;

use crate::error::Error;
use crate::http::{self, answer::Answer};
use crate::zoho::call::Operation;
use crate::zoho::crm::{ApiName, Crm, dialect, read, write};
use crate::zoho::lenient;

const CREATE: Operation = write("crm.watch_create", "ZohoCRM.notifications.CREATE", "watch channel");
const EXTEND: Operation = write("crm.watch_extend", "ZohoCRM.notifications.UPDATE", "watch channel");
const LIST: Operation = read("crm.watch_list", "ZohoCRM.notifications.READ", "watch channel");
const DELETE: Operation = write("crm.watch_delete", "ZohoCRM.notifications.DELETE", "watch channel");

/// Longest token by the prose documentation; the description files allow 256.
const LONGEST_TOKEN_CHARS: usize = 50;

/// Longest notify URL.
const LONGEST_URL_CHARS: usize = 255;

/// Channels of one page of a listing.
const CHANNELS_PER_PAGE: usize = 200;

/// What happens to a record of the watched module.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum WatchEvent {
    /// A record is created.
    Create,
    /// A record is changed.
    Edit,
    /// A record is deleted.
    Delete,
    /// All of these.
    All,
}

impl WatchEvent {
    fn as_str(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Edit => "edit",
            Self::Delete => "delete",
            Self::All => "all",
        }
    }
}

/// A channel as we want it. Its `Debug` shows neither the token nor the URL, whose query may hold a secret.
#[derive(Clone)]
pub struct Watch {
    /// Chosen by us, a number in digits, unique for each channel.
    pub channel_id: String,
    /// The module to watch.
    pub module: ApiName,
    /// What to be told of.
    pub events: Vec<WatchEvent>,
    /// Until when; at most a week ahead. Sub-second parts are cut.
    pub expiry: DateTime<Utc>,
    /// Echoed in each notification; at most 50 characters.
    pub token: SecretString,
    /// Where to call us; at most 255 characters.
    pub notify_url: Url,
}

/// A channel that Zoho confirmed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Watched {
    /// When it ends, by the provider's word; it may be much earlier than asked for.
    pub expiry: DateTime<Utc>,
}

/// A channel as Zoho has it. Its `Debug` does not show the URL or the token.
#[derive(Clone, PartialEq, Eq)]
pub struct ChannelDetails {
    /// The id we chose.
    pub channel_id: String,
    /// The watched module.
    pub module: Option<String>,
    /// Events in Zoho's spelling, such as `Deals.edit`.
    pub events: Vec<String>,
    /// When it ends.
    pub expiry: Option<DateTime<Utc>>,
    /// Where it calls.
    pub notify_url: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Channels {
    #[serde(default)]
    watch: Vec<Value>,
    #[serde(default)]
    info: Value,
}

impl Crm<'_> {
    /// Creates a channel.
    ///
    /// # Errors
    /// [`Error::Rejected`] when the channel is refused (a wrong module, an URL that is too long), and those of every
    /// call. After an unknown outcome ask [`Self::watch_list`]; creating the same id again is also harmless.
    pub async fn watch_create(&self, watch: &Watch) -> Result<Watched, Error> {
        self.put_watch(&CREATE, Method::POST, watch).await
    }

    /// Moves the end of a channel, by a partial update that leaves its other settings alone.
    ///
    /// # Errors
    /// [`Error::Rejected`] with code `NOT_SUBSCRIBED` when the channel is gone, and as [`Self::watch_create`].
    pub async fn watch_extend(&self, watch: &Watch) -> Result<Watched, Error> {
        self.put_watch(&EXTEND, Method::PATCH, watch).await
    }

    async fn put_watch(&self, operation: &'static Operation, method: Method, watch: &Watch) -> Result<Watched, Error> {
        let request = self.request(method, self.url(&["actions", "watch"])).json(&watch.body()?);
        let call = self.call(operation, &watch.channel_id);
        let answer = self.client.call(call, request).await?;
        let details = self.confirmed(operation, &watch.channel_id, &answer)?;
        let confirmed = details["events"].as_array().and_then(|events| {
            let of_channel =
                |event: &&Value| lenient::as_text(&event["channel_id"]).is_none_or(|id| id == watch.channel_id);
            events.iter().filter(of_channel).filter_map(|event| lenient::moment(event.get("channel_expiry"))).min()
        });
        let expiry = confirmed.ok_or_else(|| Error::unreadable(operation.name, "no channel expiry"))?;
        Ok(Watched { expiry })
    }

    /// Channels that exist, restricted to one id or one module where given.
    ///
    /// # Errors
    /// Those of every call.
    pub async fn watch_list(
        &self,
        channel_id: Option<&str>,
        module: Option<&ApiName>,
    ) -> Result<Vec<ChannelDetails>, Error> {
        let mut channels = Vec::new();
        let per_page = CHANNELS_PER_PAGE.to_string();
        for page in 1.. {
            let page = format!("{page}");
            let mut query = vec![("page", page.as_str()), ("per_page", &per_page)];
            query.extend(channel_id.map(|id| ("channel_id", id)));
            query.extend(module.map(|module| ("module", module.as_str())));
            let url = http::with_query(self.url(&["actions", "watch"]), &query);
            let call = self.call(&LIST, channel_id.unwrap_or_default());
            let answer = match self.client.call(call, self.get(url)).await {
                Err(Error::Rejected { code, .. }) if code == "NOT_SUBSCRIBED" => break,
                answer => answer?,
            };
            if answer.status.as_u16() == 204 {
                break;
            }
            let page: Channels = answer.json(LIST.name)?;
            let more = !page.watch.is_empty() && page.info["more_records"] == true;
            channels.extend(page.watch.iter().filter_map(ChannelDetails::read));
            if !more {
                break;
            }
        }
        Ok(channels)
    }

    /// Ends channels. One that is gone already counts as ended.
    ///
    /// # Errors
    /// Those of every call; [`Error::Rejected`] with the first complaint.
    pub async fn watch_delete(&self, channel_ids: &[String]) -> Result<(), Error> {
        if channel_ids.is_empty() {
            return Ok(());
        }
        let ids = channel_ids.join(",");
        let url = http::with_query(self.url(&["actions", "watch"]), &[("channel_ids", &ids)]);
        let call = self.call(&DELETE, &ids);
        let ended = match self.client.call(call, self.request(Method::DELETE, url)).await {
            Ok(answer) if answer.status.as_u16() == 204 => Ok(()),
            Ok(answer) => self.ended(&ids, &answer),
            Err(error) => Err(error),
        };
        match ended {
            Err(Error::Rejected { code, .. }) if code == "NOT_SUBSCRIBED" => Ok(()),
            ended => ended,
        }
    }

    /// The first complaint other than "gone already".
    fn ended(&self, ids: &str, answer: &Answer) -> Result<(), Error> {
        let results: Channels = answer.json(DELETE.name)?;
        let refused =
            results.watch.iter().find(|result| result["status"] == "error" && result["code"] != "NOT_SUBSCRIBED");
        refused.map_or(Ok(()), |result| Err(dialect::refused(&self.call(&DELETE, ids), result)))
    }

    fn confirmed(&self, operation: &'static Operation, id: &str, answer: &Answer) -> Result<Value, Error> {
        let results: Channels = answer.json(operation.name)?;
        if let Some(refused) = results.watch.iter().find(|result| result["status"] == "error") {
            return Err(dialect::refused(&self.call(operation, id), refused));
        }
        let first = results.watch.into_iter().next();
        let mut confirmed = first.ok_or_else(|| Error::unreadable(operation.name, "no result for the channel"))?;
        Ok(confirmed["details"].take())
    }
}

impl Watch {
    fn body(&self) -> Result<Value, Error> {
        if self.channel_id.is_empty() || !self.channel_id.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(Error::refused_input("not_a_number", "channel_id", "digits only"));
        }
        if self.token.expose_secret().chars().count() > LONGEST_TOKEN_CHARS {
            return Err(Error::refused_input("too_long", "token", "at most 50 characters"));
        }
        if self.notify_url.as_str().len() > LONGEST_URL_CHARS {
            return Err(Error::refused_input("too_long", "notify_url", "at most 255 characters"));
        }
        let events: Vec<String> =
            self.events.iter().map(|event| format!("{}.{}", self.module, event.as_str())).collect();
        Ok(json!({ "watch": [{
            "channel_id": self.channel_id,
            "events": events,
            "channel_expiry": zoho_time(self.expiry),
            "token": self.token.expose_secret(),
            "notify_url": self.notify_url.as_str(),
        }] }))
    }
}

impl ChannelDetails {
    fn read(value: &Value) -> Option<Self> {
        let texts = |value: &Value| value.as_array().into_iter().flatten().filter_map(lenient::as_text).collect();
        Some(Self {
            channel_id: lenient::as_text(&value["channel_id"])?,
            module: lenient::as_text(&value["resource_name"]),
            events: texts(&value["events"]),
            expiry: lenient::moment(value.get("channel_expiry")),
            notify_url: lenient::as_text(&value["notify_url"]),
        })
    }
}

/// ISO 8601 with a numeric offset, in whole seconds, as in Zoho's samples.
fn zoho_time(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Secs, false)
}

impl fmt::Debug for Watch {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Watch")
            .field("channel_id", &self.channel_id)
            .field("module", &self.module)
            .field("events", &self.events)
            .field("expiry", &self.expiry)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for ChannelDetails {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("ChannelDetails")
            .field("channel_id", &self.channel_id)
            .field("module", &self.module)
            .field("events", &self.events)
            .field("expiry", &self.expiry)
            .finish_non_exhaustive()
    }
}
