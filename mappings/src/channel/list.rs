//! Lists of mappings, page by page.

use event_log::sql::Target;
use serde::Serialize;
use uuid::Uuid;

use super::mapping::{Mapping, State};
use super::rows;
use crate::Error;

/// Most mappings of one page.
pub const LARGEST_PAGE: u32 = 500;

/// Which mappings; everything that is set must hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// Of this organisation; a caller who belongs to one must set it.
    pub organization: Option<String>,
    /// Of this account.
    pub account: Option<String>,
    /// Of this client.
    pub client_id: Option<String>,
    /// In this state.
    pub state: Option<State>,
    /// Also those that have ended, where no state is asked for.
    pub with_ended: bool,
}

/// Some mappings in the order of their ids, which is that of their making.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Page {
    /// The mappings.
    pub items: Vec<Mapping>,
    /// Where the next page goes on; absent on the last.
    pub next: Option<Uuid>,
}

/// A page of the mappings after the one that `after` names; from the first without it.
///
/// # Errors
/// [`Error::Invalid`] when `limit` is not 1 to [`LARGEST_PAGE`], [`Error::Log`].
pub async fn list(
    target: impl Into<Target<'_>>,
    filter: &Filter,
    after: Option<Uuid>,
    limit: u32,
) -> Result<Page, Error> {
    if !(1..=LARGEST_PAGE).contains(&limit) {
        return Err(Error::invalid("limit", format!("must be 1 to {LARGEST_PAGE}")));
    }
    // One more than wanted tells whether there is another page.
    let mut items = rows::list(target, filter, after, limit + 1).await?;
    let has_more = items.len() > limit as usize;
    items.truncate(limit as usize);
    let next = items.last().filter(|_| has_more).map(|mapping| mapping.mapping_id);
    Ok(Page { items, next })
}
