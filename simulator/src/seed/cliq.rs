//! What Cliq starts with: people, channels, messages, threads, and a generator of many of them.

use serde::{Deserialize, Serialize};

use super::{OrganizationSeed, Seed, WorkDriveSeed, demo};

/// Cliq of one organisation.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CliqSeed {
    /// Id of the organisation in Cliq, digits; made from the seed when absent.
    pub organization_id: Option<String>,
    /// People. Grants speak for the first one unless somebody names the client.
    pub users: Vec<CliqUserSeed>,
    /// Channels named one by one.
    pub channels: Vec<CliqChannelSeed>,
    /// Channels in numbers.
    pub generated: Vec<CliqGeneratedSeed>,
    /// A bot that hears of messages.
    pub bot: Option<CliqBotSeed>,
}

/// A person.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CliqUserSeed {
    /// Id, digits.
    pub id: String,
    /// First name.
    pub first_name: String,
    /// Last name.
    #[serde(default)]
    pub last_name: String,
    /// Mail address; made from the id when absent.
    #[serde(default)]
    pub email: Option<String>,
    /// Still working there; true.
    #[serde(default = "yes")]
    pub active: bool,
    /// OAuth clients whose grants speak for this person.
    #[serde(default)]
    pub clients: Vec<String>,
}

/// A channel.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CliqChannelSeed {
    /// Name, such as `#ops`.
    pub name: String,
    /// Id such as `P1234567890`; made from the seed when absent.
    pub id: Option<String>,
    /// Id of its chat such as `CT_1234567890_64396901`; made from the seed when absent.
    pub chat_id: Option<String>,
    /// Unique name; made from the name when absent.
    pub unique_name: Option<String>,
    /// Who it is for; organization.
    pub level: CliqLevel,
    /// Its state; created.
    pub status: CliqStatus,
    /// Ids of its members; everybody when absent.
    pub members: Option<Vec<String>>,
    /// Pinned by the person who asks; false.
    pub pinned: bool,
    /// Creation, RFC 3339; just before its first message, or the start, when absent.
    pub created_at: Option<String>,
    /// Messages.
    pub messages: Vec<CliqMessageSeed>,
    /// Threads below them.
    pub threads: Vec<CliqThreadSeed>,
}

/// Who a channel is for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CliqLevel {
    /// Everybody.
    #[default]
    Organization,
    /// A team.
    Team,
    /// Invited people.
    Private,
    /// People of other organisations too.
    External,
}

/// State of a channel.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CliqStatus {
    /// In use.
    #[default]
    Created,
    /// Waiting for approval.
    Pending,
    /// Out of use.
    Archived,
}

/// A message.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CliqMessageSeed {
    /// Text; the comment of a file.
    pub text: String,
    /// Id of the person who writes; the first person when absent.
    pub sender: Option<String>,
    /// Name of the bot that writes instead of a person.
    pub bot: Option<String>,
    /// When, RFC 3339 with milliseconds; now when absent.
    pub at: Option<String>,
    /// The file it brings.
    pub file: Option<CliqFileSeed>,
    /// Ids of people mentioned; the text should name them.
    pub mentions: Vec<String>,
}

impl CliqMessageSeed {
    /// A text of the first person, written now.
    #[must_use]
    pub fn text(text: impl Into<String>) -> Self {
        Self { text: text.into(), ..Self::default() }
    }

    /// The same message of another person.
    #[must_use]
    pub fn by(mut self, user: impl Into<String>) -> Self {
        self.sender = Some(user.into());
        self
    }

    /// The same message at another time, RFC 3339.
    #[must_use]
    pub fn at(mut self, at: impl Into<String>) -> Self {
        self.at = Some(at.into());
        self
    }
}

/// A file in a message; its bytes are not kept.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CliqFileSeed {
    /// Name.
    pub name: String,
    /// Media type, such as `image/png`.
    #[serde(rename = "type")]
    pub media_type: String,
    /// Size in bytes.
    pub size_bytes: u64,
}

/// A thread: a chat of its own that hangs on a message.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CliqThreadSeed {
    /// Title.
    pub title: String,
    /// Number of the message it hangs on, the first of the channel is 0.
    pub on_message: usize,
    /// Its messages.
    pub messages: Vec<CliqMessageSeed>,
}

/// Channels with messages, in numbers. Texts are of every kind: several lines, links, mentions, files with and
/// without comment, bots, several within one second and some within one millisecond.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CliqGeneratedSeed {
    /// Channels.
    pub channels: u32,
    /// Messages in each.
    pub messages_per_channel: u32,
    /// Threads in each.
    pub threads_per_channel: u32,
    /// Messages in each thread.
    pub messages_per_thread: u32,
    /// Time of the first message, RFC 3339; 2026-01-15T08:00:00Z.
    pub from: String,
    /// From one message to the next where they are not close together, in milliseconds; 20,000.
    pub spacing_ms: u32,
    /// Names are this and a number; `#client-`.
    pub prefix: String,
    /// Who they are for; organization.
    pub level: CliqLevel,
    /// Root of all choices; 0.
    pub seed: u64,
}

impl Default for CliqGeneratedSeed {
    fn default() -> Self {
        Self {
            channels: 1,
            messages_per_channel: 0,
            threads_per_channel: 0,
            messages_per_thread: 0,
            from: "2026-01-15T08:00:00Z".to_owned(),
            spacing_ms: 20_000,
            prefix: "#client-".to_owned(),
            level: CliqLevel::Organization,
            seed: 0,
        }
    }
}

/// A webhook bot: Cliq posts what happens in its channels to an address and signs it (zoho.md section 5.7).
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CliqBotSeed {
    /// Where events go.
    pub url: String,
    /// Ids of the channels it is in; all of them, new ones included, when absent.
    pub channels: Option<Vec<String>>,
}

/// Sizes of [`Seed::cliq`].
#[derive(Debug, Clone)]
pub struct CliqOptions {
    /// Channels; 6.
    pub channels: u32,
    /// Messages in each; 166.
    pub messages_per_channel: u32,
    /// Threads in each; 1.
    pub threads_per_channel: u32,
    /// Messages in each thread; 3.
    pub messages_per_thread: u32,
    /// Root of all choices; 3.
    pub seed: u64,
}

impl Default for CliqOptions {
    fn default() -> Self {
        Self { channels: 6, messages_per_channel: 166, threads_per_channel: 1, messages_per_thread: 3, seed: 3 }
    }
}

fn yes() -> bool {
    true
}

/// The people of every Cliq that is not described person by person.
pub(super) fn people() -> Vec<CliqUserSeed> {
    let person = |id: &str, first: &str, last: &str, active| CliqUserSeed {
        id: id.to_owned(),
        first_name: first.to_owned(),
        last_name: last.to_owned(),
        email: None,
        active,
        clients: Vec::new(),
    };
    vec![
        person("64396901", "Ann", "Bergström", true),
        person("64396902", "Böb", "O'Neill", true),
        person("64396903", "John", "Doe", true),
        person("64396904", "美咲", "佐藤", true),
        person("64396905", "Former", "Colleague", false),
    ]
}

/// Cliq of the demonstration: a handful of channels that show every kind of message.
pub(super) fn demo() -> CliqSeed {
    let generated = CliqGeneratedSeed {
        channels: 3,
        messages_per_channel: 40,
        threads_per_channel: 1,
        messages_per_thread: 3,
        seed: 2,
        ..CliqGeneratedSeed::default()
    };
    let private = CliqChannelSeed {
        name: "#board".to_owned(),
        level: CliqLevel::Private,
        members: Some(vec!["64396902".to_owned()]),
        messages: vec![CliqMessageSeed::text("not for everybody").by("64396902").at("2026-01-15T09:00:00.250Z")],
        ..CliqChannelSeed::default()
    };
    let quiet = CliqChannelSeed { name: "#quiet".to_owned(), ..CliqChannelSeed::default() };
    CliqSeed { users: people(), channels: vec![private, quiet], generated: vec![generated], ..CliqSeed::default() }
}

/// Organisation A with channels in numbers, and an empty organisation B.
pub(super) fn seed(options: &CliqOptions) -> Seed {
    let generated = CliqGeneratedSeed {
        channels: options.channels,
        messages_per_channel: options.messages_per_channel,
        threads_per_channel: options.threads_per_channel,
        messages_per_thread: options.messages_per_thread,
        seed: options.seed,
        ..CliqGeneratedSeed::default()
    };
    let cliq = CliqSeed { users: people(), generated: vec![generated], ..CliqSeed::default() };
    let organization = OrganizationSeed { cliq, ..demo::organization_a(Vec::new()) };
    Seed {
        seed: options.seed,
        organizations: vec![organization, demo::organization_b(WorkDriveSeed::default())],
        ..Seed::default()
    }
}
