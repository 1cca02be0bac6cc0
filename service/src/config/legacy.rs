//! The environment names of the WorkDrive migration, as accounts `org-a`, `org-b` and the transfer `default`.
//!
//! They are the lowest layer: whatever the file or a `GATELEDGER__…` variable says for the same key counts.

use super::Environment;
use super::error::Problem;
use super::origin::Origin;
use super::tree::{self, Node, Tree};
use super::value::{Leaf, Raw};

/// The transfer that the old names describe.
const TRANSFER: &str = "default";

/// A variable and the key it stands for.
struct Name {
    variable: &'static str,
    /// Further keys stand for the same variable.
    keys: &'static [&'static [&'static str]],
    secret: bool,
}

const NAMES: [Name; 12] = [
    plain("ZOHO_REGION", &[&["accounts", "org-a", "region"], &["accounts", "org-b", "region"]]),
    secret("ORG_A_CLIENT_ID", &[&["accounts", "org-a", "client_id"]]),
    secret("ORG_A_CLIENT_SECRET", &[&["accounts", "org-a", "client_secret"]]),
    secret("ORG_A_REFRESH_TOKEN", &[&["accounts", "org-a", "refresh_token"]]),
    secret("ORG_B_CLIENT_ID", &[&["accounts", "org-b", "client_id"]]),
    secret("ORG_B_CLIENT_SECRET", &[&["accounts", "org-b", "client_secret"]]),
    secret("ORG_B_REFRESH_TOKEN", &[&["accounts", "org-b", "refresh_token"]]),
    plain("ORG_B_TEAM_FOLDER_ID", &[&["transfers", TRANSFER, "source_team_folder_id"]]),
    plain("CRM_MODULE_API_NAME", &[&["transfers", TRANSFER, "module"]]),
    plain("CRM_CHECKBOX_FIELD_API_NAME", &[&["transfers", TRANSFER, "checkbox_field"]]),
    plain("CRM_FOLDER_NAME_FIELD_API_NAME", &[&["transfers", TRANSFER, "folder_field"]]),
    plain("WORKDRIVE_DEST_FOLDER_ID", &[&["transfers", TRANSFER, "destination_folder_id"]]),
];

/// What the old names leave unsaid.
const IMPLIED: [(&[&str], &str); 6] = [
    (&["accounts", "org-a", "provider"], "zoho"),
    (&["accounts", "org-b", "provider"], "zoho"),
    (&["accounts", "org-a", "webhook", "verify"], "zoho-crm"),
    (&["transfers", TRANSFER, "crm"], "org-a"),
    (&["transfers", TRANSFER, "source"], "org-b"),
    (&["transfers", TRANSFER, "destination"], "org-a"),
];

const fn plain(variable: &'static str, keys: &'static [&'static [&'static str]]) -> Name {
    Name { variable, keys, secret: false }
}

const fn secret(variable: &'static str, keys: &'static [&'static [&'static str]]) -> Name {
    Name { variable, keys, secret: true }
}

/// Whether the old names describe a transfer: one of the names that only they use is set, and no other transfer is
/// configured. Names of credentials alone do not count, as a configuration file may refer to them.
pub(super) fn is_meant(tree: &Tree, environment: &Environment) -> bool {
    let mut only_ours = NAMES.iter().filter(|name| name.keys.iter().any(|key| key.first() == Some(&"transfers")));
    is_free(tree) && only_ours.any(|name| environment.get(name.variable).is_some())
}

/// Whether no transfer is configured but ours, and ours is not complete without the old names.
pub(super) fn is_free(tree: &Tree) -> bool {
    let ours_is_open = keys_of("transfers").any(|key| tree::at(tree, key).is_none());
    match tree.get("transfers") {
        Some(Node::Table(transfers)) => ours_is_open && transfers.keys().all(|name| name == TRANSFER),
        Some(Node::Leaf(_)) => false,
        None => true,
    }
}

/// The keys of a section that the old names speak of.
fn keys_of(section: &str) -> impl Iterator<Item = &'static [&'static str]> {
    let named = NAMES.iter().flat_map(|name| name.keys.iter().copied());
    let implied = IMPLIED.iter().map(|(key, _)| *key);
    named.chain(implied).filter(move |key| key.first() == Some(&section))
}

/// Adds what the old names say below all other layers, and names every one that is missing.
pub(super) fn add(tree: &mut Tree, environment: &Environment, file: &str) -> Vec<Problem> {
    let mut missing = Vec::new();
    for name in &NAMES {
        let open: Vec<_> = name.keys.iter().copied().filter(|key| tree::at(tree, key).is_none()).collect();
        let Some(first) = open.first() else { continue };
        let (text, origin) = match (environment.get(name.variable), environment.origin(name.variable)) {
            (Some(_), Some(origin)) if name.secret => (format!("env:{}", name.variable), origin.clone()),
            (Some(value), Some(origin)) => (value.to_owned(), origin.clone()),
            _ => {
                missing.push(missing_name(name, &first.join("."), environment, file));
                // Fits every key, so that nothing is reported twice.
                ("com".to_owned(), Origin::Migration)
            }
        };
        for key in open {
            tree::add_missing(tree, key, Leaf { raw: Raw::Text(text.clone()), origin: origin.clone() });
        }
    }
    for (key, value) in IMPLIED {
        let leaf = Leaf { raw: Raw::Text(value.to_owned()), origin: Origin::Migration };
        tree::add_missing(tree, key, leaf);
    }
    missing
}

fn missing_name(name: &Name, key: &str, environment: &Environment, file: &str) -> Problem {
    let variable = name.variable;
    let looked_in = environment.looked_in();
    Problem {
        key: variable.to_owned(),
        message: format!("{variable} is missing: set it in {looked_in}, or set `{key}` in {file}"),
        origin: None,
    }
}
