//! A seed becomes people, channels and messages.

use std::collections::HashSet;

use super::{Bot, Cliq, User, texts};
use crate::clock::{Millis, instant, parse_iso};
use crate::control::Error;
use crate::random::Random;
use crate::seed::{CliqChannelSeed, CliqGeneratedSeed, CliqMessageSeed, CliqSeed, CliqThreadSeed, CliqUserSeed};

impl User {
    pub(super) fn build(seed: &CliqUserSeed) -> Self {
        Self {
            id: seed.id.clone(),
            first_name: seed.first_name.clone(),
            last_name: seed.last_name.clone(),
            email: seed.email.clone().unwrap_or_else(|| format!("{}@example.com", seed.id)),
            active: seed.active,
            clients: seed.clients.clone(),
        }
    }
}

impl Cliq {
    /// Opens the channels of a seed, those in numbers last, and puts the bot in.
    pub(super) fn populate(&mut self, seed: &CliqSeed, now: Millis) -> Result<(), Error> {
        let mut ids = HashSet::new();
        if let Some(twice) = seed.users.iter().find(|user| !ids.insert(&user.id)) {
            return Err(Error::Invalid(format!("user {:?} appears twice", twice.id)));
        }
        for channel in &seed.channels {
            self.add_channel(channel, now)?;
        }
        for generated in &seed.generated {
            self.generate(generated, now)?;
        }
        self.bot = seed.bot.as_ref().map(|bot| Bot::new(bot, None)).transpose()?;
        Ok(())
    }

    /// Opens channels in numbers and returns their ids.
    pub(crate) fn generate(&mut self, seed: &CliqGeneratedSeed, now: Millis) -> Result<Vec<String>, Error> {
        let from = parse_iso(&seed.from);
        let from = from.ok_or_else(|| Error::Invalid(format!("{:?} is not an RFC 3339 time", seed.from)))?;
        let mut random = Random::new(seed.seed ^ 0xC1_1C);
        let active = self.users.iter().filter(|user| user.active);
        let people: Vec<(String, String)> = active.map(|user| (user.id.clone(), user.name())).collect();
        if people.is_empty() {
            return Err(Error::Invalid("there is nobody who could write".to_owned()));
        }
        let mut channel_ids = Vec::new();
        for number in 0..seed.channels {
            // Channels start at different milliseconds, so that their messages are not in step.
            let mut at = from + i64::from(number) * 1_237;
            let messages = conversation(seed, seed.messages_per_channel, &people, &mut at, &mut random);
            let threads = (0..seed.threads_per_channel).map(|thread| CliqThreadSeed {
                title: format!("Thread {} of {}{}", thread + 1, seed.prefix, number + 1),
                on_message: (thread as usize * 7) % messages.len().max(1),
                messages: conversation(seed, seed.messages_per_thread, &people, &mut at, &mut random),
            });
            let threads = threads.collect();
            let channel = CliqChannelSeed {
                name: format!("{}{}", seed.prefix, number + 1),
                level: seed.level,
                created_at: Some(instant(from - 86_400_000).to_rfc3339()),
                messages,
                threads,
                ..CliqChannelSeed::default()
            };
            channel_ids.push(self.add_channel(&channel, now)?);
        }
        Ok(channel_ids)
    }
}

/// Messages one after the other from `at` on, some within one second and some within one millisecond.
fn conversation(
    seed: &CliqGeneratedSeed,
    count: u32,
    people: &[(String, String)],
    at: &mut Millis,
    random: &mut Random,
) -> Vec<CliqMessageSeed> {
    let message = |number: u32| {
        *at += match number {
            0 => 0,
            _ if number % 11 == 5 => 0,
            _ if number % 7 == 3 => 137,
            _ => i64::from(seed.spacing_ms) + i64::try_from(random.between(0, 999)).unwrap_or(0),
        };
        let text = texts::message(number, people, random);
        text.at(instant(*at).to_rfc3339())
    };
    (0..count).map(message).collect()
}
