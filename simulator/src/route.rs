//! Which simulated endpoint a request means. Names of routes are what faults and the journal use.

use actix_web::http::Method;

use crate::books;
use crate::call::Call;
use crate::cliq::{self, dialect::Version};
use crate::google;

/// Whose error dialect an answer speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Product {
    Oauth,
    Crm,
    WorkDrive,
    Books,
    Google,
    Ingest,
    Receiver,
    Cliq(Version),
}

/// An endpoint with the names in its path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Route {
    Token,
    Revoke,
    Authorize,
    Consent { id: String },
    ServerInfo,
    List { module: String },
    Record { module: String, id: String },
    Deleted { module: String },
    Count { module: String },
    SearchRecords { module: String },
    Coql,
    Update { module: String, id: Option<String> },
    Users,
    WatchCreate,
    WatchReplace,
    WatchUpdate,
    WatchDelete,
    WatchList,
    Me,
    Teams { user: String },
    CurrentUser { team: String },
    TeamFolders { team: String },
    PrivateSpace { member: String },
    ListFolder { folder: String },
    Item { id: String },
    CreateFolder,
    Rename { id: String },
    Change,
    SearchItems { team: String },
    Download { id: String, on_base: bool },
    SignedDownload { token: String },
    Upload,
    UploadStream,
    Books(books::Route),
    Google(google::Route),
    Ingest,
    Receiver { name: String },
    Cliq(cliq::Route),
    Unknown { product: Product, status: u16 },
}

/// Every route name, for rules that name one.
pub const ROUTES: &[&str] = &[
    "oauth.token",
    "oauth.revoke",
    "oauth.authorize",
    "oauth.consent",
    "oauth.serverinfo",
    "crm.list",
    "crm.record",
    "crm.deleted",
    "crm.count",
    "crm.search",
    "crm.coql",
    "crm.update",
    "crm.users",
    "crm.watch_create",
    "crm.watch_replace",
    "crm.watch_update",
    "crm.watch_delete",
    "crm.watch_list",
    "workdrive.me",
    "workdrive.teams",
    "workdrive.current_user",
    "workdrive.team_folders",
    "workdrive.private_space",
    "workdrive.list",
    "workdrive.item",
    "workdrive.create_folder",
    "workdrive.rename",
    "workdrive.change",
    "workdrive.search",
    "workdrive.download",
    "workdrive.signed_download",
    "workdrive.upload",
    "workdrive.upload_stream",
    "books.organizations",
    "books.users",
    "books.current_user",
    "books.user",
    "books.contacts",
    "books.contact",
    "books.update_contact",
    "cliq.channels",
    "cliq.messages",
    "cliq.message",
    "cliq.threads",
    "cliq.users",
    "cliq.search",
    "google.token",
    "google.certs",
    "google.identity",
    "google.email",
    "ingest.post",
    "receiver.post",
    "unknown",
];

impl Route {
    pub(crate) fn resolve(call: &Call) -> Self {
        let segments: Vec<&str> = call.segments.iter().map(String::as_str).collect();
        match segments.as_slice() {
            [host, rest @ ..] if *host == "accounts" || host.starts_with("accounts-") => oauth(&call.method, rest),
            ["api", "crm", version, rest @ ..] if is_crm_version(version) => crm(&call.method, rest),
            ["api", "books", "v3", rest @ ..] => match books::Route::resolve(&call.method, rest) {
                Ok(route) => Self::Books(route),
                Err(status) => Self::Unknown { product: Product::Books, status },
            },
            ["cliq", rest @ ..] => match cliq::Route::resolve(&call.method, rest) {
                Ok(route) => Self::Cliq(route),
                Err(version) => Self::Unknown { product: Product::Cliq(version), status: 404 },
            },
            ["google", rest @ ..] | rest @ ["computeMetadata", ..] => {
                match google::Route::resolve(&call.method, rest) {
                    Some(route) => Self::Google(route),
                    None => Self::Unknown { product: Product::Google, status: 404 },
                }
            }
            ["ingest"] if call.method == Method::POST => Self::Ingest,
            ["ingest"] => Self::Unknown { product: Product::Ingest, status: 405 },
            ["ingest", ..] => Self::Unknown { product: Product::Ingest, status: 404 },
            ["receiver", name] => Self::Receiver { name: (*name).to_owned() },
            ["receiver", ..] => Self::Unknown { product: Product::Receiver, status: 404 },
            ["workdrive", "api", "v1", rest @ ..] | ["api", "workdrive", "api", "v1", rest @ ..] => {
                workdrive(&call.method, rest)
            }
            ["workdrive", "download", id] if call.method == Method::GET => {
                Self::Download { id: (*id).to_owned(), on_base: true }
            }
            ["download", "v1", "workdrive", "download", id] if call.method == Method::GET => {
                Self::Download { id: (*id).to_owned(), on_base: false }
            }
            ["signed", token] if call.method == Method::GET => Self::SignedDownload { token: (*token).to_owned() },
            ["upload", "workdrive-api", "v1", "stream", "upload"] if call.method == Method::POST => Self::UploadStream,
            ["workdrive" | "upload" | "download" | "signed", ..] | ["api", "workdrive", ..] => {
                Self::Unknown { product: Product::WorkDrive, status: 404 }
            }
            _ => Self::Unknown { product: Product::Crm, status: 404 },
        }
    }

    pub(crate) fn product(&self) -> Product {
        match self {
            Self::Unknown { product, .. } => *product,
            Self::Books(_) => Product::Books,
            Self::Google(_) => Product::Google,
            Self::Ingest => Product::Ingest,
            Self::Receiver { .. } => Product::Receiver,
            Self::Cliq(route) => Product::Cliq(route.version()),
            _ if self.name().starts_with("oauth.") => Product::Oauth,
            _ if self.name().starts_with("crm.") => Product::Crm,
            _ => Product::WorkDrive,
        }
    }

    /// The body is a file and must not be collected in memory.
    pub(crate) fn is_upload(&self) -> bool {
        matches!(self, Self::Upload | Self::UploadStream)
    }

    /// The resource a limit is about; empty for calls without one.
    pub(crate) fn subject(&self) -> &str {
        match self {
            Self::ListFolder { folder } => folder,
            Self::Item { id } | Self::Rename { id } | Self::Download { id, .. } => id,
            _ => "",
        }
    }

    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Token => "oauth.token",
            Self::Revoke => "oauth.revoke",
            Self::Authorize => "oauth.authorize",
            Self::Consent { .. } => "oauth.consent",
            Self::ServerInfo => "oauth.serverinfo",
            Self::List { .. } => "crm.list",
            Self::Record { .. } => "crm.record",
            Self::Deleted { .. } => "crm.deleted",
            Self::Count { .. } => "crm.count",
            Self::SearchRecords { .. } => "crm.search",
            Self::Coql => "crm.coql",
            Self::Update { .. } => "crm.update",
            Self::Users => "crm.users",
            Self::WatchCreate => "crm.watch_create",
            Self::WatchReplace => "crm.watch_replace",
            Self::WatchUpdate => "crm.watch_update",
            Self::WatchDelete => "crm.watch_delete",
            Self::WatchList => "crm.watch_list",
            Self::Me => "workdrive.me",
            Self::Teams { .. } => "workdrive.teams",
            Self::CurrentUser { .. } => "workdrive.current_user",
            Self::TeamFolders { .. } => "workdrive.team_folders",
            Self::PrivateSpace { .. } => "workdrive.private_space",
            Self::ListFolder { .. } => "workdrive.list",
            Self::Item { .. } => "workdrive.item",
            Self::CreateFolder => "workdrive.create_folder",
            Self::Rename { .. } => "workdrive.rename",
            Self::Change => "workdrive.change",
            Self::SearchItems { .. } => "workdrive.search",
            Self::Download { .. } => "workdrive.download",
            Self::SignedDownload { .. } => "workdrive.signed_download",
            Self::Upload => "workdrive.upload",
            Self::UploadStream => "workdrive.upload_stream",
            Self::Books(route) => route.name(),
            Self::Google(route) => route.name(),
            Self::Ingest => "ingest.post",
            Self::Receiver { .. } => "receiver.post",
            Self::Cliq(route) => route.name(),
            Self::Unknown { .. } => "unknown",
        }
    }
}

/// v2 to v8 are served side by side (zoho.md section 2).
fn is_crm_version(version: &str) -> bool {
    matches!(version, "v2" | "v3" | "v4" | "v5" | "v6" | "v7" | "v8")
}

fn oauth(method: &Method, rest: &[&str]) -> Route {
    match (method.as_str(), rest) {
        ("POST", ["oauth", "v2", "token"]) => Route::Token,
        ("POST", ["oauth", "v2", "token", "revoke"]) => Route::Revoke,
        ("GET", ["oauth", "v2", "auth"]) => Route::Authorize,
        ("POST", ["oauth", "v2", "auth", id]) => Route::Consent { id: (*id).to_owned() },
        ("GET", ["oauth", "serverinfo"]) => Route::ServerInfo,
        _ => Route::Unknown { product: Product::Oauth, status: 404 },
    }
}

fn crm(method: &Method, rest: &[&str]) -> Route {
    let own = |text: &&str| (*text).to_owned();
    match (method.as_str(), rest) {
        ("POST", ["coql"]) => Route::Coql,
        ("GET", ["users"]) => Route::Users,
        ("POST", ["actions", "watch"]) => Route::WatchCreate,
        ("PUT", ["actions", "watch"]) => Route::WatchReplace,
        ("PATCH", ["actions", "watch"]) => Route::WatchUpdate,
        ("DELETE", ["actions", "watch"]) => Route::WatchDelete,
        ("GET", ["actions", "watch"]) => Route::WatchList,
        ("GET", [module, "deleted"]) => Route::Deleted { module: own(module) },
        ("GET", [module, "search"]) => Route::SearchRecords { module: own(module) },
        ("GET", [module, "actions", "count"]) => Route::Count { module: own(module) },
        ("GET", [module]) if *module != "settings" => Route::List { module: own(module) },
        ("GET", [module, id]) if *module != "settings" => Route::Record { module: own(module), id: own(id) },
        ("PUT", [module]) => Route::Update { module: own(module), id: None },
        ("PUT", [module, id]) => Route::Update { module: own(module), id: Some(own(id)) },
        _ => Route::Unknown { product: Product::Crm, status: 404 },
    }
}

fn workdrive(method: &Method, rest: &[&str]) -> Route {
    let own = |text: &&str| (*text).to_owned();
    match (method.as_str(), rest) {
        ("GET", ["users", "me"]) => Route::Me,
        ("GET", ["users", user, "teams"]) => Route::Teams { user: own(user) },
        ("GET", ["users", member, "privatespace"]) => Route::PrivateSpace { member: own(member) },
        ("GET", ["teams", team, "currentuser"]) => Route::CurrentUser { team: own(team) },
        ("GET", ["teams", team, "teamfolders" | "workspaces"]) => Route::TeamFolders { team: own(team) },
        ("GET", ["teams", team, "records"]) => Route::SearchItems { team: own(team) },
        ("GET", ["files", folder, "files"]) => Route::ListFolder { folder: own(folder) },
        ("GET", ["files", id]) => Route::Item { id: own(id) },
        ("POST", ["files"]) => Route::CreateFolder,
        ("PATCH", ["files", id]) => Route::Rename { id: own(id) },
        ("PATCH", ["files"]) => Route::Change,
        ("GET", ["download", id]) => Route::Download { id: own(id), on_base: true },
        ("POST", ["upload"]) => Route::Upload,
        // Named in the facts as answering 405 (zoho.md section 3.5).
        (_, ["search"]) => Route::Unknown { product: Product::WorkDrive, status: 405 },
        _ => Route::Unknown { product: Product::WorkDrive, status: 404 },
    }
}
