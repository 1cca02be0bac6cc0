//! Tests an account: asks the provider, read-only, for what the configured transfers need of it.

use providers::error::Error;
use providers::zoho::cliq::{ChannelFilter, PageFrom};
use providers::zoho::{Client, Probe};
use serde::Serialize;
use service::config::{Account, Config};

use crate::scopes::Scopes;
use crate::scopes::needs::UPDATE_CONTACTS;

mod crm;
mod remedy;
mod workdrive;

/// What a test of an account found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TestReport {
    /// The account.
    pub account: String,
    /// The checks, in the order in which they were made. Without a token nothing further is asked.
    pub checks: Vec<Check>,
}

/// One thing that was tried.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Check {
    /// What was tried: `secret`, `token`, `crm.user`, `crm.fields`, `crm.notifications`, `workdrive.user`,
    /// `workdrive.team_folder`, `workdrive.search`, `workdrive.destination`, `cliq.channels`, `books.organization`,
    /// `books.write_owners`.
    pub name: &'static str,
    /// On what: a setting, a module with its fields, a folder; empty where the account as a whole was tried.
    pub subject: String,
    /// Whether it worked.
    pub ok: bool,
    /// Whether transfers work without it.
    pub optional: bool,
    /// Stable code of the failure, in snake case.
    pub code: Option<&'static str>,
    /// What went wrong.
    pub message: Option<String>,
    /// What helps.
    pub remedy: Option<String>,
    /// The scopes that would have helped, where the provider says that one is missing.
    #[serde(skip)]
    pub(crate) scope_hint: Option<&'static str>,
}

impl TestReport {
    /// Whether everything worked that transfers cannot do without.
    #[must_use]
    pub fn is_ok(&self) -> bool {
        self.checks.iter().all(|check| check.ok || check.optional)
    }
}

impl Check {
    fn passed(name: &'static str, subject: impl Into<String>) -> Self {
        let subject = subject.into();
        Self { name, subject, ok: true, optional: false, code: None, message: None, remedy: None, scope_hint: None }
    }

    fn failed(
        name: &'static str,
        subject: impl Into<String>,
        code: &'static str,
        message: String,
        remedy: String,
    ) -> Self {
        let (code, message, remedy) = (Some(code), Some(message), Some(remedy));
        Self { name, subject: subject.into(), ok: false, optional: false, code, message, remedy, scope_hint: None }
    }

    fn of<T>(name: &'static str, subject: impl Into<String>, answer: &Result<T, Error>) -> Self {
        match answer {
            Ok(_) => Self::passed(name, subject),
            Err(error) => {
                let failed = Self::failed(name, subject, error.code(), in_words(error), remedy::of(error));
                let scope_hint = match error {
                    Error::MissingScope { scope_hint, .. } => Some(*scope_hint),
                    _ => None,
                };
                Self { scope_hint, ..failed }
            }
        }
    }

    fn optional(self) -> Self {
        Self { optional: true, ..self }
    }
}

/// Which products are needed of an account.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Needs {
    crm: bool,
    workdrive: bool,
    cliq: bool,
    /// The organisation of Books that is followed.
    books: Option<String>,
}

impl Needs {
    /// `mapped`: whether channels of the account belong to rooms.
    fn of(config: &Config, account: &str, mapped: bool) -> Self {
        let transfers = || config.transfers.values();
        let configured = config.accounts.get(account);
        Self {
            crm: transfers().any(|transfer| transfer.crm == account),
            workdrive: transfers().any(|transfer| transfer.source == account || transfer.destination == account),
            cliq: mapped || configured.is_some_and(|account| account.cliq.ingest.is_some()),
            books: configured.and_then(|account| account.books.as_ref()).map(|books| books.organization_id.clone()),
        }
    }
}

/// Makes all checks of one account.
pub(crate) async fn run(config: &Config, account: &Account, client: Option<&Client>, mapped: bool) -> TestReport {
    let mut checks = secrets(config, account);
    if let Some(client) = client {
        checks.extend(ask(config, client, mapped).await);
    }
    TestReport { account: account.name.clone(), checks }
}

fn secrets(config: &Config, account: &Account) -> Vec<Check> {
    let check = |(key, secret): (String, _)| match config.resolve(secret) {
        Ok(_) => Check::passed("secret", key),
        Err(error) => {
            let remedy = format!("set what `{key}` refers to");
            Check::failed("secret", key, "secret_missing", in_words(&error), remedy)
        }
    };
    account.secrets().into_iter().map(check).collect()
}

/// What the provider says to the needs of one account; `mapped`: whether channels of it belong to rooms.
pub(crate) async fn ask(config: &Config, client: &Client, mapped: bool) -> Vec<Check> {
    let probe = client.probe().await;
    let mut checks = vec![Check::of("token", "", &probe)];
    let Ok(Probe { crm, workdrive, .. }) = &probe else { return checks };
    let needs = Needs::of(config, client.account(), mapped);
    if needs.crm {
        checks.push(Check::of("crm.user", "", crm).optional());
        checks.extend(crm::checks(config, client).await);
    }
    if needs.workdrive {
        checks.push(Check::of("workdrive.user", "", workdrive).optional());
        checks.extend(workdrive::checks(config, client).await);
    }
    if needs.cliq {
        let channels = client.cliq().channels(&ChannelFilter::default(), &PageFrom::Start).await;
        checks.push(Check::of("cliq.channels", "", &channels));
    }
    if let Some(organization_id) = needs.books {
        checks.push(books(client, organization_id).await);
    }
    checks
}

/// Whether the organisation that is followed is one that the grant reaches.
async fn books(client: &Client, organization_id: String) -> Check {
    const NAME: &str = "books.organization";
    let reached = match client.books().organizations().await {
        Ok(reached) => reached,
        Err(error) => return Check::of::<()>(NAME, organization_id, &Err(error)),
    };
    if reached.iter().any(|one| one.id.as_str() == organization_id) {
        return Check::passed(NAME, organization_id);
    }
    let known: Vec<&str> = reached.iter().map(|one| one.id.as_str()).collect();
    let error = format!("the grant reaches {}", if known.is_empty() { "none".to_owned() } else { known.join(", ") });
    let remedy = "set books.organization_id to one of them, or authorise the account as somebody who belongs to it";
    Check::failed(NAME, organization_id, "not_found", error, remedy.to_owned())
}

/// Whether owners can be written. A test writes nothing, so this goes by what the provider told of the grant's rights;
/// nothing where it told nothing.
pub(crate) fn owners(account: &str, scopes: &Scopes) -> Option<Check> {
    const NAME: &str = "books.write_owners";
    scopes.granted.as_ref()?;
    let Some(missing) = scopes.missing.iter().find(|missing| missing.scope == UPDATE_CONTACTS) else {
        return Some(Check::passed(NAME, UPDATE_CONTACTS));
    };
    let error = format!("the grant lacks {UPDATE_CONTACTS}: {}", missing.breaks);
    let remedy = format!("run gateledger accounts connect {account}, or set books.write_owners = false");
    Some(Check::failed(NAME, UPDATE_CONTACTS, "missing_scope", error, remedy))
}

/// An error with its causes, in one line.
fn in_words(error: &dyn std::error::Error) -> String {
    let mut words = error.to_string();
    let mut cause = error.source();
    while let Some(below) = cause {
        words = format!("{words}: {below}");
        cause = below.source();
    }
    words
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::scopes::MissingScope;

    #[test]
    fn right_to_write_owners_is_told_as_far_as_the_provider_told_it() {
        let granted = |granted: Option<&str>, missing: &[&str]| Scopes {
            granted: granted.map(|one| vec![one.to_owned()]),
            missing: missing
                .iter()
                .map(|scope| MissingScope {
                    scope: (*scope).to_owned(),
                    breaks: "customers do not get owners".to_owned(),
                    optional: false,
                })
                .collect(),
            ..Scopes::default()
        };
        assert_eq!(owners("a", &granted(None, &[])), None, "it cannot be tried without writing");
        assert!(owners("a", &granted(Some("ZohoBooks.contacts.ALL"), &[])).unwrap().ok);
        let lacking = owners("a", &granted(Some("ZohoBooks.contacts.READ"), &[UPDATE_CONTACTS])).unwrap();
        assert!(!lacking.ok && !lacking.optional);
        assert_eq!(lacking.code, Some("missing_scope"));
        assert!(lacking.message.unwrap().contains("customers do not get owners"));
        assert!(lacking.remedy.unwrap().contains("accounts connect a"));
    }
}
