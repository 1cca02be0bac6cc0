//! The configuration as the intake needs it: which records are looked for, and what is to be watched.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use providers::zoho::crm::ApiName;
use service::config::account::{Books, Verify};
use service::config::{Config, Schedule};
use url::Url;

use super::Error;

/// Longest URL that the provider calls (Zoho CRM v8, notification pages).
const LONGEST_NOTIFY_URL_CHARS: usize = 255;

/// What the intake works on, and its pace.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The polls, one per transfer.
    pub transfers: Vec<Transfer>,
    /// Who owns which account.
    pub organizations: BTreeMap<String, String>,
    /// Where providers reach us. Without it no registration is wished for.
    pub public_url: Option<Url>,
    /// Time between two comparisons of a registration with what the provider has. Default 5 minutes. Longer finds a
    /// deleted channel later, shorter costs calls.
    pub check_every: Duration,
    /// Life asked for when a registration is created; the provider's answer counts. Default 6 days.
    pub lifetime: Duration,
    /// Time before its end at which a registration is renewed, at most half of its real life. Default 3 days.
    pub renew_before: Duration,
    /// How long an old registration goes on beside its successor. Default 60 seconds: notifications under way arrive.
    pub retire_after: Duration,
    /// A change younger than this is not counted as missed when a poll finds it first. Default 5 seconds.
    pub missed_after: Duration,
    /// Rows asked for in one call of a poll. Default 200: the most that cost one credit.
    pub page_rows: u32,
    /// When the channels of an account are synced that have no schedule of their own, where that is not once a day.
    pub channel_schedules: BTreeMap<String, Schedule>,
    /// Accounts whose webhooks are events of a bot in channels, and in which account's.
    pub bots: BTreeMap<String, String>,
    /// The accounts whose users and customers of Books are followed.
    pub books: BTreeMap<String, Books>,
    /// Accounts whose webhooks tell of Books, and of which account's.
    pub books_notified: BTreeMap<String, String>,
}

/// How webhooks of a bot are verified.
const BOT: &str = "zoho-cliq";
/// How webhooks of Books are verified.
const BOOKS: &str = "zoho-books";
/// When channels are synced by default.
const DAILY: Schedule = Schedule::Every(Duration::from_secs(86_400));

/// The poll of one `[transfers.NAME]`.
#[derive(Debug, Clone)]
pub struct Transfer {
    /// NAME.
    pub name: String,
    /// Account whose CRM holds the records.
    pub account: String,
    /// The organisation that owns the account.
    pub organization: String,
    /// CRM module.
    pub module: ApiName,
    /// The checkbox that must not be ticked.
    pub checkbox_field: ApiName,
    /// The field that names the folder.
    pub folder_field: ApiName,
    /// When the poll runs.
    pub schedule: Schedule,
    /// Whether the account's webhooks are notifications of the CRM.
    pub notified: bool,
    /// Whether its registrations are made by hand, and so not ours to keep.
    pub registered_by_hand: bool,
}

impl Transfer {
    /// The poll's name, as in `schedules`.
    #[must_use]
    pub fn poll(&self) -> String {
        format!("crm-pending:{}", self.name)
    }

    fn read(config: &Config, transfer: &service::config::Transfer) -> Result<Self, Error> {
        let name = |key: &str, text: &str| {
            ApiName::parse(text)
                .map_err(|source| Error::BadName { key: format!("transfers.{}.{key}", transfer.name), source })
        };
        let account = config.accounts.get(&transfer.crm).ok_or_else(|| Error::NoSuchAccount(transfer.crm.clone()))?;
        let channel = account.webhook.as_ref().and_then(|webhook| match &webhook.verify {
            Verify::ZohoCrm { channel } => Some(channel),
            _ => None,
        });
        Ok(Transfer {
            name: transfer.name.clone(),
            account: transfer.crm.clone(),
            organization: account.organization.clone(),
            module: name("module", &transfer.module)?,
            checkbox_field: name("checkbox_field", &transfer.checkbox_field)?,
            folder_field: name("folder_field", &transfer.folder_field)?,
            schedule: transfer.schedule.clone(),
            notified: channel.is_some(),
            registered_by_hand: channel.is_some_and(Option::is_some),
        })
    }

    fn target(&self) -> Target {
        Target {
            account: self.account.clone(),
            organization: self.organization.clone(),
            module: self.module.clone(),
            fields: Vec::new(),
            polls: Vec::new(),
            registered: self.notified && !self.registered_by_hand,
        }
    }
}

/// A module of an account, with all that transfers want to know of its records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// The account.
    pub account: String,
    /// The organisation that owns it.
    pub organization: String,
    /// The module.
    pub module: ApiName,
    /// The fields that facts about its records hold.
    pub fields: Vec<ApiName>,
    /// The polls that look at it.
    pub polls: Vec<String>,
    /// Whether we are to keep a registration for it.
    pub registered: bool,
}

impl Settings {
    /// Reads what the intake needs from the configuration.
    ///
    /// # Errors
    /// [`Error::BadName`]: a person must correct the setting.
    pub fn from_config(config: &Config) -> Result<Self, Error> {
        let transfers = config.transfers.values().map(|transfer| Transfer::read(config, transfer));
        let mut settings = Settings::new(transfers.collect::<Result<_, _>>()?, config.http.public_url.clone());
        settings.organizations =
            config.accounts.values().map(|account| (account.name.clone(), account.organization.clone())).collect();
        let scheduled = |account: &service::config::Account| (account.name.clone(), account.cliq.schedule.clone());
        settings.channel_schedules = config.accounts.values().map(scheduled).collect();
        settings.bots = told_of(config, BOT);
        let books = |account: &service::config::Account| Some((account.name.clone(), account.books.clone()?));
        settings.books = config.accounts.values().filter_map(books).collect();
        settings.books_notified = told_of(config, BOOKS);
        settings.check_every = config.registrar.check;
        settings.lifetime = config.registrar.lifetime;
        settings.renew_before = config.registrar.renew_before;
        Ok(settings)
    }

    /// Settings with the default pace.
    #[must_use]
    pub fn new(transfers: Vec<Transfer>, public_url: Option<Url>) -> Self {
        Settings {
            transfers,
            organizations: BTreeMap::new(),
            public_url,
            check_every: Duration::from_secs(300),
            lifetime: Duration::from_secs(6 * 86_400),
            renew_before: Duration::from_secs(3 * 86_400),
            retire_after: Duration::from_secs(60),
            missed_after: Duration::from_secs(5),
            page_rows: 200,
            channel_schedules: BTreeMap::new(),
            bots: BTreeMap::new(),
            books: BTreeMap::new(),
            books_notified: BTreeMap::new(),
        }
    }

    /// Every module that a transfer looks at, once. Facts of a record hold the same fields whoever finds it.
    #[must_use]
    pub fn targets(&self) -> Vec<Target> {
        let mut targets: Vec<Target> = Vec::new();
        for transfer in &self.transfers {
            let same = |target: &Target| target.account == transfer.account && target.module == transfer.module;
            let at = targets.iter().position(same).unwrap_or_else(|| {
                targets.push(transfer.target());
                targets.len() - 1
            });
            let target = &mut targets[at];
            for field in [&transfer.checkbox_field, &transfer.folder_field] {
                if !target.fields.contains(field) {
                    target.fields.push(field.clone());
                }
            }
            target.polls.push(transfer.poll());
        }
        targets
    }

    /// When the channels of an account are synced that have no schedule of their own.
    #[must_use]
    pub fn channel_schedule(&self, account: &str) -> &Schedule {
        self.channel_schedules.get(account).unwrap_or(&DAILY)
    }

    /// Who owns an account; nobody where it is not configured.
    #[must_use]
    pub fn organization_of(&self, account: &str) -> Option<&str> {
        self.organizations.get(account).map(String::as_str)
    }

    /// The accounts whose webhooks are hints about records.
    #[must_use]
    pub fn notified_accounts(&self) -> BTreeSet<String> {
        self.transfers.iter().filter(|transfer| transfer.notified).map(|transfer| transfer.account.clone()).collect()
    }

    /// Where the provider is to call for an account.
    ///
    /// # Errors
    /// [`NotWished`] with what a person can do about it.
    pub fn notify_url(&self, account: &str) -> Result<Url, NotWished> {
        let mut url = self.public_url.clone().ok_or(NotWished::NoPublicUrl)?;
        url.path_segments_mut().map_err(|()| NotWished::NotHttp)?.pop_if_empty().extend(["webhooks", account]);
        if url.as_str().len() > LONGEST_NOTIFY_URL_CHARS {
            return Err(NotWished::TooLong);
        }
        Ok(url)
    }
}

/// The accounts whose webhooks are verified like that, and of which account they tell.
fn told_of(config: &Config, verify: &str) -> BTreeMap<String, String> {
    let of = |receiver: &service::config::Account| {
        let webhook = receiver.webhook.as_ref().filter(|webhook| webhook.verify.as_str() == verify)?;
        Some((receiver.name.clone(), webhook.account.clone()?))
    };
    config.accounts.values().filter_map(of).collect()
}

/// Why no registration is kept although a transfer would profit from one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotWished {
    /// Nobody told us where providers reach us.
    #[error("http.public_url is not set")]
    NoPublicUrl,
    /// The URL has no path.
    #[error("http.public_url is no http or https url")]
    NotHttp,
    /// The provider takes 255 characters.
    #[error("http.public_url with /webhooks/ and the account's name is longer than 255 characters")]
    TooLong,
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn transfer(name: &str, module: &str, folder_field: &str) -> Transfer {
        Transfer {
            name: name.to_owned(),
            account: "org-a".to_owned(),
            organization: "acme".to_owned(),
            module: module.parse().unwrap(),
            checkbox_field: "Done".parse().unwrap(),
            folder_field: folder_field.parse().unwrap(),
            schedule: Schedule::Every(Duration::from_secs(300)),
            notified: true,
            registered_by_hand: false,
        }
    }

    #[test]
    fn transfers_of_one_module_share_a_target_with_all_their_fields() {
        let transfers = vec![
            transfer("one", "Contacts", "Folder"),
            transfer("two", "Deals", "Folder"),
            transfer("three", "Contacts", "Other"),
        ];
        let targets = Settings::new(transfers, None).targets();
        let seen: Vec<(&str, usize, usize)> =
            targets.iter().map(|one| (one.module.as_str(), one.fields.len(), one.polls.len())).collect();
        assert_eq!(seen, [("Contacts", 3, 2), ("Deals", 2, 1)]);
    }

    #[test]
    fn webhooks_tell_of_the_account_that_their_settings_name() {
        let folder = tempfile::tempdir().unwrap();
        let zoho = "provider = 'zoho'\nclient_id = '1'\nclient_secret = 's'\n";
        let account = |name: &str| format!("[accounts.{name}]\n{zoho}[accounts.{name}.books]\norganization_id = '1'\n");
        let text = format!(
            "{}{}[accounts.told]\nprovider = 'generic'\n[accounts.told.webhook]\nverify = 'zoho-books'\n\
             secret = 'abcdefghijkl'\naccount = 'org-b'\n[accounts.org-a.webhook]\nverify = 'zoho-cliq'\npublic_key = 'k'\n",
            account("org-a"),
            account("org-b"),
        );
        let file = folder.path().join("gateledger.toml");
        std::fs::write(&file, text).unwrap();
        let options = service::config::LoadOptions {
            file: Some(file),
            environment: BTreeMap::new(),
            dotenv: None,
            working_dir: folder.path().to_owned(),
        };
        let settings = Settings::from_config(&Config::load(options).unwrap()).unwrap();
        let tie = |from: &str, to: &str| BTreeMap::from([(from.to_owned(), to.to_owned())]);
        assert_eq!(
            (settings.books_notified.clone(), settings.bots.clone()),
            (tie("told", "org-b"), tie("org-a", "org-a"))
        );
        assert_eq!((settings.organization_of("told"), settings.organization_of("nobody")), (Some("default"), None));
    }

    #[test]
    fn notify_url_is_below_the_public_url_whatever_its_path() {
        for (base, expected) in [
            ("https://gw.example.com", "https://gw.example.com/webhooks/org%20a"),
            ("https://gw.example.com/in/", "https://gw.example.com/in/webhooks/org%20a"),
        ] {
            let settings = Settings::new(Vec::new(), Some(base.parse().unwrap()));
            assert_eq!(settings.notify_url("org a").unwrap().as_str(), expected);
        }
        assert_eq!(Settings::new(Vec::new(), None).notify_url("a"), Err(NotWished::NoPublicUrl));
        let long = format!("https://gw.example.com/{}", "x".repeat(250));
        let settings = Settings::new(Vec::new(), Some(long.parse().unwrap()));
        assert_eq!(settings.notify_url("a"), Err(NotWished::TooLong));
    }
}
