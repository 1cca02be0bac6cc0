//! What transfers need of an account's WorkDrive.

use std::collections::BTreeSet;

use providers::zoho::Client;
use providers::zoho::workdrive::ItemFilter;
use service::config::Config;

use super::Check;

/// A name that no folder is expected to have: only whether the search answers counts.
const SEARCHED_NAME: &str = "gateledger-accounts-test";

/// Each source and destination folder of the account's transfers, once.
pub(super) async fn checks(config: &Config, client: &Client) -> Vec<Check> {
    let account = client.account();
    let transfers = || config.transfers.values();
    let sources: BTreeSet<&str> = transfers()
        .filter(|transfer| transfer.source == account)
        .map(|transfer| transfer.source_team_folder_id.as_str())
        .collect();
    let destinations: BTreeSet<&str> = transfers()
        .filter(|transfer| transfer.destination == account)
        .map(|transfer| transfer.destination_folder_id.as_str())
        .collect();
    let mut checks = Vec::new();
    for folder in sources {
        let listed = client.workdrive().list_page(folder, ItemFilter::Folders, None).await;
        checks.push(Check::of("workdrive.team_folder", folder, &listed));
        if listed.is_ok() {
            let found = client.workdrive().search_folders_in(folder, SEARCHED_NAME).await;
            // Without the search, folders below the first level are not found.
            checks.push(Check::of("workdrive.search", folder, &found).optional());
        }
    }
    for folder in destinations {
        checks.push(destination(client, folder).await);
    }
    checks
}

async fn destination(client: &Client, folder: &str) -> Check {
    const NAME: &str = "workdrive.destination";
    let item = match client.workdrive().item(folder).await {
        Ok(item) => item,
        failed => return Check::of(NAME, folder, &failed),
    };
    if item.is_folder && !item.trashed {
        return Check::passed(NAME, folder);
    }
    let (code, message) = match item.is_folder {
        true => ("trashed", "the folder is in the trash"),
        false => ("not_a_folder", "the id is that of a file"),
    };
    let remedy = "set destination_folder_id to the id of a folder, or restore it".to_owned();
    Check::failed(NAME, folder, code, message.to_owned(), remedy)
}
