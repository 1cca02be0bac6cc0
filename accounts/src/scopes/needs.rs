//! Which rights an account needs, from what is configured and mapped.
//!
//! Source: the scope list of the API pages of Zoho CRM, WorkDrive, Books and Cliq, read in 2026. CRM rights are asked for
//! all modules, because a module's name does not tell whether it is a custom one, whose scope is named differently.

use std::fmt;
use std::str::FromStr;

use service::config::{Config, Transfer};

/// A product of the provider that an account may be used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Product {
    /// Records.
    Crm,
    /// Files.
    WorkDrive,
    /// Customers and their users.
    Books,
    /// Channels with messages.
    Cliq,
}

/// A word that names no product.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no product; the products are crm, workdrive, books and cliq")]
pub struct UnknownProduct(pub String);

impl Product {
    /// All products.
    pub const ALL: [Self; 4] = [Self::Crm, Self::WorkDrive, Self::Books, Self::Cliq];

    /// Its name at the command line and in the API.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Crm => "crm",
            Self::WorkDrive => "workdrive",
            Self::Books => "books",
            Self::Cliq => "cliq",
        }
    }
}

impl fmt::Display for Product {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Product {
    type Err = UnknownProduct;

    fn from_str(name: &str) -> Result<Self, UnknownProduct> {
        Self::ALL.into_iter().find(|one| one.as_str() == name).ok_or_else(|| UnknownProduct(name.to_owned()))
    }
}

/// One right that is needed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Need {
    pub(crate) product: Product,
    /// What is asked for.
    pub(crate) ask: String,
    /// What will do; any of them.
    pub(crate) accepted: Vec<String>,
    /// What does not work without it.
    pub(crate) breaks: String,
    /// Whether the rest works without it.
    pub(crate) optional: bool,
}

/// What an account needs. `mapped`: whether channels of it are mapped to rooms; `also`: products it is wanted for beyond
/// what is configured.
pub(crate) fn of(config: &Config, account: &str, mapped: bool, also: &[Product]) -> Vec<Need> {
    let transfers = || config.transfers.values();
    let mut needs = Needs::default();
    for transfer in transfers().filter(|transfer| transfer.crm == account) {
        crm(&mut needs, transfer);
    }
    let watches = transfers().any(|transfer| transfer.crm == account) && config.http.public_url.is_some();
    if watches {
        needs.optional(Product::Crm, "ZohoCRM.notifications.ALL", &["ZohoCRM.notifications.CREATE"], LATE_CHANGES);
    }
    if also.contains(&Product::Crm) {
        needs.required(Product::Crm, "ZohoCRM.modules.ALL", &["ZohoCRM.modules.READ"], "records cannot be read");
        needs.required(Product::Crm, "ZohoCRM.coql.READ", &[], "records cannot be searched for");
        needs.optional(Product::Crm, "ZohoCRM.users.READ", &[], NO_USER);
        needs.optional(Product::Crm, "ZohoCRM.notifications.ALL", &["ZohoCRM.notifications.CREATE"], LATE_CHANGES);
    }
    if also.contains(&Product::WorkDrive) || transfers().any(|transfer| transfer.source == account) {
        source(&mut needs);
    }
    if also.contains(&Product::WorkDrive) || transfers().any(|transfer| transfer.destination == account) {
        destination(&mut needs);
    }
    let reads_channels = config.accounts.get(account).is_some_and(|account| account.cliq.ingest.is_some());
    if also.contains(&Product::Cliq) || mapped || reads_channels {
        cliq(&mut needs);
    }
    let followed = config.accounts.get(account).and_then(|account| account.books.as_ref());
    if also.contains(&Product::Books) || followed.is_some() {
        books(&mut needs, followed.is_some_and(|books| books.write_owners));
    }
    needs.0
}

/// The right to give contacts another owner.
pub(crate) const UPDATE_CONTACTS: &str = "ZohoBooks.contacts.UPDATE";
const LATE_CHANGES: &str = "changes are found by the next poll instead of at once";
const NO_USER: &str = "a test cannot tell whether the person may use the CRM";

fn crm(needs: &mut Needs, Transfer { name, module, .. }: &Transfer) {
    const ASK: &str = "ZohoCRM.modules.ALL";
    let right = |operation: &str| format!("ZohoCRM.modules.{module}.{operation}");
    let unread = format!("the transfer {name} cannot read the records of {module}");
    needs.required(Product::Crm, ASK, &[&right("READ")], &unread);
    let unticked = format!("the transfer {name} cannot tick the checkbox in {module}");
    needs.required(Product::Crm, ASK, &[&right("UPDATE")], &unticked);
    let unfound = format!("the transfer {name} cannot find the pending records of {module}");
    needs.required(Product::Crm, "ZohoCRM.coql.READ", &[], &unfound);
    needs.optional(Product::Crm, "ZohoCRM.users.READ", &[], NO_USER);
}

fn source(needs: &mut Needs) {
    use Product::WorkDrive;
    needs.required(WorkDrive, "WorkDrive.files.READ", &[], "source folders cannot be listed");
    needs.required(WorkDrive, "ZohoFiles.files.READ", &[], "files cannot be downloaded");
    const SEARCH: &str = "source folders below the first level of the team folder are not found";
    needs.optional(WorkDrive, "ZohoSearch.securesearch.READ", &[], SEARCH);
    needs.optional(WorkDrive, "WorkDrive.team.READ", &[], SEARCH);
    needs.optional(WorkDrive, "WorkDrive.teamfolders.READ", &["WorkDrive.workspace.READ"], SEARCH);
}

fn destination(needs: &mut Needs) {
    use Product::WorkDrive;
    needs.required(WorkDrive, "WorkDrive.files.ALL", &["WorkDrive.files.CREATE"], "no folders can be made");
    needs.required(WorkDrive, "WorkDrive.files.ALL", &["WorkDrive.files.READ"], "uploads cannot be checked");
    needs.required(WorkDrive, "ZohoFiles.files.ALL", &["ZohoFiles.files.CREATE"], "files cannot be uploaded");
}

fn cliq(needs: &mut Needs) {
    use Product::Cliq;
    needs.required(Cliq, "ZohoCliq.Channels.READ", &[], "channels are not listed");
    needs.required(Cliq, "ZohoCliq.Chats.READ", &[], "threads of channels are not read");
    needs.required(Cliq, "ZohoCliq.Messages.READ", &[], "messages are not read");
    needs.optional(Cliq, "ZohoCliq.Users.READ", &[], "people who are mentioned show by their ids");
}

fn books(needs: &mut Needs, write_owners: bool) {
    use Product::Books;
    needs.required(Books, "ZohoBooks.contacts.READ", &[], "customers are not read");
    needs.required(Books, "ZohoBooks.settings.READ", &[], "users are not read");
    if write_owners {
        const UNWRITTEN: &str = "customers do not get the owners in Books that the ERP wants";
        needs.required(Books, UPDATE_CONTACTS, &[], UNWRITTEN);
    }
}

/// Needs in the order in which they came up, each once.
#[derive(Default)]
struct Needs(Vec<Need>);

impl Needs {
    fn required(&mut self, product: Product, ask: &str, accepted: &[&str], breaks: &str) {
        self.add(product, ask, accepted, breaks, false);
    }

    fn optional(&mut self, product: Product, ask: &str, accepted: &[&str], breaks: &str) {
        self.add(product, ask, accepted, breaks, true);
    }

    /// Without `accepted`, only what is asked for will do.
    fn add(&mut self, product: Product, ask: &str, accepted: &[&str], breaks: &str, optional: bool) {
        let accepted: Vec<String> = match accepted {
            [] => vec![ask.to_owned()],
            some if ask.ends_with(".ALL") => some.iter().map(|one| (*one).to_owned()).collect(),
            some => std::iter::once(ask).chain(some.iter().copied()).map(str::to_owned).collect(),
        };
        let need = Need { product, ask: ask.to_owned(), accepted, breaks: breaks.to_owned(), optional };
        if !self.0.contains(&need) {
            self.0.push(need);
        }
    }
}

/// The scopes to ask for, each once, without those that another one covers.
pub(crate) fn to_ask(needs: &[Need]) -> Vec<&str> {
    let mut asked: Vec<&str> = Vec::new();
    for need in needs {
        let covered = needs.iter().any(|other| other.ask != need.ask && super::covers(&other.ask, &need.ask));
        if !covered && !asked.contains(&need.ask.as_str()) {
            asked.push(&need.ask);
        }
    }
    asked
}
