//! What is in a folder.
//!
//! Cursor paging with 1,000 items, because offset paging skips and doubles items while others write; offsets of 50 only
//! where the provider refuses cursors. An empty page ends a listing whatever the answer claims.

use std::collections::HashSet;

use serde::Deserialize;
use url::Url;

use crate::error::Error;
use crate::http;
use crate::http::answer::Answer;
use crate::zoho::call::Operation;
use crate::zoho::lenient;
use crate::zoho::workdrive::item::{Item, Resource};
use crate::zoho::workdrive::{WorkDrive, read};

const LIST: Operation = read("workdrive.list", "WorkDrive.files.READ", "folder");

/// Items of a page with a cursor.
const CURSOR_LIMIT: &str = "1000";

/// Items of a page with an offset: default and maximum.
const OFFSET_LIMIT: &str = "50";

/// Which items to list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ItemFilter {
    /// Files and folders.
    All,
    /// Folders only.
    Folders,
    /// Files only.
    Files,
}

/// Where a listing goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListCursor(Place);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Place {
    Next(String),
    Offset(usize),
}

/// One page of a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListPage {
    /// The items, in no promised order; the trash is included where the provider shows it.
    pub items: Vec<Item>,
    /// Where to go on; `None` at the end.
    pub next: Option<ListCursor>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Listing {
    #[serde(default)]
    pub(super) data: Vec<Resource>,
    #[serde(default)]
    links: Links,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Links {
    cursor: Option<CursorLink>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct CursorLink {
    #[serde(deserialize_with = "lenient::boolean")]
    has_next: Option<bool>,
    next: Option<String>,
}

impl ItemFilter {
    fn as_str(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Folders => "folder",
            Self::Files => "allfiles",
        }
    }

    fn takes(self, item: &Item) -> bool {
        match self {
            Self::All => true,
            Self::Folders => item.is_folder,
            Self::Files => !item.is_folder,
        }
    }
}

impl WorkDrive<'_> {
    /// One page of a folder. The first page counts as a listing of the folder, of which 19 are allowed in a minute.
    ///
    /// # Errors
    /// [`Error::NotFound`] when the folder is gone, [`Error::Throttled`] with the folder or the token as scope, and those
    /// of every call.
    pub async fn list_page(
        &self,
        folder_id: &str,
        filter: ItemFilter,
        cursor: Option<&ListCursor>,
    ) -> Result<ListPage, Error> {
        Self::check_id("folder", folder_id)?;
        let mut page = match cursor {
            None => self.first_page(folder_id, filter).await?,
            Some(ListCursor(place)) => self.page(folder_id, filter, place, false).await?,
        };
        page.items.retain(|item| filter.takes(item));
        Ok(page)
    }

    /// Everything in a folder, each item once, without what is in the trash.
    ///
    /// # Errors
    /// As [`Self::list_page`].
    pub async fn list(&self, folder_id: &str, filter: ItemFilter) -> Result<Vec<Item>, Error> {
        let mut items = Vec::new();
        let mut known = HashSet::new();
        let mut cursor = None;
        loop {
            let page = self.list_page(folder_id, filter, cursor.as_ref()).await?;
            items.extend(page.items.into_iter().filter(|item| !item.trashed && known.insert(item.id.clone())));
            match page.next {
                None => return Ok(items),
                Some(next) if cursor.as_ref() == Some(&next) => {
                    return Err(Error::unreadable(LIST.name, "the cursor does not move"));
                }
                next => cursor = next,
            }
        }
    }

    /// With a cursor, or with an offset where the provider refuses cursors.
    async fn first_page(&self, folder_id: &str, filter: ItemFilter) -> Result<ListPage, Error> {
        match self.page(folder_id, filter, &Place::Next("0".to_owned()), true).await {
            Err(Error::Rejected { code, .. }) => {
                tracing::debug!(code, "cursor paging is refused, a folder is listed by offsets");
                self.page(folder_id, filter, &Place::Offset(0), true).await
            }
            page => page,
        }
    }

    async fn page(
        &self,
        folder_id: &str,
        filter: ItemFilter,
        place: &Place,
        is_first: bool,
    ) -> Result<ListPage, Error> {
        let url = self.url(&["files", folder_id, "files"]);
        let offset;
        let (name, value, limit) = match place {
            Place::Next(token) => ("page[next]", token.as_str(), CURSOR_LIMIT),
            Place::Offset(start) => {
                offset = start.to_string();
                ("page[offset]", offset.as_str(), OFFSET_LIMIT)
            }
        };
        let url = http::with_query(url, &[("filter[type]", filter.as_str()), (name, value), ("page[limit]", limit)]);
        let mut call = self.call(&LIST, folder_id);
        if is_first {
            call.lanes.insert(0, self.client.inner.settings.limits.workdrive_folder(folder_id));
        }
        let answer = self.client.call(call, self.get(url)).await?;
        read_page(place, &answer)
    }
}

fn read_page(place: &Place, answer: &Answer) -> Result<ListPage, Error> {
    if answer.status.as_u16() == 204 {
        return Ok(ListPage { items: Vec::new(), next: None });
    }
    let listing: Listing = answer.json(LIST.name)?;
    let next = listing.next(place)?.map(ListCursor);
    let items: Result<_, _> = listing.data.into_iter().map(|resource| resource.into_item(LIST.name)).collect();
    Ok(ListPage { items: items?, next })
}

impl Listing {
    fn next(&self, place: &Place) -> Result<Option<Place>, Error> {
        if self.data.is_empty() {
            return Ok(None);
        }
        let start = match (place, &self.links.cursor) {
            (Place::Next(_), Some(cursor)) => return cursor.next(),
            (Place::Offset(start), _) => *start,
            // Cursors were silently ignored, so nothing is known of the end.
            (Place::Next(_), None) => 0,
        };
        Ok(Some(Place::Offset(start + self.data.len())))
    }
}

impl CursorLink {
    fn next(&self) -> Result<Option<Place>, Error> {
        if self.has_next == Some(false) {
            return Ok(None);
        }
        let token = self.next.as_deref().and_then(token);
        match token {
            Some(token) => Ok(Some(Place::Next(token))),
            None if self.has_next == Some(true) => {
                Err(Error::unreadable(LIST.name, "more items and no cursor to them"))
            }
            None => Ok(None),
        }
    }
}

/// The `page[next]` parameter of a link, which may be relative.
fn token(link: &str) -> Option<String> {
    let base = Url::parse("https://workdrive.invalid/").ok()?;
    let url = base.join(link).ok()?;
    let mut pairs = url.query_pairs();
    pairs.find(|(name, value)| name == "page[next]" && !value.is_empty()).map(|(_, value)| value.into_owned())
}
