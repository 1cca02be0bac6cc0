//! `mappings list | show | create | pause | resume | remove | configure`: which channel belongs to which room. The
//! subcommands about users and customers have files of their own.

use catalogue::actor::Actor;
use chrono::{DateTime, Utc};
use event_log::{Access, Log};
use mappings::channel::{self, Change, Filter, MapRequest, Mapping};
use serde::Serialize;
use service::config::Config;

use crate::mappings_arguments::{ChannelMappings, Mappings, MappingsConfigure, MappingsCreate, MappingsList};
use crate::operator;
use crate::output::Output;
use crate::runtime::open_log;
use crate::time::moment;
use crate::{conflicts, import, users};

/// `mappings`; returns whether everything was done that was asked for.
pub async fn run(config: &Config, command: &Mappings, output: Output) -> anyhow::Result<bool> {
    match command {
        Mappings::Channels(command) => of_channels(config, command, output).await?,
        Mappings::Conflicts(command) => conflicts::run(config, command, output).await?,
        Mappings::Users(command) => users::run(config, command, output).await?,
        Mappings::Import(command) => return import::run(config, command, output).await,
    }
    Ok(true)
}

async fn of_channels(config: &Config, command: &ChannelMappings, output: Output) -> anyhow::Result<()> {
    let access = match command {
        ChannelMappings::List(_) | ChannelMappings::Show { .. } | ChannelMappings::Remove { yes: false, .. } => {
            Access::ReadOnly
        }
        _ => Access::Existing,
    };
    let log = open_log(config, access).await?;
    let actor = operator::actor(config);
    match command {
        ChannelMappings::List(arguments) => list(&log, arguments, output).await,
        ChannelMappings::Show { id } => show(&channel::get(log.database().readers(), None, *id).await?, output),
        ChannelMappings::Create(arguments) => create(config, &log, &actor, arguments, output).await,
        ChannelMappings::Pause { id, reason } => show(&channel::pause(&log, &actor, *id, reason).await?, output),
        ChannelMappings::Resume { id } => show(&channel::resume(&log, &actor, *id).await?, output),
        ChannelMappings::Remove { id, yes: false, .. } => {
            let mapping = channel::get(log.database().readers(), None, *id).await?;
            removed(Removed { preview: true, mapping }, output)
        }
        ChannelMappings::Remove { id, reason, yes: true } => {
            let mapping = channel::unmap(&log, &actor, *id, reason).await?;
            removed(Removed { preview: false, mapping }, output)
        }
        ChannelMappings::Configure(arguments) => {
            let change = change(arguments, log.now())?;
            show(&channel::configure(&log, &actor, arguments.id, &change).await?, output)
        }
    }
}

async fn list(log: &Log, arguments: &MappingsList, output: Output) -> anyhow::Result<()> {
    let filter = Filter {
        organization: arguments.organization.clone(),
        account: arguments.account.clone(),
        client_id: arguments.client.clone(),
        state: arguments.state,
        with_ended: arguments.ended,
    };
    let page = channel::list(log.database().readers(), &filter, arguments.after, arguments.limit).await?;
    let header =
        ["mapping", "account", "channel", "name", "client", "room", "state", "last sync", "last message", "error"];
    output.list(&page.items, &header, |mapping| {
        vec![
            mapping.mapping_id.to_string(),
            mapping.account.clone(),
            mapping.channel_id.clone(),
            mapping.channel_name.clone(),
            mapping.client_id.clone(),
            mapping.room_id.clone(),
            mapping.state.as_str().to_owned(),
            time(mapping.last_sync_at),
            time(mapping.last_message_at),
            mapping.last_error.clone().unwrap_or_default(),
        ]
    })?;
    if let Some(next) = page.next {
        eprintln!("there are more: --after {next}");
    }
    Ok(())
}

async fn create(
    config: &Config,
    log: &Log,
    actor: &Actor,
    arguments: &MappingsCreate,
    output: Output,
) -> anyhow::Result<()> {
    let since = arguments.since.as_deref().map(|text| moment(text, log.now())).transpose()?;
    let request = MapRequest {
        account: arguments.account.clone(),
        channel_id: arguments.channel.clone(),
        chat_id: arguments.chat.clone(),
        channel_name: arguments.name.clone(),
        client_id: arguments.client.clone(),
        room_id: arguments.room.clone(),
        settings: Change {
            schedule: arguments.schedule.clone().map(Some),
            timezone: arguments.timezone.clone(),
            since: since.map(Some),
            threads: arguments.no_threads.then_some(false),
        },
    };
    let outcome = channel::map(log, actor, config, &request).await?;
    if outcome.existing {
        eprintln!("the channel belonged to that room before; its settings are what they were");
    }
    output.document(&outcome, || in_words(&outcome.mapping))?;
    Ok(())
}

fn change(arguments: &MappingsConfigure, now: DateTime<Utc>) -> anyhow::Result<Change> {
    let since = arguments.since.as_deref().map(|text| moment(text, now)).transpose()?;
    Ok(Change {
        schedule: arguments.schedule.clone().map(Some).or(arguments.no_schedule.then_some(None)),
        timezone: arguments.timezone.clone(),
        since: since.map(Some).or(arguments.no_since.then_some(None)),
        threads: arguments.threads.then_some(true).or(arguments.no_threads.then_some(false)),
    })
}

/// What `mappings remove` has done, or would do.
#[derive(Debug, Serialize)]
struct Removed {
    preview: bool,
    mapping: Mapping,
}

fn removed(report: Removed, output: Output) -> anyhow::Result<()> {
    output.document(&report, || {
        let said = if report.preview { "\nwould end; add --yes to do it" } else { "" };
        format!("{}{said}", in_words(&report.mapping))
    })?;
    Ok(())
}

fn show(mapping: &Mapping, output: Output) -> anyhow::Result<()> {
    output.document(mapping, || in_words(mapping))?;
    Ok(())
}

fn in_words(mapping: &Mapping) -> String {
    let settings = &mapping.settings;
    let lines = [
        ("mapping", mapping.mapping_id.to_string()),
        ("account", format!("{} (organisation {})", mapping.account, mapping.organization)),
        ("channel", format!("{} {} (chat {})", mapping.channel_id, mapping.channel_name, mapping.chat_id)),
        ("room", format!("{} of the client {}", mapping.room_id, mapping.client_id)),
        ("state", mapping.state.as_str().to_owned()),
        ("schedule", settings.schedule.clone().unwrap_or_else(|| "the account's own".to_owned())),
        ("timezone", settings.timezone.clone()),
        ("since", settings.since.map_or_else(|| "all messages".to_owned(), |since| time(Some(since)))),
        ("threads", if settings.threads { "yes" } else { "no" }.to_owned()),
        ("created", time(Some(mapping.created_at))),
        ("last sync", time(mapping.last_sync_at)),
        ("last message", time(mapping.last_message_at)),
        ("last error", mapping.last_error.clone().unwrap_or_default()),
    ];
    let lines = lines.into_iter().filter(|(_, value)| !value.is_empty());
    lines.map(|(name, value)| format!("{name:<13}{value}")).collect::<Vec<_>>().join("\n")
}

fn time(at: Option<DateTime<Utc>>) -> String {
    at.map_or_else(String::new, |at| at.format("%Y-%m-%d %H:%M:%S").to_string())
}
