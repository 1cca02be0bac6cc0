//! Knobs of WorkDrive.

use serde::{Deserialize, Serialize};

/// What happens when a name is taken already (zoho.md sections 3.4, 3.7 and 10).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NameCollision {
    /// The new item gets a time in its name.
    Suffix,
    /// The call is refused with 409.
    Conflict,
}

/// Which downloads answer with a redirect to a signed address on another host name (zoho.md section 3.6).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RedirectDownloads {
    /// None: the bytes come directly.
    Never,
    /// Those asked for on the WorkDrive base instead of the download host.
    WorkdriveBase,
    /// All of them.
    Always,
}

/// Why every upload is refused (zoho.md section 3.7).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UploadRefusal {
    /// Uploads are taken.
    None,
    /// 402: the licence is suspended.
    Licence,
    /// 507: the organisation's storage is full.
    OrganizationStorage,
    /// 509: the person's storage is full.
    PersonalStorage,
}

/// Knobs of WorkDrive (zoho.md section 3).
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct WorkDriveKnobs {
    /// Time every WorkDrive call takes at least, in milliseconds; 0.
    pub latency_ms: u64,
    /// Calls per second and organisation; absent for no limit (6 was measured).
    pub requests_per_second: Option<f64>,
    /// Calls that may come at once under `requests_per_second`; 1.
    pub burst: u32,
    /// `Retry-After` of the general limit in seconds; 84.
    pub rate_penalty_seconds: u32,
    /// The listing of one folder within a rolling minute that is refused; 20. 0 for no limit.
    pub refused_listing: u32,
    /// `Retry-After` of the listing limit in seconds; 300.
    pub listing_penalty_seconds: u32,
    /// Factor by which a penalty grows when it is ignored; 1.5.
    pub penalty_growth: f64,
    /// A call that comes this soon after a refusal was already under way and is not counted against the
    /// client, in milliseconds; 500.
    pub in_flight_grace_ms: i64,
    /// Asking for one unknown id so often within a minute is refused with 429; 5. 0 for no limit.
    pub refused_unknown_id: u32,
    /// Folder create with a taken name; suffix.
    pub folder_collision: NameCollision,
    /// Upload with a taken name and no override; suffix.
    pub file_collision: NameCollision,
    /// Largest small upload in bytes; 262,144,000 (250 MB).
    pub small_upload_bytes: u64,
    /// Every upload is refused for this reason; none.
    pub upload_refusal: UploadRefusal,
    /// Full-width characters vanish from uploaded names (section 3.7); false.
    pub strip_full_width: bool,
    /// Uploaded bytes can be downloaded again; false only counts and hashes them.
    pub keep_uploads: bool,
    /// A range is answered with 200 and `Content-Range` instead of 206; false.
    pub range_answers_200: bool,
    /// Redirected downloads; never.
    pub redirect_downloads: RedirectDownloads,
    /// The last page of a cursor listing says there is another one, which is empty; false.
    pub phantom_last_page: bool,
    /// How long a new item stays unknown to the search, in milliseconds; 0.
    pub search_lag_ms: i64,
    /// Errors come as one `error` object instead of a list (section 3.12 has seen both); false.
    pub single_error_object: bool,
    /// `search[all]` and `search[content]` match the text of files; true.
    pub search_matches_content: bool,
}

impl Default for WorkDriveKnobs {
    fn default() -> Self {
        Self {
            latency_ms: 0,
            requests_per_second: None,
            burst: 1,
            rate_penalty_seconds: 84,
            refused_listing: 20,
            listing_penalty_seconds: 300,
            penalty_growth: 1.5,
            in_flight_grace_ms: 500,
            refused_unknown_id: 5,
            folder_collision: NameCollision::Suffix,
            file_collision: NameCollision::Suffix,
            small_upload_bytes: 250 * 1024 * 1024,
            upload_refusal: UploadRefusal::None,
            strip_full_width: false,
            keep_uploads: true,
            range_answers_200: false,
            redirect_downloads: RedirectDownloads::Never,
            phantom_last_page: false,
            search_lag_ms: 0,
            single_error_object: false,
            search_matches_content: true,
        }
    }
}
