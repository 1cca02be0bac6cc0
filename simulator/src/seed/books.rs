//! What Books starts with: users, contacts, webhooks, and both in numbers.

use serde::{Deserialize, Serialize};

use super::Seed;
use super::demo::{organization_a, organization_b};
use crate::seed::WorkDriveSeed;

/// Books of one organisation.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BooksSeed {
    /// The id every call must name; made from the seed when absent.
    pub organization_id: Option<String>,
    /// Offset of the times Books prints, in minutes east of UTC; -420, as in the documented samples.
    pub utc_offset_minutes: i32,
    /// Users named one by one.
    pub users: Vec<BooksUserSeed>,
    /// Contacts named one by one.
    pub contacts: Vec<BooksContactSeed>,
    /// Users and contacts in numbers, after those named.
    pub generated: Option<BooksGeneratedSeed>,
    /// Workflow webhooks.
    pub webhooks: Vec<BooksWebhookSeed>,
}

impl Default for BooksSeed {
    fn default() -> Self {
        Self {
            organization_id: None,
            utc_offset_minutes: -420,
            users: Vec::new(),
            contacts: Vec::new(),
            generated: None,
            webhooks: Vec::new(),
        }
    }
}

/// Where a user stands.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BooksUserStatus {
    /// May sign in.
    #[default]
    Active,
    /// Was deactivated.
    Inactive,
    /// Has not accepted the invitation.
    Invited,
    /// Was removed; contacts may still name it as owner (zoho.md section 6, number 33).
    Deleted,
}

/// A user of Books.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BooksUserSeed {
    /// Numeric id as text; made when absent.
    pub id: Option<String>,
    /// Full name.
    pub name: String,
    /// E-mail as it was typed.
    pub email: String,
    /// `admin`, `staff`, `timesheetstaff` or the name of a custom role; `staff` when empty.
    pub role: String,
    /// Where the user stands; active.
    pub status: BooksUserStatus,
    /// The user whose grant the API calls use; false.
    pub is_current_user: bool,
    /// Creation, RFC 3339; the start of the simulator when absent.
    pub created_at: Option<String>,
}

/// Customer or vendor.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BooksContactType {
    /// Buys.
    #[default]
    Customer,
    /// Sells.
    Vendor,
}

/// A contact of Books.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BooksContactSeed {
    /// Numeric id as text; made when absent.
    pub id: Option<String>,
    /// Display name.
    pub name: String,
    /// Company.
    pub company_name: String,
    /// First name of the primary contact person.
    pub first_name: String,
    /// Last name of the primary contact person.
    pub last_name: String,
    /// E-mail of the primary contact person.
    pub email: String,
    /// Telephone of the primary contact person.
    pub phone: String,
    /// Customer or vendor; customer.
    pub contact_type: BooksContactType,
    /// Deactivated: hidden from lists that do not ask for it; false.
    pub inactive: bool,
    /// Id of the owning user, who need not be in the list of users; absent for nobody.
    pub owner_id: Option<String>,
    /// Id of the CRM contact; empty for none.
    pub zcrm_contact_id: String,
    /// Id of the CRM account; empty for none.
    pub zcrm_account_id: String,
    /// Id of the CRM vendor; empty for none.
    pub zcrm_vendor_id: String,
    /// Creation, RFC 3339; the start of the simulator when absent.
    pub created_at: Option<String>,
    /// Last change, RFC 3339; the creation when absent.
    pub modified_at: Option<String>,
}

/// Users and contacts in numbers.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BooksGeneratedSeed {
    /// Users; 25.
    pub users: u32,
    /// Contacts; 500.
    pub contacts: u32,
    /// Share of contacts without an owner, 0.0 to 1.0; 0.1.
    pub without_owner: f64,
    /// Share of contacts whose owner is in no list, 0.0 to 1.0; 0.02.
    pub with_unknown_owner: f64,
    /// Share of inactive contacts, 0.0 to 1.0; 0.05.
    pub inactive: f64,
    /// Seed of names, owners and times; 0.
    pub seed: u64,
}

impl Default for BooksGeneratedSeed {
    fn default() -> Self {
        Self { users: 25, contacts: 500, without_owner: 0.1, with_unknown_owner: 0.02, inactive: 0.05, seed: 0 }
    }
}

/// How a webhook carries the entity (zoho.md section 4.5).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BooksWebhookFormat {
    /// The whole entity as raw JSON.
    #[default]
    Json,
    /// Its plain values as url-encoded form parameters.
    Form,
}

/// A workflow webhook.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BooksWebhookSeed {
    /// Where it goes; query parameters are part of what is signed.
    pub url: String,
    /// Secret of 12 to 50 letters and digits; absent sends unsigned.
    #[serde(default)]
    pub secret: Option<String>,
    /// Sent when a contact is added, changed or deleted; true.
    #[serde(default = "yes")]
    pub contacts: bool,
    /// Sent when a user is added, changed or deleted; false.
    #[serde(default)]
    pub users: bool,
    /// JSON or form; JSON.
    #[serde(default)]
    pub format: BooksWebhookFormat,
}

fn yes() -> bool {
    true
}

impl BooksWebhookSeed {
    /// A signed webhook for contacts.
    #[must_use]
    pub fn signed(url: impl Into<String>, secret: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            secret: Some(secret.into()),
            contacts: true,
            users: false,
            format: BooksWebhookFormat::Json,
        }
    }

    /// What is wrong with it, if anything.
    pub(crate) fn problem(&self) -> Option<String> {
        let secret = self.secret.as_deref()?;
        let fits = (12..=50).contains(&secret.len()) && secret.bytes().all(|byte| byte.is_ascii_alphanumeric());
        (!fits).then(|| format!("the secret of webhook {:?} must be 12 to 50 letters and digits", self.url))
    }
}

/// The demonstration's users and contacts: every kind that gives trouble.
pub(super) fn demonstration() -> BooksSeed {
    let user = |id: &str, name: &str, email: &str, role: &str, status| BooksUserSeed {
        id: Some(id.to_owned()),
        name: name.to_owned(),
        email: email.to_owned(),
        role: role.to_owned(),
        status,
        is_current_user: role == "admin",
        created_at: Some("2025-02-03T09:00:00Z".to_owned()),
    };
    let contact = |number: u32, name: &str, owner: Option<&str>| BooksContactSeed {
        id: Some((460_000_000_026_000_u64 + u64::from(number)).to_string()),
        name: name.to_owned(),
        company_name: name.to_owned(),
        email: format!("office{number}@example.com"),
        owner_id: owner.map(str::to_owned),
        created_at: Some(format!("2025-06-{:02}T09:30:08Z", number % 28 + 1)),
        modified_at: Some(format!("2026-01-{:02}T18:00:00Z", number % 28 + 1)),
        ..BooksContactSeed::default()
    };
    let (ann, ben, cleo, dan, eve) =
        ("460000000024003", "460000000024005", "460000000024007", "460000000024009", "460000000024011");
    let mut dormant = contact(9, "Dormant Dairies", Some(ben));
    dormant.inactive = true;
    let mut vendor = contact(10, "Vellum & Vine Supplies", None);
    vendor.contact_type = BooksContactType::Vendor;
    let mut known_to_crm = contact(11, "Archer Aviation", Some(ann));
    known_to_crm.zcrm_contact_id = "520000000000100001".to_owned();
    BooksSeed {
        organization_id: Some(super::demo::constants::BOOKS_ORGANIZATION_ID.to_owned()),
        users: vec![
            user(ann, "Ann Archer", "ann@example.com", "admin", BooksUserStatus::Active),
            user(ben, "Ben Brontë", "ben@example.com", "staff", BooksUserStatus::Active),
            user(cleo, "Cleo Castro", "cleo@example.com", "Sales Executive", BooksUserStatus::Active),
            user("460000000024013", "Cleo C.", "Cleo@Example.com", "staff", BooksUserStatus::Active),
            user(dan, "Dan Dupont", "dan@example.com", "timesheetstaff", BooksUserStatus::Inactive),
            user(eve, "Eve Eriksen", "eve@example.com", "staff", BooksUserStatus::Invited),
            user("460000000024015", "Finn Fischer", "finn@example.com", "staff", BooksUserStatus::Deleted),
        ],
        contacts: vec![
            contact(1, "Bowman and Co", Some(ann)),
            contact(2, "Acme Trading", Some(ben)),
            contact(3, "Müller & Söhne", Some(cleo)),
            contact(4, "日本支社", Some(cleo)),
            contact(5, "Globex", Some(dan)),
            contact(6, "Initech", Some("460000000024015")),
            contact(7, "Hooli", Some("460000000099999")),
            contact(8, "Nobody's Customer", None),
            dormant,
            vendor,
            known_to_crm,
        ],
        ..BooksSeed::default()
    }
}

/// How many users and contacts there are.
#[derive(Debug, Clone)]
pub struct BooksOptions {
    /// What is generated; 25 users and 500 contacts.
    pub generated: BooksGeneratedSeed,
    /// Root of ids and choices; 1.
    pub seed: u64,
}

impl Default for BooksOptions {
    fn default() -> Self {
        Self { generated: BooksGeneratedSeed::default(), seed: 1 }
    }
}

/// The demonstration's organisations with generated Books and nothing in CRM.
pub(super) fn seed(options: &BooksOptions) -> Seed {
    let mut organization = organization_a(Vec::new());
    organization.books = BooksSeed {
        organization_id: organization.books.organization_id,
        generated: Some(options.generated.clone()),
        ..BooksSeed::default()
    };
    Seed {
        seed: options.seed,
        organizations: vec![organization, organization_b(WorkDriveSeed::default())],
        ..Seed::default()
    }
}
