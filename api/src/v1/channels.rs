//! `/api/v1/accounts/{name}/channels`: the channels that an account can see, and whose room has them.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use mappings::channel::{self as mapped, Mapping};
use providers::error::{Error as Refused, Throttled};
use providers::zoho::cliq::{Channel as Seen, ChannelFilter, PageFrom};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;
use service::config::Account;
use uuid::Uuid;

use crate::endpoint::{Call, Endpoint, Reply};
use crate::page::{NameCursor, Page};
use crate::problem::{InputError, Place, Refusal};
use crate::v1::grants::NEEDS_CONSENT;
use crate::{Problem, Role};

/// The account has no channels.
pub const NO_CHANNELS: Refusal =
    Refusal::new(409, "account_without_channels", "The account's provider has no channels.");
/// The provider refused, or could not be reached.
pub const PROVIDER_REFUSED: Refusal =
    Refusal::new(502, "provider_refused", "The provider did not give the list, for the reason in `detail`.");
/// A limit of the provider.
pub const PROVIDER_LIMIT: Refusal = Refusal::new(
    503,
    "provider_limit",
    "A limit of the provider is used up until the time in `context`; syncs share it.",
);

/// The entries of the group.
#[must_use]
pub fn endpoints() -> Vec<Endpoint> {
    vec![
        Endpoint::get(
            "/api/v1/accounts/{name}/channels",
            Role::Manager,
            "listChannels",
            "The channels that the account can see, as the provider lists them now, and their mappings",
            list,
        )
        .refuses(&[NO_CHANNELS, NEEDS_CONSENT, PROVIDER_REFUSED, PROVIDER_LIMIT]),
    ]
}

/// Which account.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Named {
    /// Its name in the configuration.
    #[schemars(example = &"org-a")]
    name: String,
}

/// Which channels.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Listed {
    /// Only those whose name holds this.
    #[schemars(length(min = 1, max = 200))]
    search: Option<String>,
    /// `next_cursor` of the page before.
    cursor: Option<NameCursor>,
}

/// A channel as the provider shows it now.
#[derive(Debug, Serialize, JsonSchema)]
struct Channel {
    /// Its id, for a mapping.
    channel_id: String,
    /// The chat that its messages are read by, for a mapping.
    chat_id: String,
    /// Its name.
    name: String,
    /// `organization`, `team`, `private` or `external`.
    level: Option<String>,
    /// `created`, `pending` or `archived`.
    status: Option<String>,
    /// Whether its messages can be read by the account.
    joined: Option<bool>,
    /// Messages so far.
    messages: Option<i64>,
    /// The newest message.
    last_message_at: Option<DateTime<Utc>>,
    /// The mapping that has it; null where none has.
    mapping_id: Option<Uuid>,
    /// Whose room that is.
    client_id: Option<String>,
    /// Which room.
    room_id: Option<String>,
}

async fn list(call: Call<Named, Listed>) -> Result<Reply<Page<Channel>>, Problem> {
    let what = "account of that name";
    let configured = call.api.config().accounts.get(&call.path.name);
    let Some(account) = configured else { return Err(Problem::not_found(what)) };
    call.caller.must_reach(&account.organization, what)?;
    let Some(client) = call.api.accounts().zoho(&account.name) else {
        return Err(Problem::new(&NO_CHANNELS, format!("the provider of {} has no channels", account.name)));
    };
    let from = page_from(call.query.cursor)?;
    let filter = ChannelFilter { name: call.query.search, ..ChannelFilter::default() };
    let page = client.cliq().channels(&filter, &from).await.map_err(|error| refused(error, &from))?;
    let mut held = mappings_of(&call.api, account).await?;
    let items = page.rows.into_iter().map(|seen| {
        let mapping = held.remove(&seen.id);
        channel(seen, mapping)
    });
    let items = items.collect();
    Ok(Page { items, next_cursor: page.next.map(|token| NameCursor::written(&token)) }.into())
}

/// The live mappings of an account, by channel. What another organisation made while it had the account is not shown.
async fn mappings_of(api: &crate::Api, account: &Account) -> Result<HashMap<String, Mapping>, Problem> {
    let filter = mapped::Filter {
        organization: Some(account.organization.clone()),
        account: Some(account.name.clone()),
        ..mapped::Filter::default()
    };
    let (mut held, mut after) = (HashMap::new(), None);
    loop {
        let page = match mapped::list(api.readers(), &filter, after, mapped::LARGEST_PAGE).await {
            Ok(page) => page,
            Err(mappings::Error::Log(error)) => return Err(error.into()),
            Err(error) => return Err(Problem::internal(error)),
        };
        held.extend(page.items.into_iter().map(|mapping| (mapping.channel_id.clone(), mapping)));
        after = page.next;
        if after.is_none() {
            return Ok(held);
        }
    }
}

fn channel(seen: Seen, mapping: Option<Mapping>) -> Channel {
    let (mapping_id, client_id, room_id) = match mapping {
        Some(mapping) => (Some(mapping.mapping_id), Some(mapping.client_id), Some(mapping.room_id)),
        None => (None, None, None),
    };
    Channel {
        channel_id: seen.id,
        chat_id: seen.chat_id,
        name: seen.name,
        level: seen.level,
        status: seen.status,
        joined: seen.joined,
        messages: seen.total_message_count,
        last_message_at: seen.last_message.and_then(|last| last.time),
        mapping_id,
        client_id,
        room_id,
    }
}

/// Where the list is read from. A token is the provider's own, and what cannot be one costs no call.
fn page_from(cursor: Option<NameCursor>) -> Result<PageFrom, Problem> {
    let Some(NameCursor(token)) = cursor else { return Ok(PageFrom::Start) };
    if token.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ') {
        return Ok(PageFrom::Next(token));
    }
    Err(not_given_out())
}

fn not_given_out() -> Problem {
    Problem::invalid(vec![InputError {
        place: Place::Query,
        field: "cursor".to_owned(),
        problem: "was not given out for this list, or does not count any more".to_owned(),
        remedy: "give `next_cursor` of the page before, or leave it out to begin anew".to_owned(),
    }])
}

fn refused(error: Refused, from: &PageFrom) -> Problem {
    match error {
        Refused::Throttled(Throttled { until, .. }) => {
            Problem::new(&PROVIDER_LIMIT, error.to_string()).with_context(json!({ "until": until }))
        }
        Refused::NeedsConsent { .. } => Problem::new(&NEEDS_CONSENT, format!("{error}; connect the account again")),
        Refused::Rejected { .. } if *from != PageFrom::Start => not_given_out().because(error),
        error => Problem::new(&PROVIDER_REFUSED, error.to_string()).because(error),
    }
}
