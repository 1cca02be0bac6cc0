//! Of which account deliveries tell that are about Books or Cliq: only a person can say, because an organisation may have
//! several, and a sender that is believed about one must not be believed about another.

use std::collections::BTreeMap;

use super::{Account, Provider, Verify};
use crate::config::error::Problem;
use crate::config::nearest;
use crate::config::section::Reading;

/// What deliveries are about.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Subject {
    Books,
    Cliq,
}

impl Subject {
    fn of(verify: &Verify) -> Option<Self> {
        match verify {
            Verify::ZohoBooks { .. } => Some(Self::Books),
            Verify::ZohoCliq { .. } => Some(Self::Cliq),
            Verify::ZohoCrm { .. } | Verify::Hmac(_) | Verify::StandardWebhooks(_) => None,
        }
    }

    /// Whether it is followed by that account. The channels of every Zoho account can be.
    fn is_followed_by(self, account: &Account) -> bool {
        match self {
            Self::Books => account.books.is_some(),
            Self::Cliq => account.provider == Provider::Zoho,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Books => "Books",
            Self::Cliq => "Cliq",
        }
    }

    /// What such an account has, completing "an account that".
    fn trait_of(self) -> &'static str {
        match self {
            Self::Books => "has a section `books`",
            Self::Cliq => "has provider = \"zoho\"",
        }
    }
}

/// Fills in the accounts that are meant by themselves, and reports every webhook whose account is missing or wrong.
pub(in crate::config) fn settle(accounts: &mut BTreeMap<String, Account>, reading: &Reading) {
    let mut settled = Vec::new();
    for account in accounts.values() {
        let Some(webhook) = &account.webhook else { continue };
        let Some(subject) = Subject::of(&webhook.verify) else { continue };
        match told_of(accounts, account, webhook.account.as_deref(), subject) {
            Ok(told_of) => settled.push((account.name.clone(), told_of)),
            Err(what) => {
                let key = format!("accounts.{}.webhook.account", account.name);
                let message = format!("`{key}` {what}");
                reading.report(Problem { key, message, origin: None });
            }
        }
    }
    for (name, told_of) in settled {
        if let Some(webhook) = accounts.get_mut(&name).and_then(|account| account.webhook.as_mut()) {
            webhook.account = Some(told_of);
        }
    }
}

fn told_of(
    accounts: &BTreeMap<String, Account>,
    receiver: &Account,
    named: Option<&str>,
    subject: Subject,
) -> Result<String, String> {
    let (kind, organization) = (subject.name(), &receiver.organization);
    let is_candidate = |one: &&Account| one.organization == *organization && subject.is_followed_by(one);
    let candidates: Vec<String> = accounts.values().filter(is_candidate).map(|one| format!("`{}`", one.name)).collect();
    let remedy = if candidates.is_empty() {
        format!("configure an account of the organisation `{organization}` that {}", subject.trait_of())
    } else {
        format!("possible: {}", candidates.join(", "))
    };
    let Some(name) = named else {
        if subject.is_followed_by(receiver) {
            return Ok(receiver.name.clone());
        }
        return Err(format!("is missing; name the account whose {kind} the deliveries tell of; {remedy}"));
    };
    let Some(found) = accounts.get(name) else {
        let hint = nearest::hint(name, accounts.keys().map(String::as_str));
        return Err(format!("names `[accounts.{name}]`, which is not configured{hint}"));
    };
    if found.organization != *organization {
        return Err(format!(
            "names `{name}`, which belongs to another organisation than `{}`; {remedy}",
            receiver.name
        ));
    }
    if !subject.is_followed_by(found) {
        return Err(format!("names `{name}`, whose {kind} is not followed; {remedy}"));
    }
    Ok(name.to_owned())
}
