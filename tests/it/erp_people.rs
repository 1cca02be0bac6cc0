//! What people decide about users and customers of Books: conflicts, files, roles. By the command line and the API, beside
//! a service that syncs.

use serde_json::{Value, json};
use simulator::Seed;
use simulator::control::BooksUserChange;
use simulator::seed::constants::{BOOKS_ORGANIZATION_ID, ORG_A};
use simulator::seed::{BooksOptions, BooksUserStatus};
use tests::http::{self, Answer};
use tests::log::Log;
use tests::wait::until_true;
use tests::{Process, Ran, Site, Store};

on_both! {
    conflicts_are_decided_at_the_command_line,
    customers_are_given_to_salespeople_by_a_file,
    roles_are_decided_one_by_one_and_outlive_what_happens_to_users_and_table,
    roles_are_decided_by_a_file,
}

/// Users of the demonstration: an admin, one whose role is in no table, two with one address, one who has left.
const ANN: &str = "460000000024003";
const BEN: &str = "460000000024005";
const CLEO: &str = "460000000024007";
const CLEO_AGAIN: &str = "460000000024013";
const DAN: &str = "460000000024009";
/// Customers: of Ann, of Ben, of nobody.
const BOWMAN: &str = "460000000026001";
const ACME: &str = "460000000026002";
const NOBODYS: &str = "460000000026008";

const TABLE: &str = "admin = \"tds_admin\"\n\"sales executive\" = \"tds_sales\"\n";

struct Office {
    site: Site,
    service: Process,
    log: Log,
    token: String,
}

/// The demonstration's Books, read once.
fn open(store: Store) -> Office {
    let mut seed = Seed::books(&BooksOptions::default());
    let demonstration = Seed::demo().organizations.into_iter().find(|one| one.name == ORG_A).unwrap();
    let own = seed.organizations.iter_mut().find(|one| one.name == ORG_A).unwrap();
    own.books = demonstration.books;
    let site = Site::on(store, &seed);
    configure(&site, TABLE);
    let service = site.serve();
    let log = site.log();
    let issued = site.run(&["token", "issue", "--role", "admin", "--organization", "default", "--subject", "ada"]);
    let token = good(issued).stdout.trim().to_owned();
    let office = Office { site, service, log, token };
    office.sync();
    office
}

fn configure(site: &Site, table: &str) {
    let settings = site.settings().without("transfers").with(&format!(
        "[auth]\nsecret = \"a secret of thirty-two bytes, or more\"\n[accounts.{ORG_A}.limits]\nbooks_per_minute = 6000\n\
         [accounts.{ORG_A}.books]\norganization_id = \"{BOOKS_ORGANIZATION_ID}\"\ninterval_seconds = 86400\n\
         [accounts.{ORG_A}.books.roles]\n{table}"
    ));
    site.configure(&settings);
}

impl Office {
    fn call(&self, method: &str, path: &str, body: &Value) -> Answer {
        let (address, body) = (self.site.listen(), body.to_string());
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nAuthorization: Bearer {}\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            self.token,
            body.len()
        );
        http::send(address, request.as_bytes()).unwrap()
    }

    /// Reads users and customers, and waits until the read models have what follows.
    fn sync(&self) {
        let synced = self.call("POST", "/api/tds/sync/full-pipeline", &json!({}));
        assert_eq!(synced.status, 200, "{}", synced.body);
        self.follow();
    }

    /// Waits until the read models have every event that is theirs.
    fn follow(&self) {
        let of = [
            ("erp_users", "'books_users.listed', 'erp_user.changed', 'user_role.decided'"),
            ("erp_customers", "'customer_assignment.changed'"),
            ("conflicts", "'conflict.found', 'conflict.decided', 'conflict.resolved'"),
        ];
        until_true("the read models have every event", 30, || {
            of.iter().all(|(projection, types)| {
                let checkpoint = format!(
                    "SELECT global_position FROM checkpoints WHERE subscription_name = 'projection:{projection}'"
                );
                self.log.count(&format!(
                    "SELECT count(*) FROM events WHERE event_type IN ({types}) AND \
                     global_position > coalesce(({checkpoint}), 0)"
                )) == 0
            })
        });
    }

    fn json(&self, arguments: &[&str]) -> Value {
        good(self.site.run(&[arguments, &["--json"]].concat())).json()
    }

    fn one(&self, what: &str, from: &str) -> String {
        let found = self.log.texts(&format!("SELECT coalesce({what}, '-') FROM {from}"));
        assert_eq!(found.len(), 1, "{what} from {from}: {found:?}");
        found.into_iter().next().unwrap()
    }

    fn role_of(&self, user: &str) -> String {
        self.follow();
        self.one("erp_role", &format!("rm_erp_users WHERE zoho_user_id = '{user}'"))
    }

    /// The user whose account is the salesperson of a customer, and the one that is wanted.
    fn salespeople_of(&self, customer: &str) -> [String; 2] {
        self.follow();
        ["salesperson_id", "wanted_salesperson_id"].map(|column| {
            let users = "rm_erp_customers AS one LEFT JOIN rm_erp_users AS two ON two.erp_user_id";
            self.one("two.zoho_user_id", &format!("{users} = one.{column} WHERE one.zoho_contact_id = '{customer}'"))
        })
    }

    fn decisions(&self) -> [u64; 3] {
        ["conflict.decided", "salesperson.assigned", "user_role.decided"].map(|name| self.log.events_of(name))
    }

    fn open_conflict(&self, kind: &str) -> Value {
        let found = self.json(&["mappings", "conflicts", "list"]);
        let one = found.as_array().unwrap().iter().find(|conflict| conflict["kind"] == kind);
        one.unwrap_or_else(|| panic!("no {kind}: {found}")).clone()
    }
}

fn good(ran: Ran) -> Ran {
    assert_eq!(ran.code, Some(0), "{}\n{}", ran.stdout, ran.stderr);
    ran
}

/// Number, outcome and reason of each line.
fn lines(report: &Value) -> Vec<(u64, &str, &str)> {
    let lines = report["lines"].as_array().unwrap().iter();
    lines
        .map(|line| {
            let text = |name: &str| line[name].as_str().unwrap_or_default();
            (line["line"].as_u64().unwrap(), text("outcome"), text("reason"))
        })
        .collect()
}

fn conflicts_are_decided_at_the_command_line(store: Store) {
    let office = open(store);
    let found = office.open_conflict("same_email");
    assert_eq!((&found["email"], &found["account"]), (&json!("cleo@example.com"), &json!(ORG_A)));
    let id = found["conflict_id"].as_str().unwrap();
    let shown = office.json(&["mappings", "conflicts", "show", id]);
    assert_eq!(shown["users"].as_array().unwrap().len(), 2);
    assert_eq!(office.one("state", &format!("rm_erp_users WHERE zoho_user_id = '{CLEO_AGAIN}'")), "held");

    let refused = office.site.run(&["mappings", "conflicts", "decide", id, "--keep", ANN, "--yes"]);
    assert_eq!(refused.code, Some(1));
    assert!(refused.stderr.contains(&format!("keep one of {CLEO}, {CLEO_AGAIN}")), "{}", refused.stderr);
    let decide = ["mappings", "conflicts", "decide", id, "--keep", CLEO_AGAIN];
    assert_eq!(office.json(&decide)["preview"], true);
    assert_eq!(office.decisions(), [0, 0, 0], "a preview decides nothing");
    let decided = office.json(&[&decide[..], &["--yes"]].concat());
    assert_eq!((&decided["preview"], &decided["conflict"]["state"]), (&json!(false), &json!("decided")));
    office.follow();
    assert_eq!(office.one("state", &format!("rm_erp_users WHERE zoho_user_id = '{CLEO}'")), "merged");
    let of_cleo = "460000000026003";
    assert_eq!(
        office.salespeople_of(of_cleo),
        [CLEO_AGAIN, "-"],
        "the customers of both are those of the one that counts"
    );
    let event = office.log.events("conflict.decided").remove(0);
    assert_eq!(event["user_id"], CLEO_AGAIN);

    // The ERP gives a customer to Ben; meanwhile somebody gives it to Cleo in Books.
    let users = office.json(&["mappings", "users", "list"]);
    let ben = users.as_array().unwrap().iter().find(|user| user["zoho_user_id"] == BEN).unwrap();
    let path = format!("/api/v1/erp/customers/{BOWMAN}/salesperson");
    let given = office.call("PUT", &path, &json!({"salesperson_id": ben["erp_user_id"]}));
    assert_eq!(given.status, 200, "{}", given.body);
    office.site.control().change_books_owner(ORG_A, BOWMAN, Some(CLEO_AGAIN)).unwrap();
    office.sync();
    let found = office.open_conflict("owner");
    assert_eq!((&found["contact_id"], &found["erp_owner_id"]), (&json!(BOWMAN), &json!(BEN)));
    let id = found["conflict_id"].as_str().unwrap();
    assert_eq!(office.site.run(&["mappings", "conflicts", "decide", id, "--keep", BEN, "--yes"]).code, Some(1));
    good(office.site.run(&["mappings", "conflicts", "decide", id, "--keep", "books", "--yes"]));
    assert_eq!(office.salespeople_of(BOWMAN), [CLEO_AGAIN, "-"]);
    assert_eq!(office.json(&["mappings", "conflicts", "list"]), json!([]));
    assert_eq!(office.json(&["mappings", "conflicts", "list", "--all"]).as_array().unwrap().len(), 2);
    let late = office.site.run(&["mappings", "conflicts", "decide", id, "--keep", "erp", "--yes"]);
    assert_eq!(late.code, Some(1));
    assert!(late.stderr.contains("comes too late"), "{}", late.stderr);
    assert_eq!(office.one("decided_by", "rm_conflicts WHERE kind = 'owner'").split(':').next(), Some("cli"));
}

fn customers_are_given_to_salespeople_by_a_file(store: Store) {
    let office = open(store);
    let file = office.site.file("assignments.csv");
    let text = format!(
        "\u{feff}zoho_contact_id;email\r\n{BOWMAN};BEN@example.com\r\n{ACME};ben@example.com\r\n{NOBODYS};ann@example.com\r\n\
         4711;ann@example.com\r\n\r\n{BOWMAN}0;\r\n460000000026003;cleo@example.com\r\n460000000026004;dan@example.com\r\n"
    );
    std::fs::write(&file, &text).unwrap();
    let import = ["mappings", "import", "assignments", "assignments.csv", "--account", ORG_A, "--json"];
    let expected = [
        (2, "changed", ""),
        (3, "unchanged", ""),
        (4, "changed", ""),
        (5, "refused", "no such customer is known; if it is new in Books, sync the customers first"),
        (7, "refused", "no salesperson is named; a customer can be given to another one, not to nobody"),
        (
            8,
            "refused",
            "several users have the address cleo@example.com (460000000024007, 460000000024013); decide that \
                        conflict first",
        ),
        (9, "refused", "the user with the address dan@example.com is not in use"),
    ];
    let dry = office.site.run(&import);
    assert_eq!(dry.code, Some(1), "a line is refused");
    assert_eq!(lines(&dry.json()), expected);
    assert!(dry.stderr.contains("a byte-order mark at the start of the file was left out"), "{}", dry.stderr);
    let refused = office.site.run(&[&import[..], &["--yes"]].concat());
    assert_eq!((refused.code, &refused.json()["applied"]), (Some(1), &json!(false)));
    assert_eq!(office.decisions(), [0, 0, 0], "neither a dry run nor a file with bad lines changes anything");

    std::fs::write(&file, text.lines().take(4).map(|line| format!("{line}\n")).collect::<String>()).unwrap();
    let table = good(office.site.run(&["mappings", "import", "assignments", "assignments.csv", "--account", ORG_A]));
    assert!(table.stdout.contains("OUTCOME") && table.stderr.contains("add --yes to do it"), "{}", table.stderr);
    let applied = good(office.site.run(&[&import[..], &["--yes"]].concat())).json();
    assert_eq!((&applied["applied"], &applied["changed"]), (&json!(true), &json!(2)));
    assert_eq!(office.salespeople_of(BOWMAN), [ANN, BEN], "Books has not followed");
    assert_eq!(office.salespeople_of(NOBODYS), ["-", ANN]);
    let again = good(office.site.run(&[&import[..], &["--yes"]].concat())).json();
    assert_eq!((&again["changed"], &again["unchanged"]), (&json!(0), &json!(3)));
    assert_eq!(office.decisions(), [0, 2, 0]);
    let stories = "SELECT count(DISTINCT correlation_id) FROM events WHERE event_type = 'salesperson.assigned'";
    assert_eq!(office.log.count(stories), 1, "what a file says is one story");

    office.site.control().change_books_owner(ORG_A, BOWMAN, Some(BEN)).unwrap();
    office.sync();
    assert_eq!(office.salespeople_of(BOWMAN), [BEN, "-"]);
    std::fs::write(&file, "contact,email\n").unwrap();
    let unreadable = office.site.run(&import);
    assert_eq!((unreadable.code, unreadable.stdout.as_str()), (Some(1), ""));
    assert!(unreadable.stderr.contains("the column `zoho_contact_id` is missing"), "{}", unreadable.stderr);
}

fn roles_are_decided_one_by_one_and_outlive_what_happens_to_users_and_table(store: Store) {
    let mut office = open(store);
    let waiting = office.json(&["mappings", "users", "list", "--needs-review"]);
    let ids: Vec<&str> =
        waiting.as_array().unwrap().iter().map(|user| user["zoho_user_id"].as_str().unwrap()).collect();
    assert_eq!(ids, [BEN, "460000000024011"], "who is in use and in no table");
    assert!(good(office.site.run(&["mappings", "users", "list"])).stdout.contains("for review"));

    let role = ["mappings", "users", "role", "ben@example.com"];
    let unknown = office.site.run(&[&role[..], &["--role", "chef", "--yes"]].concat());
    assert_eq!(unknown.code, Some(1));
    assert!(unknown.stderr.contains("the roles are tds_admin, tds_sales"), "{}", unknown.stderr);
    assert_eq!(office.site.run(&["mappings", "users", "role", "4711", "--by-table"]).code, Some(1));
    assert_eq!(office.site.run(&role).code, Some(2), "a decision has to be said");
    let seen = office.json(&[&role[..], &["--role", "tds_sales"]].concat());
    assert_eq!((&seen["preview"], &seen["user"]["erp_role"]), (&json!(true), &json!("tds_sales")));
    assert_eq!(office.decisions(), [0, 0, 0]);
    let done = office.json(&[&role[..], &["--role", "tds_sales", "--yes"]].concat());
    assert_eq!((&done["before"]["erp_role"], &done["user"]["decided_role"]), (&json!(null), &json!("tds_sales")));
    assert_eq!(office.role_of(BEN), "tds_sales");
    let said = good(office.site.run(&[&role[..], &["--role", "tds_sales", "--yes"]].concat())).stdout;
    assert!(said.contains("tds_sales (by a person), as before"), "{said}");
    assert_eq!(office.decisions(), [0, 0, 1]);

    let id = done["user"]["erp_user_id"].as_str().unwrap();
    let listed = office.call("GET", "/api/v1/erp/users?state=active", &json!({}));
    let listed: Value = serde_json::from_str(&listed.body).unwrap();
    let ben = listed["items"].as_array().unwrap().iter().find(|user| user["erp_user_id"] == id).unwrap();
    assert_eq!((&ben["erp_role"], &ben["needs_review"]), (&json!("tds_sales"), &json!(false)));
    assert!(ben["role_decided_by"].as_str().unwrap().starts_with("cli:"), "{ben}");

    // He leaves and comes back, and the table names his role meanwhile.
    for status in [BooksUserStatus::Inactive, BooksUserStatus::Active] {
        let change = BooksUserChange { status: Some(status), ..BooksUserChange::default() };
        office.site.control().change_books_user(ORG_A, BEN, &change).unwrap();
        office.sync();
        assert_eq!(office.role_of(BEN), "tds_sales");
    }
    office.service.terminate();
    assert!(office.service.wait(10).success());
    configure(&office.site, "admin = \"tds_boss\"\nstaff = \"tds_clerk\"\n");
    office.service = office.site.serve();
    office.sync();
    assert_eq!([ANN, BEN, "460000000024011"].map(|user| office.role_of(user)), ["tds_boss", "tds_sales", "tds_clerk"]);
    let before = office.log.rows("rm_erp_users");
    good(office.site.run(&["projections", "rebuild", "erp_users"]));
    assert_eq!(office.log.rows("rm_erp_users"), before);

    let path = format!("/api/v1/erp/users/{id}/role");
    let by_api = office.call("PUT", &path, &json!({"role": "tds_boss"}));
    assert_eq!(by_api.status, 200, "{}", by_api.body);
    assert_eq!(office.role_of(BEN), "tds_boss");
    assert_eq!(office.one("role_decided_by", &format!("rm_erp_users WHERE zoho_user_id = '{BEN}'")), "ada");
    let left = office.json(&["mappings", "users", "role", id, "--by-table", "--yes"]);
    assert_eq!((&left["user"]["erp_role"], &left["user"]["decided_role"]), (&json!("tds_clerk"), &json!(null)));
    assert_eq!(office.role_of(BEN), "tds_clerk");
    assert_eq!(office.one("role_decided_by", &format!("rm_erp_users WHERE zoho_user_id = '{BEN}'")), "-");
}

fn roles_are_decided_by_a_file(store: Store) {
    let office = open(store);
    let file = office.site.file("users.csv");
    let text = format!(
        "erp_role,zoho_user_id\nTDS_Sales,{BEN}\ntds_admin,{DAN}\nchef,{ANN}\ntds_sales,{CLEO}\ntds_sales,4711\n\
         ,{ANN}\ntds_sales,{CLEO}\n"
    );
    std::fs::write(&file, &text).unwrap();
    let import = ["mappings", "import", "users", "users.csv", "--account", ORG_A, "--json"];
    let dry = office.site.run(&import);
    assert_eq!(dry.code, Some(1), "a line is refused");
    let report = dry.json();
    let begins: Vec<(u64, &str, String)> = lines(&report)
        .into_iter()
        .map(|(line, outcome, reason)| (line, outcome, reason.chars().take(25).collect()))
        .collect();
    let expected = [
        (2, "changed", ""),
        (3, "changed", ""),
        (4, "refused", "there is no role \"chef\"; "),
        (5, "refused", "line 8 names the same use"),
        (6, "refused", "there is no user 4711; if"),
        (7, "refused", "no role is named; let the"),
        (8, "refused", "line 5 names the same use"),
    ];
    assert_eq!(begins, expected.map(|(line, outcome, reason)| (line, outcome, reason.to_owned())));
    assert_eq!(office.site.run(&[&import[..], &["--yes"]].concat()).code, Some(1));
    assert_eq!(office.decisions(), [0, 0, 0], "neither a dry run nor a file with bad lines changes anything");

    let part = office.site.run(&[&import[..], &["--yes", "--partial"]].concat());
    assert_eq!((part.code, &part.json()["applied"]), (Some(1), &json!(true)), "lines were refused all the same");
    assert_eq!([BEN, DAN].map(|user| office.role_of(user)), ["tds_sales", "tds_admin"]);
    std::fs::write(&file, text.lines().take(3).map(|line| format!("{line}\n")).collect::<String>()).unwrap();
    let again = good(office.site.run(&[&import[..], &["--yes"]].concat())).json();
    assert_eq!((&again["changed"], &again["unchanged"]), (&json!(0), &json!(2)));
    assert_eq!(office.decisions(), [0, 0, 2]);
    let other = office.site.run(&["mappings", "import", "users", "users.csv", "--account", "org-b"]);
    assert_eq!(other.code, Some(1));
    assert!(other.stderr.contains("has no settings of Books"), "{}", other.stderr);
}
