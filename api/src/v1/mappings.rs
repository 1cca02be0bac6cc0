//! `/api/v1/mappings`: which channel belongs to which room.

use chrono::{DateTime, Utc};
use mappings::channel::{self, Change, MapRequest, Mapping as Known, State};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::endpoint::{Call, Changes, Endpoint, Nothing, Reply};
use crate::page::{self, NameCursor, Page};
use crate::problem::Refusal;
use crate::{Problem, Role};

/// Somebody else's room has the channel, or another of one's own.
pub const ALREADY_MAPPED: Refusal = Refusal::new(
    409,
    "channel_already_mapped",
    "The channel belongs to a room already; `context` holds that mapping where the caller may see it.",
);
/// Nothing can be done with it any more.
pub const MAPPING_ENDED: Refusal = Refusal::new(409, "mapping_ended", "The mapping has ended; map the channel again.");
/// A value of the request cannot be used.
pub const MAPPING_INVALID: Refusal =
    Refusal::new(422, "mapping_invalid", "A value has the right shape and cannot be used, for the reason given.");

const WHAT: &str = "mapping of that id";

// What `mappings` takes, as far as a pattern that people can read says it: ids there also hold no characters that leave no
// trace on paper. A misfit that only shows later is answered by `MAPPING_INVALID`.
/// A channel, by the provider's id.
const CHANNEL_ID: &str = "^[A-Za-z0-9_]+$";
/// A chat, by the provider's id.
const CHAT_ID: &str = "^[A-Za-z0-9_-]+$";
/// One line without spaces around it.
const ID: &str = r"^[^\x00-\x20\x7f-\xa0]([^\x00-\x1f\x7f-\x9f]*[^\x00-\x20\x7f-\xa0])?$";
/// One line.
const LINE: &str = r"^[^\x00-\x1f\x7f-\x9f]*$";
/// One line that is not blank.
const NAME: &str = r"^[^\x00-\x1f\x7f-\x9f]*[^\s\x00-\x20\x7f-\xa0][^\x00-\x1f\x7f-\x9f]*$";

/// The entries of the group.
#[must_use]
pub fn endpoints() -> Vec<Endpoint> {
    vec![
        Endpoint::get(
            "/api/v1/mappings",
            Role::Viewer,
            "listMappings",
            "Channels and the rooms they belong to, in the order they were mapped",
            list,
        ),
        Endpoint::post(
            "/api/v1/mappings",
            Role::Manager,
            "createMapping",
            "Let a channel belong to a room; asking again for the same room changes nothing",
            Changes::Recorded,
            create,
        )
        .answers(&[200, 201])
        .refuses(&[ALREADY_MAPPED, MAPPING_INVALID]),
        Endpoint::get("/api/v1/mappings/{mapping_id}", Role::Viewer, "getMapping", "One mapping", show),
        Endpoint::new(
            actix_web::http::Method::PATCH,
            "/api/v1/mappings/{mapping_id}",
            Role::Manager,
            "configureMapping",
            "Change some of a mapping's settings",
            Changes::Recorded,
            configure,
        )
        .refuses(&[MAPPING_ENDED, MAPPING_INVALID]),
        Endpoint::new(
            actix_web::http::Method::DELETE,
            "/api/v1/mappings/{mapping_id}",
            Role::Manager,
            "removeMapping",
            "End a mapping; the channel can be mapped anew",
            Changes::Recorded,
            remove,
        )
        .refuses(&[MAPPING_INVALID]),
        Endpoint::post(
            "/api/v1/mappings/{mapping_id}/pause",
            Role::Operator,
            "pauseMapping",
            "Suspend the syncs of a mapping",
            Changes::Recorded,
            pause,
        )
        .refuses(&[MAPPING_ENDED, MAPPING_INVALID]),
        Endpoint::post(
            "/api/v1/mappings/{mapping_id}/resume",
            Role::Operator,
            "resumeMapping",
            "Let the syncs of a paused mapping go on",
            Changes::Recorded,
            resume,
        )
        .refuses(&[MAPPING_ENDED]),
    ]
}

/// Which mappings; everything that is given must hold.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Listed {
    /// Of this account.
    #[schemars(length(min = 1, max = 200))]
    account: Option<String>,
    /// Of this client.
    #[schemars(length(min = 1, max = 200))]
    client_id: Option<String>,
    /// In this state; without it all that have not ended.
    state: Option<MappingState>,
    /// At most this many.
    #[serde(default = "page::default_limit")]
    #[schemars(range(min = 1, max = 500))]
    limit: u32,
    /// `next_cursor` of the page before.
    cursor: Option<NameCursor>,
}

/// How a mapping is: it is synced (`active`), suspended (`paused`), its last sync failed and the next is tried all the same
/// (`error`), or it is over (`ended`).
#[derive(Debug, Clone, Copy, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
enum MappingState {
    Active,
    Paused,
    Error,
    Ended,
}

/// Which mapping.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Named {
    /// Its id.
    mapping_id: Uuid,
}

/// A channel and its room.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct NewMapping {
    /// The account that the channel is read with, by its name in the configuration.
    #[schemars(length(min = 1, max = 200), example = &"org-a")]
    account: String,
    /// The channel, as `/api/v1/accounts/{name}/channels` shows it.
    #[schemars(length(min = 1, max = 100), regex(pattern = CHANNEL_ID), example = &"O1234567890")]
    channel_id: String,
    /// The chat that its messages are read by.
    #[schemars(length(min = 1, max = 100), regex(pattern = CHAT_ID), example = &"CT_1234567890_64396901")]
    chat_id: String,
    /// Its name.
    #[schemars(length(min = 1, max = 500), regex(pattern = NAME), example = &"#ops")]
    channel_name: String,
    /// Whose room.
    #[schemars(length(min = 1, max = 200), regex(pattern = ID))]
    client_id: String,
    /// Which room.
    #[schemars(length(min = 1, max = 200), regex(pattern = ID))]
    room_id: String,
    /// How it is synced.
    #[serde(default)]
    settings: Option<NewSettings>,
}

/// How a new mapping is synced; everything may be left out.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct NewSettings {
    /// Cron pattern of five fields, or six with seconds first; without it the account's own schedule counts.
    #[schemars(length(min = 1, max = 200), example = &"0 3 * * *")]
    schedule: Option<String>,
    /// IANA name of the zone of the schedule and of the lines' times; UTC.
    #[schemars(length(min = 1, max = 100), example = &"Europe/Berlin")]
    timezone: Option<String>,
    /// Messages before this time are not fetched.
    since: Option<DateTime<Utc>>,
    /// Whether threads are fetched as well; true.
    threads: Option<bool>,
}

/// What is to be different; the rest stays.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ChangedSettings {
    /// As in a new mapping.
    #[schemars(length(min = 1, max = 200), example = &"0 3 * * *")]
    schedule: Option<String>,
    /// Back to the account's own schedule.
    #[serde(default)]
    account_schedule: bool,
    /// As in a new mapping.
    #[schemars(length(min = 1, max = 100), example = &"Europe/Berlin")]
    timezone: Option<String>,
    /// As in a new mapping.
    since: Option<DateTime<Utc>>,
    /// As in a new mapping.
    threads: Option<bool>,
}

/// Why.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Reason {
    /// In a few words, for whoever looks at the history.
    #[schemars(length(min = 1, max = 500), regex(pattern = LINE))]
    reason: String,
}

/// A channel and the room it belongs to.
#[derive(Debug, Serialize, JsonSchema)]
struct Mapping {
    /// Its id; a channel that is mapped anew gets another one.
    mapping_id: Uuid,
    /// The account that the channel is read with.
    account: String,
    /// Who owns it.
    organization: String,
    /// The channel.
    channel_id: String,
    /// The chat that its messages are read by.
    chat_id: String,
    /// Its name as last heard of.
    channel_name: String,
    /// Whose room.
    client_id: String,
    /// Which room.
    room_id: String,
    /// How it is.
    state: MappingState,
    /// How it is synced.
    settings: MappingSettings,
    /// When the channel was mapped.
    created_at: DateTime<Utc>,
    /// The last decision about it.
    updated_at: DateTime<Utc>,
    /// Why the last sync failed; null when it did not.
    last_error: Option<String>,
    /// The last sync that completed.
    last_sync_at: Option<DateTime<Utc>>,
    /// The newest message, by the provider's clock.
    last_message_at: Option<DateTime<Utc>>,
}

/// How a mapping is synced.
#[derive(Debug, Serialize, JsonSchema)]
struct MappingSettings {
    /// Cron pattern; null for the account's own schedule.
    schedule: Option<String>,
    /// IANA name of its zone.
    timezone: String,
    /// Messages before this time are not fetched; null: all.
    since: Option<DateTime<Utc>>,
    /// Whether threads are fetched as well.
    threads: bool,
}

async fn list(call: Call<Nothing, Listed>) -> Result<Reply<Page<Mapping>>, Problem> {
    let Listed { account, client_id, state, limit, cursor } = call.query;
    let filter = channel::Filter {
        organization: call.caller.organization.clone(),
        account,
        client_id,
        state: state.map(State::from),
        with_ended: false,
    };
    // A cursor that was not given out is some place in the list.
    let after = cursor.and_then(|cursor| cursor.0.parse::<Uuid>().ok());
    let found = channel::list(call.api.readers(), &filter, after, limit).await.map_err(problem)?;
    let next_cursor = found.next.map(|id| NameCursor::written(&id.to_string()));
    Ok(Page { items: found.items.into_iter().map(Mapping::from).collect(), next_cursor }.into())
}

async fn create(call: Call<Nothing, Nothing, NewMapping>) -> Result<Reply<Mapping>, Problem> {
    let NewMapping { account, channel_id, chat_id, channel_name, client_id, room_id, settings } = call.body;
    let NewSettings { schedule, timezone, since, threads } = settings.unwrap_or_default();
    let settings = Change { schedule: schedule.map(Some), timezone, since: since.map(Some), threads };
    let request = MapRequest { account, channel_id, chat_id, channel_name, client_id, room_id, settings };
    let (log, actor) = (call.api.log(), call.caller.actor());
    let outcome = channel::map(log, &actor, call.api.config(), &request).await.map_err(problem)?;
    let mapping = Mapping::from(outcome.mapping);
    Ok(if outcome.existing { Reply::ok(mapping) } else { Reply::created(mapping) })
}

async fn show(call: Call<Named>) -> Result<Reply<Mapping>, Problem> {
    let own = call.caller.organization.as_deref();
    let found = channel::get(call.api.readers(), own, call.path.mapping_id).await.map_err(problem)?;
    Ok(Mapping::from(found).into())
}

async fn configure(call: Call<Named, Nothing, ChangedSettings>) -> Result<Reply<Mapping>, Problem> {
    let ChangedSettings { schedule, account_schedule, timezone, since, threads } = call.body;
    if schedule.is_some() && account_schedule {
        return Err(Problem::unusable(
            &MAPPING_INVALID,
            "account_schedule",
            "excludes a schedule of its own",
            "send either schedule or account_schedule",
        ));
    }
    let schedule = if account_schedule { Some(None) } else { schedule.map(Some) };
    let change = Change { schedule, timezone, since: since.map(Some), threads };
    let (log, actor) = (call.api.log(), call.caller.actor());
    let changed = channel::configure(log, &actor, call.path.mapping_id, &change).await.map_err(problem)?;
    Ok(Mapping::from(changed).into())
}

async fn remove(call: Call<Named, Nothing, Reason>) -> Result<Reply<Mapping>, Problem> {
    let (log, actor) = (call.api.log(), call.caller.actor());
    let ended = channel::unmap(log, &actor, call.path.mapping_id, &call.body.reason).await.map_err(problem)?;
    Ok(Mapping::from(ended).into())
}

async fn pause(call: Call<Named, Nothing, Reason>) -> Result<Reply<Mapping>, Problem> {
    let (log, actor) = (call.api.log(), call.caller.actor());
    let paused = channel::pause(log, &actor, call.path.mapping_id, &call.body.reason).await.map_err(problem)?;
    Ok(Mapping::from(paused).into())
}

async fn resume(call: Call<Named>) -> Result<Reply<Mapping>, Problem> {
    let (log, actor) = (call.api.log(), call.caller.actor());
    let resumed = channel::resume(log, &actor, call.path.mapping_id).await.map_err(problem)?;
    Ok(Mapping::from(resumed).into())
}

fn problem(error: mappings::Error) -> Problem {
    match error {
        mappings::Error::NotFound { .. } => Problem::not_found(WHAT),
        mappings::Error::AlreadyMapped { ref mapping, .. } => {
            let held = mapping.as_deref().cloned().map(Mapping::from);
            let refused = Problem::new(&ALREADY_MAPPED, error.to_string());
            match held.and_then(|held| serde_json::to_value(held).ok()) {
                Some(held) => refused.with_context(serde_json::json!({ "mapping": held })),
                None => refused,
            }
        }
        mappings::Error::WrongState { .. } => Problem::new(&MAPPING_ENDED, error.to_string()),
        mappings::Error::Invalid { field, ref reason } => {
            Problem::unusable(&MAPPING_INVALID, field, reason.clone(), "correct the value and send it again")
        }
        mappings::Error::Log(error) => error.into(),
        other => Problem::internal(other),
    }
}

impl From<Known> for Mapping {
    fn from(known: Known) -> Self {
        Mapping {
            mapping_id: known.mapping_id,
            account: known.account,
            organization: known.organization,
            channel_id: known.channel_id,
            chat_id: known.chat_id,
            channel_name: known.channel_name,
            client_id: known.client_id,
            room_id: known.room_id,
            state: known.state.into(),
            settings: MappingSettings {
                schedule: known.settings.schedule,
                timezone: known.settings.timezone,
                since: known.settings.since,
                threads: known.settings.threads,
            },
            created_at: known.created_at,
            updated_at: known.updated_at,
            last_error: known.last_error,
            last_sync_at: known.last_sync_at,
            last_message_at: known.last_message_at,
        }
    }
}

impl From<State> for MappingState {
    fn from(state: State) -> Self {
        match state {
            State::Active => MappingState::Active,
            State::Paused => MappingState::Paused,
            State::Error => MappingState::Error,
            State::Ended => MappingState::Ended,
        }
    }
}

impl From<MappingState> for State {
    fn from(state: MappingState) -> Self {
        match state {
            MappingState::Active => State::Active,
            MappingState::Paused => State::Paused,
            MappingState::Error => State::Error,
            MappingState::Ended => State::Ended,
        }
    }
}
