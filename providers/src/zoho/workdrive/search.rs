//! Finding folders by name through the search index.
//!
//! The index matches parts of names and lags behind, so hits are filtered here and a missing hit proves nothing: listing
//! the parent folder does.

use std::sync::PoisonError;

use crate::error::Error;
use crate::http;
use crate::zoho::call::Operation;
use crate::zoho::workdrive::item::Item;
use crate::zoho::workdrive::listing::Listing;
use crate::zoho::workdrive::{WorkDrive, names_match, read};

const SEARCH: Operation = read("workdrive.search", "ZohoSearch.securesearch.READ, WorkDrive.team.READ", "team");

/// Hits of one page.
const PAGE_LIMIT: usize = 50;

impl WorkDrive<'_> {
    /// [`Self::search_folders`] in the team that owns the team folder. The team is looked up once for each client.
    ///
    /// # Errors
    /// [`Error::NotFound`] when no team of the account owns the team folder, and those of [`Self::find_team_of`] and
    /// [`Self::search_folders`].
    pub async fn search_folders_in(&self, team_folder_id: &str, name: &str) -> Result<Vec<Item>, Error> {
        let team_id = self.team_id_of(team_folder_id).await?;
        self.search_folders(&team_id, team_folder_id, name).await
    }

    async fn team_id_of(&self, team_folder_id: &str) -> Result<String, Error> {
        let teams = &self.client.inner.teams;
        if let Some(id) = teams.lock().unwrap_or_else(PoisonError::into_inner).get(team_folder_id) {
            return Ok(id.clone());
        }
        let Some(team) = self.find_team_of(team_folder_id).await? else {
            return Err(Error::NotFound { what: "team folder", id: team_folder_id.to_owned() });
        };
        teams.lock().unwrap_or_else(PoisonError::into_inner).insert(team_folder_id.to_owned(), team.id.clone());
        Ok(team.id)
    }

    /// Folders inside one team folder, at any depth, whose name is `name` regardless of case.
    ///
    /// # Errors
    /// [`Error::MissingScope`] when the grant lacks the search scope, [`Error::NotFound`] for an unknown team, and those of
    /// every call.
    pub async fn search_folders(&self, team_id: &str, team_folder_id: &str, name: &str) -> Result<Vec<Item>, Error> {
        Self::check_id("team", team_id)?;
        let limit = PAGE_LIMIT.to_string();
        let mut folders: Vec<Item> = Vec::new();
        let mut offset = 0;
        loop {
            let start = offset.to_string();
            let query = [
                ("search[name]", name),
                ("filter[teamFolder]", team_folder_id),
                ("filter[type]", "folder"),
                ("page[limit]", &limit),
                ("page[offset]", &start),
            ];
            let url = http::with_query(self.url(&["teams", team_id, "records"]), &query);
            let answer = self.client.call(self.call(&SEARCH, team_id), self.get(url)).await?;
            if answer.status.as_u16() == 204 {
                return Ok(folders);
            }
            let hits = answer.json::<Listing>(SEARCH.name)?.data;
            let page_length = hits.len();
            for hit in hits {
                let item = hit.into_item(SEARCH.name)?;
                let is_new = !folders.iter().any(|known| known.id == item.id);
                if item.is_folder && !item.trashed && is_new && names_match(&item.name, name) {
                    folders.push(item);
                }
            }
            if page_length < PAGE_LIMIT {
                return Ok(folders);
            }
            offset += page_length;
        }
    }
}
