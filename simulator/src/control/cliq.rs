//! What people do in Cliq, as they do it in its pages; a bot hears of it.

use serde::Deserialize;

use super::{Control, Error, organization};
use crate::cliq::bot::{self, Happened, Operation};
use crate::cliq::post::unknown;
use crate::cliq::{Bot, Cliq, MessageKey};
use crate::knobs::MessageIdForm;
use crate::seed::{
    CliqBotSeed, CliqChannelSeed, CliqGeneratedSeed, CliqLevel, CliqMessageSeed, CliqStatus, CliqThreadSeed,
};
use crate::world::World;

/// What becomes of a channel; what is absent stays.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CliqChannelChange {
    /// New name.
    pub name: Option<String>,
    /// New level.
    pub level: Option<CliqLevel>,
    /// New state, such as archived.
    pub status: Option<CliqStatus>,
    /// Ids of people who join.
    pub join: Vec<String>,
    /// Ids of people who leave.
    pub leave: Vec<String>,
}

impl Control {
    /// Opens a channel and returns its id.
    ///
    /// # Errors
    /// [`Error::Unknown`] for the organisation or a person, [`Error::Invalid`] for ids that exist or times that are none.
    pub fn add_cliq_channel(&self, organization_name: &str, channel: &CliqChannelSeed) -> Result<String, Error> {
        let now = self.shared.clock.now_ms();
        organization(&mut self.shared.world(), organization_name)?.cliq.add_channel(channel, now)
    }

    /// Opens channels in numbers and returns their ids.
    ///
    /// # Errors
    /// [`Error::Unknown`] for the organisation, [`Error::Invalid`] when there are no people or the time is none.
    pub fn generate_cliq(&self, organization_name: &str, generated: &CliqGeneratedSeed) -> Result<Vec<String>, Error> {
        let now = self.shared.clock.now_ms();
        organization(&mut self.shared.world(), organization_name)?.cliq.generate(generated, now)
    }

    /// Renames, archives, opens again, and lets people join and leave.
    ///
    /// # Errors
    /// [`Error::Unknown`] for the organisation, the channel or a person; nothing was changed.
    pub fn change_cliq_channel(
        &self,
        organization_name: &str,
        channel_id: &str,
        change: &CliqChannelChange,
    ) -> Result<(), Error> {
        let now = self.shared.clock.now_ms();
        let mut world = self.shared.world();
        let cliq = &mut organization(&mut world, organization_name)?.cliq;
        if let Some(stranger) = change.join.iter().chain(&change.leave).find(|id| cliq.user(id).is_none()) {
            return Err(unknown("user", stranger));
        }
        cliq.touch_channel(channel_id, now)?;
        let channel = cliq.channel_mut(channel_id)?;
        channel.name = change.name.clone().unwrap_or_else(|| channel.name.clone());
        channel.level = change.level.unwrap_or(channel.level);
        channel.status = change.status.unwrap_or(channel.status);
        channel.members.extend(change.join.iter().cloned());
        channel.members.retain(|id| !change.leave.contains(id));
        Ok(())
    }

    /// Writes messages one after the other and returns their ids, spelled with an underscore.
    ///
    /// # Errors
    /// [`Error::Unknown`] for organisation, chat or sender, [`Error::Invalid`] for an archived channel; the messages
    /// before the one it is about were written.
    pub fn post_cliq_messages(
        &self,
        organization_name: &str,
        chat_id: &str,
        messages: &[CliqMessageSeed],
    ) -> Result<Vec<String>, Error> {
        let posts = messages.iter().map(|message| {
            let now = self.shared.clock.now_ms();
            let posted = self.act(organization_name, chat_id, Operation::MessageSent, |cliq| {
                cliq.post(chat_id, message, now).map(Some)
            });
            posted.map(Option::unwrap_or_default)
        });
        posts.collect()
    }

    /// Changes the text of a message, or the comment of a file. The id may be spelled in any way.
    ///
    /// # Errors
    /// [`Error::Unknown`] for organisation, chat or message.
    pub fn edit_cliq_message(
        &self,
        organization_name: &str,
        chat_id: &str,
        message_id: &str,
        text: &str,
    ) -> Result<(), Error> {
        let edit = |cliq: &mut Cliq| cliq.edit(chat_id, message_id, text).map(Some);
        self.act(organization_name, chat_id, Operation::MessageEdited, edit).map(drop)
    }

    /// Deletes a message. The id may be spelled in any way.
    ///
    /// # Errors
    /// [`Error::Unknown`] for organisation, chat or message.
    pub fn delete_cliq_message(&self, organization_name: &str, chat_id: &str, message_id: &str) -> Result<(), Error> {
        let delete = |cliq: &mut Cliq| cliq.delete(chat_id, message_id).map(Some);
        self.act(organization_name, chat_id, Operation::MessageDeleted, delete).map(drop)
    }

    /// Starts a thread on a message of a channel and returns the id of its chat.
    ///
    /// # Errors
    /// [`Error::Unknown`] for organisation, chat or message, [`Error::Invalid`] when the chat is a thread itself.
    pub fn start_cliq_thread(
        &self,
        organization_name: &str,
        chat_id: &str,
        message_id: &str,
        thread: &CliqThreadSeed,
    ) -> Result<String, Error> {
        let now = self.shared.clock.now_ms();
        let empty = CliqThreadSeed { messages: Vec::new(), ..thread.clone() };
        let root = MessageKey::parse_any(message_id).ok_or_else(|| unknown("message", message_id))?;
        let thread_chat_id = {
            let mut world = self.shared.world();
            let cliq = &mut organization(&mut world, organization_name)?.cliq;
            cliq.start_thread(chat_id, root, &empty, now)?
        };
        self.act(organization_name, &thread_chat_id, Operation::AutoFollowedThread, |_| Ok(None))?;
        self.post_cliq_messages(organization_name, &thread_chat_id, &thread.messages)?;
        Ok(thread_chat_id)
    }

    /// Closes a thread or opens it again.
    ///
    /// # Errors
    /// [`Error::Unknown`] for organisation or thread.
    pub fn close_cliq_thread(&self, organization_name: &str, chat_id: &str, closed: bool) -> Result<(), Error> {
        let operation = if closed { Operation::ThreadClosed } else { Operation::ThreadReopened };
        self.act(organization_name, chat_id, operation, |cliq| cliq.close_thread(chat_id, closed).map(|()| None))
            .map(drop)
    }

    /// Puts a webhook bot into channels, in the place of the one before, and returns the public key (SPKI in PEM)
    /// that its signatures are checked with. The key is made with the first bot, which takes up to seconds, and
    /// stays. Channels that were named one by one are told about: `removed` at the old address, `added` at the new.
    ///
    /// # Errors
    /// [`Error::Unknown`] for organisation or channel, [`Error::Invalid`] for an address that is none.
    pub fn set_cliq_bot(&self, organization_name: &str, bot: &CliqBotSeed) -> Result<String, Error> {
        let (key, left) = {
            let mut world = self.shared.world();
            let cliq = &mut organization(&mut world, organization_name)?.cliq;
            if let Some(stranger) = bot.channels.iter().flatten().find(|id| cliq.channel(id).is_none()) {
                return Err(unknown("channel", stranger));
            }
            let before = cliq.bot.as_ref();
            let channels = before.and_then(|bot| bot.channels.clone()).unwrap_or_default();
            (before.map(|bot| bot.key.clone()), channels)
        };
        let entered = bot.channels.clone().unwrap_or_default();
        let made = Bot::new(bot, key)?;
        let public_pem = made.key.public_pem().to_owned();
        let channels =
            |ids: &[String], others: &[String]| ids.iter().filter(|id| !others.contains(id)).cloned().collect();
        let (gone, new): (Vec<String>, Vec<String>) = (channels(&left, &entered), channels(&entered, &left));
        self.tell_channels(organization_name, &gone, Operation::Removed)?;
        organization(&mut self.shared.world(), organization_name)?.cliq.bot = Some(made);
        self.tell_channels(organization_name, &new, Operation::Added)?;
        Ok(public_pem)
    }

    fn tell_channels(&self, organization_name: &str, ids: &[String], operation: Operation) -> Result<(), Error> {
        for id in ids {
            let chat_id = {
                let mut world = self.shared.world();
                let channel = organization(&mut world, organization_name)?.cliq.channel(id);
                channel.ok_or_else(|| unknown("channel", id))?.chat_id.clone()
            };
            self.act(organization_name, &chat_id, operation, |_| Ok(None))?;
        }
        Ok(())
    }

    /// Does something in a chat and tells the bot.
    fn act(
        &self,
        organization_name: &str,
        chat_id: &str,
        operation: Operation,
        act: impl FnOnce(&mut Cliq) -> Result<Option<MessageKey>, Error>,
    ) -> Result<Option<String>, Error> {
        let now = self.shared.clock.now_ms();
        let mut world = self.shared.world();
        let message = act(&mut organization(&mut world, organization_name)?.cliq)?;
        if let Some(index) = index_of(&world, organization_name) {
            bot::raise(&mut world, index, &Happened { operation, chat_id, message }, now);
        }
        self.shared.send_notifications(&mut world);
        Ok(message.map(|key| key.text(MessageIdForm::Underscore)))
    }
}

fn index_of(world: &World, organization_name: &str) -> Option<usize> {
    world.organizations.iter().position(|each| *each.name == *organization_name)
}
