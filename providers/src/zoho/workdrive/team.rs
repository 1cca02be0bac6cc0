//! Who we are, and which team a team folder belongs to.

use serde::Deserialize;

use crate::error::Error;
use crate::http;
use crate::http::answer::Answer;
use crate::zoho::call::Operation;
use crate::zoho::lenient;
use crate::zoho::workdrive::{WorkDrive, read};

const ME: Operation = read("workdrive.me", "WorkDrive.team.READ", "user");
const TEAMS: Operation = read("workdrive.teams", "WorkDrive.team.READ", "user");
const TEAM_FOLDERS: Operation =
    read("workdrive.team_folders", "WorkDrive.teamfolders.READ or WorkDrive.workspace.READ", "team");

/// Entries of one page: default and maximum of offset paging.
const PAGE_LIMIT: usize = 50;

/// The user behind the grant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// User id.
    pub id: String,
    /// `PERSONAL` has no teams.
    pub edition: Option<String>,
    /// The team shown first in the product.
    pub preferred_team_id: Option<String>,
}

/// A team: WorkDrive's word for an organisation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Team {
    /// Team id.
    pub id: String,
    /// Name, for people.
    pub name: Option<String>,
}

#[derive(Debug, Deserialize)]
struct OneUser {
    data: Entry,
}

#[derive(Debug, Deserialize)]
struct Entries {
    #[serde(default)]
    data: Vec<Entry>,
}

#[derive(Debug, Deserialize)]
struct Entry {
    id: String,
    #[serde(default)]
    attributes: EntryAttributes,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct EntryAttributes {
    #[serde(deserialize_with = "lenient::text")]
    name: Option<String>,
    #[serde(deserialize_with = "lenient::text")]
    edition: Option<String>,
    #[serde(deserialize_with = "lenient::text")]
    preferred_team_id: Option<String>,
}

impl WorkDrive<'_> {
    /// The user behind the grant.
    ///
    /// # Errors
    /// Those of every call.
    pub async fn me(&self) -> Result<User, Error> {
        let answer = self.client.call(self.call(&ME, "me"), self.get(self.url(&["users", "me"]))).await?;
        let Entry { id, attributes } = answer.json::<OneUser>(ME.name)?.data;
        Ok(User { id, edition: attributes.edition, preferred_team_id: attributes.preferred_team_id })
    }

    /// Teams of a user; none for a personal edition.
    ///
    /// # Errors
    /// Those of every call.
    pub async fn teams(&self, user_id: &str) -> Result<Vec<Team>, Error> {
        Self::check_id("user", user_id)?;
        let url = self.url(&["users", user_id, "teams"]);
        let answer = self.client.call(self.call(&TEAMS, user_id), self.get(url)).await?;
        let team = |Entry { id, attributes }| Team { id, name: attributes.name };
        Ok(entries(&TEAMS, &answer)?.into_iter().map(team).collect())
    }

    /// The team that owns a team folder, or `None` when no team of ours does.
    ///
    /// # Errors
    /// [`Error::MissingScope`] when the grant does not show teams or team folders, and those of every call.
    pub async fn find_team_of(&self, team_folder_id: &str) -> Result<Option<Team>, Error> {
        let me = self.me().await?;
        for team in self.teams(&me.id).await? {
            if self.has_team_folder(&team.id, team_folder_id).await? {
                return Ok(Some(team));
            }
        }
        Ok(None)
    }

    async fn has_team_folder(&self, team_id: &str, team_folder_id: &str) -> Result<bool, Error> {
        let limit = PAGE_LIMIT.to_string();
        for page in 0.. {
            let offset = (page * PAGE_LIMIT).to_string();
            let url = self.url(&["teams", team_id, "teamfolders"]);
            let url = http::with_query(url, &[("page[limit]", &limit), ("page[offset]", &offset)]);
            let answer = self.client.call(self.call(&TEAM_FOLDERS, team_id), self.get(url)).await?;
            let folders = entries(&TEAM_FOLDERS, &answer)?;
            if folders.iter().any(|folder| folder.id == team_folder_id) {
                return Ok(true);
            }
            if folders.len() < PAGE_LIMIT {
                break;
            }
        }
        Ok(false)
    }
}

fn entries(operation: &'static Operation, answer: &Answer) -> Result<Vec<Entry>, Error> {
    if answer.status.as_u16() == 204 {
        return Ok(Vec::new());
    }
    Ok(answer.json::<Entries>(operation.name)?.data)
}
