//! What is asked of a new mapping, and which texts are taken.

use catalogue::actor::Actor;
use catalogue::channel::Mapped;
use chrono::{DateTime, Utc};
use service::config::{Account, Config, Provider, UnknownAccount};
use uuid::Uuid;

use super::decision::Owner;
use super::settings::Change;
use crate::Error;

/// Longest id of a client or a room, in characters.
const LONGEST_ID: usize = 200;
/// Longest id of a channel or a chat, in characters: it stands in names of streams.
const LONGEST_PROVIDER_ID: usize = 100;
/// Longest name or reason, in characters.
const LONGEST_TEXT: usize = 500;

/// A channel and the room that it is to belong to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MapRequest {
    /// A configured account with channels; its organisation owns the mapping.
    pub account: String,
    /// The channel, by the provider's id.
    pub channel_id: String,
    /// The chat that its messages are read by.
    pub chat_id: String,
    /// Its name, 1 to 500 characters.
    pub channel_name: String,
    /// Whose room, 1 to 200 printable characters.
    pub client_id: String,
    /// Which room, 1 to 200 printable characters.
    pub room_id: String,
    /// How it is to be synced.
    pub settings: Change,
}

impl MapRequest {
    /// The mapping that would come of it, and whose it is.
    pub(super) fn check(&self, actor: &Actor, config: &Config, now: DateTime<Utc>) -> Result<(Owner, Mapped), Error> {
        let account = self.account(actor, config)?;
        check_provider_id("channel_id", &self.channel_id, "")?;
        check_provider_id("chat_id", &self.chat_id, "-")?;
        check_channel_name(&self.channel_name)?;
        check_id("client_id", &self.client_id)?;
        check_id("room_id", &self.room_id)?;
        let owner = Owner { account: account.name.clone(), organization: account.organization.clone() };
        let mapped = Mapped {
            mapping_id: Uuid::now_v7(),
            channel_id: self.channel_id.clone(),
            chat_id: self.chat_id.clone(),
            channel_name: self.channel_name.clone(),
            client_id: self.client_id.clone(),
            room_id: self.room_id.clone(),
            settings: self.settings.of_new(now)?,
        };
        Ok((owner, mapped))
    }

    /// An account of another organisation is answered as one that does not exist.
    fn account<'c>(&self, actor: &Actor, config: &'c Config) -> Result<&'c Account, Error> {
        let within_reach =
            |account: &Account| actor.organization.as_ref().is_none_or(|own| *own == account.organization);
        let Some(account) = config.accounts.get(&self.account).filter(|account| within_reach(account)) else {
            let known = config.accounts.values().filter(|account| within_reach(account));
            let known = known.map(|account| account.name.clone()).collect();
            let unknown = UnknownAccount { name: self.account.clone(), known };
            return Err(Error::invalid("account", format!("is not configured: {unknown}")));
        };
        if account.provider != Provider::Zoho {
            let reason = format!("has no channels: its provider is {}; name a zoho account", account.provider.as_str());
            return Err(Error::invalid("account", reason));
        }
        Ok(account)
    }
}

/// A provider's id: letters, digits, `_` and `others`. A channel's has no `-`, so that the names of two streams,
/// `channel-<account>-<channel id>`, cannot meet.
fn check_provider_id(field: &'static str, text: &str, others: &str) -> Result<(), Error> {
    let fits = |one: char| one.is_ascii_alphanumeric() || one == '_' || others.contains(one);
    if !text.is_empty() && text.len() <= LONGEST_PROVIDER_ID && text.chars().all(fits) {
        return Ok(());
    }
    let reason = format!("must be 1 to {LONGEST_PROVIDER_ID} letters and digits, as the list of channels shows it");
    Err(Error::invalid(field, reason))
}

fn check_id(field: &'static str, text: &str) -> Result<(), Error> {
    let length = text.chars().count();
    if !(1..=LONGEST_ID).contains(&length) || !text.chars().all(is_printable) || text.trim() != text {
        let reason = format!("must be 1 to {LONGEST_ID} printable characters, without spaces around them");
        return Err(Error::invalid(field, reason));
    }
    Ok(())
}

/// The provider's name of a channel.
pub(super) fn check_channel_name(text: &str) -> Result<(), Error> {
    if text.trim().is_empty() {
        return Err(Error::invalid("channel_name", "is empty"));
    }
    check_text("channel_name", text)
}

/// Why somebody did something; may be empty.
pub(super) fn check_reason(text: &str) -> Result<(), Error> {
    check_text("reason", text)
}

fn check_text(field: &'static str, text: &str) -> Result<(), Error> {
    if text.chars().count() > LONGEST_TEXT || text.chars().any(char::is_control) {
        let reason = format!("must be one line of at most {LONGEST_TEXT} characters");
        return Err(Error::invalid(field, reason));
    }
    Ok(())
}

/// Neither a control character nor one that leaves no trace on paper, by which two ids would look the same.
fn is_printable(one: char) -> bool {
    let is_invisible = matches!(one,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}'
        | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}'
        | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}');
    !one.is_control() && !is_invisible && (one == ' ' || !one.is_whitespace())
}
