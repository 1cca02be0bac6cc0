//! What transfers need of an account's CRM.

use std::collections::BTreeSet;

use providers::zoho::Client;
use providers::zoho::crm::ApiName;
use service::config::{Config, Transfer};

use super::Check;

/// The module and fields of each transfer, and whether notifications can be asked for where they have an address.
pub(super) async fn checks(config: &Config, client: &Client) -> Vec<Check> {
    let transfers: Vec<&Transfer> =
        config.transfers.values().filter(|transfer| transfer.crm == client.account()).collect();
    let mut checks = Vec::new();
    for transfer in &transfers {
        checks.push(fields(client, transfer).await);
    }
    if config.http.public_url.is_some() {
        let modules: BTreeSet<&str> = transfers.iter().map(|transfer| transfer.module.as_str()).collect();
        for module in modules {
            checks.push(notifications(client, module).await.optional());
        }
    }
    checks
}

async fn fields(client: &Client, transfer: &Transfer) -> Check {
    let Transfer { name, module, checkbox_field, folder_field, .. } = transfer;
    let subject = format!("{module}: {checkbox_field}, {folder_field} (transfers.{name})");
    let asked = async {
        let fields = [ApiName::parse(checkbox_field)?, ApiName::parse(folder_field)?];
        client.crm().check_fields(&ApiName::parse(module)?, &fields).await
    };
    Check::of("crm.fields", subject, &asked.await)
}

async fn notifications(client: &Client, module: &str) -> Check {
    let asked = async { client.crm().watch_list(None, Some(&ApiName::parse(module)?)).await };
    Check::of("crm.notifications", module, &asked.await)
}
