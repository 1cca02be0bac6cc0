//! The endpoints of Cliq, below `/api/v2` and `/api/v3`.

use actix_web::http::Method;

use super::dialect::Version;
use super::{channels, limits, messages, search, threads, users};
use crate::answer::Answer;
use crate::context::Context;

/// An endpoint with the names in its path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Route {
    Channels,
    Messages { chat: String },
    Message { chat: String, id: String },
    Threads,
    Users,
    Search,
}

impl Route {
    /// The endpoint below `/cliq`; the version whose error a stranger gets when there is none. Addresses of
    /// networks and companies have a prefix (zoho.md section 5).
    pub(crate) fn resolve(method: &Method, rest: &[&str]) -> Result<Self, Version> {
        let own = |text: &&str| (*text).to_owned();
        let rest = match rest {
            ["network" | "company", _, rest @ ..] => rest,
            rest => rest,
        };
        match (method.as_str(), rest) {
            ("GET", ["api", "v2", "channels"]) => Ok(Self::Channels),
            ("GET", ["api", "v2", "chats", chat, "messages"]) => Ok(Self::Messages { chat: own(chat) }),
            ("GET", ["api", "v2", "chats", chat, "messages", id]) => Ok(Self::Message { chat: own(chat), id: own(id) }),
            ("GET", ["api", "v2", "threads"]) => Ok(Self::Threads),
            ("GET", ["api", "v2", "users"]) => Ok(Self::Users),
            ("GET", ["api", "v3", "messages", "search"]) => Ok(Self::Search),
            (_, ["api", "v3", ..]) => Err(Version::V3),
            _ => Err(Version::V2),
        }
    }

    pub(crate) fn version(&self) -> Version {
        match self {
            Self::Search => Version::V3,
            _ => Version::V2,
        }
    }

    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Channels => "cliq.channels",
            Self::Messages { .. } => "cliq.messages",
            Self::Message { .. } => "cliq.message",
            Self::Threads => "cliq.threads",
            Self::Users => "cliq.users",
            Self::Search => "cliq.search",
        }
    }
}

/// Answers a call within the limits of the person it speaks for.
pub(crate) fn answer(context: &mut Context<'_>, route: &Route) -> Answer {
    if let Err(answer) = limits::check(context, route) {
        return answer;
    }
    match route {
        Route::Channels => channels::channels(context),
        Route::Messages { chat } => messages::list(context, chat),
        Route::Message { chat, id } => messages::single(context, chat, id),
        Route::Threads => threads::threads(context),
        Route::Users => users::users(context),
        Route::Search => search::search(context),
    }
}
