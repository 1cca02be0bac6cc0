//! The demonstration: two organisations, pending records, and every kind of folder that gives trouble.

use serde_json::json;

use super::{
    ClientSeed, EntrySeed, FieldKind, FieldSeed, ModuleSeed, OrganizationSeed, RecordSeed, Seed, TeamFolderSeed,
    WorkDriveSeed, all_scopes,
};

/// Names of the demonstration, for settings that should reach it. The secrets open nothing but a simulator.
pub mod constants {
    /// Organisation with CRM and the destination.
    pub const ORG_A: &str = "org-a";
    /// Organisation with the source files.
    pub const ORG_B: &str = "org-b";
    /// Client id of organisation A.
    pub const ORG_A_CLIENT_ID: &str = "1000.SIMULATORORGA";
    /// Client secret of organisation A.
    pub const ORG_A_CLIENT_SECRET: &str = "simulated-secret-a";
    /// Refresh token of organisation A.
    pub const ORG_A_REFRESH_TOKEN: &str = "1000.simulated.refresh.a";
    /// Client id of organisation B.
    pub const ORG_B_CLIENT_ID: &str = "1000.SIMULATORORGB";
    /// Client secret of organisation B.
    pub const ORG_B_CLIENT_SECRET: &str = "simulated-secret-b";
    /// Refresh token of organisation B.
    pub const ORG_B_REFRESH_TOKEN: &str = "1000.simulated.refresh.b";
    /// CRM module with the records.
    pub const MODULE: &str = "Contacts";
    /// Checkbox that says that the files were moved.
    pub const CHECKBOX_FIELD: &str = "Transfer_Complete";
    /// Field with the name of the source folder.
    pub const FOLDER_FIELD: &str = "Source_Folder_Name";
    /// Team folder of organisation B that holds the source folders.
    pub const SOURCE_TEAM_FOLDER_ID: &str = "team-b";
    /// Folder of organisation A that receives the copies.
    pub const DESTINATION_FOLDER_ID: &str = "dest-root";
    /// Team folder of organisation A around the destination.
    pub const DESTINATION_TEAM_FOLDER_ID: &str = "team-a";
    /// Id of organisation A in Books.
    pub const BOOKS_ORGANIZATION_ID: &str = "10234695";
}

use constants::*;

/// Sizes of the demonstration.
#[derive(Debug, Clone)]
pub struct DemoOptions {
    /// Size of the large file in bytes; 300 MiB.
    pub large_file_bytes: u64,
    /// Root of ids and choices; 2.
    pub seed: u64,
}

impl Default for DemoOptions {
    fn default() -> Self {
        Self { large_file_bytes: 300 * 1024 * 1024, seed: 2 }
    }
}

pub(super) fn seed(options: &DemoOptions) -> Seed {
    Seed {
        seed: options.seed,
        organizations: vec![organization_a(records()), organization_b(source(options))],
        ..Seed::default()
    }
}

/// Organisation A with the given records and a destination that holds some names already.
pub(super) fn organization_a(records: Vec<RecordSeed>) -> OrganizationSeed {
    let field = |name: &str, kind| FieldSeed { name: name.to_owned(), kind };
    let module = ModuleSeed {
        name: MODULE.to_owned(),
        fields: vec![
            field("Last_Name", FieldKind::Text),
            field("Email", FieldKind::Text),
            field(FOLDER_FIELD, FieldKind::Text),
            field(CHECKBOX_FIELD, FieldKind::Boolean),
        ],
        records,
    };
    let destination = |path: &str, text: Option<&str>| EntrySeed {
        in_folder: DESTINATION_FOLDER_ID.to_owned(),
        path: path.to_owned(),
        text: text.map(str::to_owned),
        ..EntrySeed::default()
    };
    let root = EntrySeed {
        in_folder: DESTINATION_TEAM_FOLDER_ID.to_owned(),
        path: "Migrated".to_owned(),
        id: Some(DESTINATION_FOLDER_ID.to_owned()),
        ..EntrySeed::default()
    };
    let workdrive = WorkDriveSeed {
        team_name: "Organisation A".to_owned(),
        team_folders: vec![TeamFolderSeed { id: DESTINATION_TEAM_FOLDER_ID.to_owned(), name: "Shared".to_owned() }],
        entries: vec![
            root,
            destination("Acme Trading/contract.pdf", Some("an older contract that stays")),
            destination("Acme Trading/Invoices/2025-01.pdf", Some("an older invoice that stays")),
            destination("Acme Trading/notes", Some("an older note without extension")),
            destination("Somebody else/readme.txt", Some("not ours")),
        ],
        ..WorkDriveSeed::default()
    };
    OrganizationSeed {
        name: ORG_A.to_owned(),
        region: "com".to_owned(),
        utc_offset_minutes: 330,
        clients: vec![client(ORG_A_CLIENT_ID, ORG_A_CLIENT_SECRET, ORG_A_REFRESH_TOKEN)],
        modules: vec![module],
        workdrive,
        books: super::books::demonstration(),
        cliq: super::cliq::demo(),
    }
}

/// Organisation B with the given files in its team folder.
pub(super) fn organization_b(workdrive: WorkDriveSeed) -> OrganizationSeed {
    OrganizationSeed {
        name: ORG_B.to_owned(),
        region: "eu".to_owned(),
        utc_offset_minutes: 0,
        clients: vec![client(ORG_B_CLIENT_ID, ORG_B_CLIENT_SECRET, ORG_B_REFRESH_TOKEN)],
        modules: Vec::new(),
        workdrive,
        books: super::BooksSeed::default(),
        cliq: super::CliqSeed::default(),
    }
}

fn client(id: &str, secret: &str, refresh_token: &str) -> ClientSeed {
    ClientSeed {
        id: id.to_owned(),
        secret: secret.to_owned(),
        refresh_token: Some(refresh_token.to_owned()),
        scopes: all_scopes(),
        redirect_uris: Vec::new(),
    }
}

/// A pending or settled record.
pub(super) fn record(number: u64, last_name: &str, folder: Option<&str>, done: bool) -> RecordSeed {
    let fields = json!({
        "Last_Name": last_name,
        "Email": format!("person{number}@example.com"),
        FOLDER_FIELD: folder,
        CHECKBOX_FIELD: done,
    });
    RecordSeed {
        id: Some((520_000_000_000_100_000 + number).to_string()),
        fields: fields.as_object().cloned().unwrap_or_default(),
        modified_at: None,
    }
}

fn records() -> Vec<RecordSeed> {
    vec![
        record(1, "Archer", Some("Acme Trading"), false),
        record(2, "Brontë", Some("müller & söhne"), false),
        record(3, "Castro", Some("日本支社 資料"), false),
        record(4, "Dupont", Some("Video Archive"), false),
        record(5, "Eriksen", Some("Globex"), false),
        record(6, "Fischer", Some("Nobody Ever Made This Folder"), false),
        record(7, "Gupta", Some("Empty Handed"), false),
        record(8, "Hansen", Some("Deep Roots"), false),
        record(9, "Ivanova", Some("Long Names"), false),
        record(10, "Jones", Some("Acme Trading"), true),
        record(11, "Kim", None, false),
        record(12, "Lopez", Some("   "), false),
        record(13, "Murphy", Some("Many Small Files"), false),
    ]
}

struct Files(Vec<EntrySeed>);

impl Files {
    fn sized(&mut self, path: &str, size_bytes: u64) -> &mut Self {
        self.push(path, Some(size_bytes), None)
    }

    fn text(&mut self, path: &str, text: &str) -> &mut Self {
        self.push(path, None, Some(text))
    }

    fn folder(&mut self, path: &str) -> &mut Self {
        self.push(path, None, None)
    }

    fn push(&mut self, path: &str, size_bytes: Option<u64>, text: Option<&str>) -> &mut Self {
        self.0.push(EntrySeed {
            in_folder: SOURCE_TEAM_FOLDER_ID.to_owned(),
            path: path.to_owned(),
            size_bytes,
            text: text.map(str::to_owned),
            ..EntrySeed::default()
        });
        self
    }

    /// The last entry was changed at this time.
    fn modified(&mut self, at: &str) -> &mut Self {
        if let Some(last) = self.0.last_mut() {
            last.modified_at = Some(at.to_owned());
        }
        self
    }
}

fn source(options: &DemoOptions) -> WorkDriveSeed {
    let mut files = Files(Vec::new());
    files
        .sized("Acme Trading/contract.pdf", 180_000)
        .sized("Acme Trading/notes", 900)
        .sized("Acme Trading/Invoices/2025-01.pdf", 64_000)
        .sized("Acme Trading/Invoices/2025-02.pdf", 65_000)
        .sized("Acme Trading/Invoices/Paid/2024-12.pdf", 63_000)
        .sized("Acme Trading/empty.txt", 0)
        .text("Müller & Söhne/Angebot Größe 100% +Extras #1.txt", "Ein Angebot mit Umlauten.")
        .text("Müller & Söhne/Cafe\u{301}.txt", "a name in decomposed form")
        .sized("Müller & Söhne/Fotos/Straße 🚀.jpg", 250_000)
        .text("日本支社 資料/契約書.txt", "契約書")
        .sized("日本支社 資料/図面/平面図 第一版.png", 410_000)
        .sized("Video Archive/interview.mp4", options.large_file_bytes)
        .sized("Video Archive/interview.srt", 21_000)
        .folder("Empty Handed")
        .sized("Deep Roots/1/2/3/4/5/6/7/8/leaf.bin", 4_096)
        .folder("Deep Roots/1/2/nothing here")
        .sized(&format!("Long Names/{}.txt", "n".repeat(251)), 2_000)
        .sized(&format!("Long Names/{}.txt", "ü".repeat(251)), 2_000)
        .sized(&format!("Long Names/{}/short.txt", "f".repeat(255)), 2_000)
        .text("Unrelated/about acme.txt", "Acme Trading is only mentioned here");
    several_globex(&mut files);
    let many = super::GeneratedSeed {
        in_folder: SOURCE_TEAM_FOLDER_ID.to_owned(),
        path: "Many Small Files".to_owned(),
        folders: 4,
        files_per_folder: 15,
        min_size_bytes: 500,
        max_size_bytes: Some(40_000),
        seed: options.seed,
    };
    WorkDriveSeed {
        team_name: "Organisation B".to_owned(),
        team_folders: vec![TeamFolderSeed { id: SOURCE_TEAM_FOLDER_ID.to_owned(), name: "Customers".to_owned() }],
        entries: files.0,
        generated: vec![many],
        ..WorkDriveSeed::default()
    }
}

/// One name in several spellings; the middle one was changed last and wins.
fn several_globex(files: &mut Files) {
    files
        .folder("GLOBEX")
        .modified("2025-03-01T08:00:00Z")
        .text("GLOBEX/old.txt", "an old folder")
        .folder("Globex")
        .modified("2025-11-20T17:30:00Z")
        .sized("Globex/plan.docx", 33_000)
        .sized("Globex/budget.xlsx", 45_000)
        .folder("globex")
        .modified("2025-06-15T12:00:00Z")
        .text("globex/older.txt", "not the newest");
}
