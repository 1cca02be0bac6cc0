//! Roles that people decide, one by one and by a file.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use catalogue::books::UserChanged;
use catalogue::erp::{self, UserRoleDecided, UserState, user_id};
use event_log::{Direction, Filter, GlobalPosition, Log, RecordedEvent, StreamVersion};
use mappings::import::{Mode, Outcome, Report, UserLine, UsersFile, users};
use mappings::salesperson::{Story, record_users};
use mappings::user_role::{self, Decided, UserRole, decide, list, preview};
use mappings::{Error, conflict};
use service::config::account::Books;
use service::config::{Config, LoadOptions};
use testkit::on_both_databases;
use testkit::store::Backend;
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::office::{Office, ada, of};

on_both_databases! {
    #[tokio::test]
    a_decided_role_counts_before_the_table_until_it_is_withdrawn,
    a_decided_role_outlives_departure_and_another_table,
    the_same_decision_again_makes_no_event,
    roles_and_users_that_do_not_exist_are_refused,
    a_merged_account_gets_no_role,
    many_decisions_at_once_are_one_after_the_other,
    users_who_wait_for_a_person_are_listed,
    a_file_of_roles_changes_what_differs_in_one_story,
    every_line_says_why_it_is_refused,
    ten_thousand_lines_are_decided_quickly,
}

const DECIDED: &str = "user_role.decided";
const CHANGED: &str = "erp_user.changed";

/// A table that knows admins and clerks only.
fn books() -> Books {
    books_with("admin = 'boss'\nclerk = 'Sales'")
}

fn books_with(roles: &str) -> Books {
    let folder = tempfile::tempdir().unwrap();
    let settings = format!(
        "[accounts.org-a]\nprovider = 'zoho'\nclient_id = '1000.a'\nclient_secret = 's'\n\
         [accounts.org-a.books]\norganization_id = '10'\n[accounts.org-a.books.roles]\n{roles}\n"
    );
    std::fs::write(folder.path().join("gateledger.toml"), settings).unwrap();
    let (file, environment, dotenv) = (None, BTreeMap::new(), None);
    let working_dir = folder.path().to_owned();
    Config::load(LoadOptions { file, environment, dotenv, working_dir }).unwrap().accounts["org-a"]
        .books
        .clone()
        .unwrap()
}

fn story() -> Story {
    Story {
        account: "org-a".to_owned(),
        organization: "acme".to_owned(),
        source: "poll",
        correlation_id: Uuid::now_v7(),
        causation_id: None,
        asked_at: None,
        received_at: None,
        actor: None,
    }
}

fn user(id: &str, email: &str, role: &str, status: &str) -> UserChanged {
    UserChanged {
        user_id: id.to_owned(),
        name: format!("User {id}"),
        email: Some(email.to_owned()),
        role: Some(role.to_owned()),
        status: status.to_owned(),
    }
}

/// An office whose Books has an admin `1`, a `2` whose role is in no table, `3` who has left, and `4` and `5` with one address.
struct Desk {
    office: Office,
    config: Config,
    log: Log,
}

fn people() -> Vec<UserChanged> {
    vec![
        user("1", "Ann@example.com", "admin", "active"),
        user("2", "bob@example.com", "staff", "active"),
        user("3", "cy@example.com", "staff", "inactive"),
        user("4", "twin@example.com", "staff", "active"),
        user("5", "Twin@example.com", "staff", "active"),
    ]
}

impl Desk {
    async fn new(on: Backend) -> Self {
        let office = Office::new(on).await;
        let mut config = Config::clone(&office.config);
        config.accounts.get_mut("org-a").unwrap().books = Some(books());
        let log = office.start().await;
        let desk = Desk { office, config, log };
        desk.list(people(), books()).await;
        desk
    }

    async fn list(&self, users: Vec<UserChanged>, books: Books) {
        let written = self.log.write::<_, Error, _>(move |unit| {
            Box::pin(async move { record_users(unit, &story(), &books, &users).await })
        });
        written.await.unwrap();
    }

    async fn decide(&self, id: &str, role: Option<&str>) -> Result<Decided, Error> {
        decide(&self.log, &ada(), &self.config, user_id("org-a", id), role).await
    }

    async fn import(&self, text: &str, mode: Mode) -> Report<UserLine> {
        let file = UsersFile::read(text.as_bytes()).unwrap();
        users(&self.log, &ada(), &self.config, "org-a", file, mode).await.unwrap()
    }

    async fn role_of(&self, id: &str) -> Option<String> {
        self.user(id).await.erp_role
    }

    async fn user(&self, id: &str) -> UserRole {
        let all = list(self.log.database().readers(), &user_role::Filter::default(), None, 100).await.unwrap();
        all.into_iter().find(|user| user.zoho_user_id == id).unwrap()
    }

    async fn events(&self, event_type: &str) -> Vec<RecordedEvent> {
        let filter = Filter { event_types: vec![event_type.to_owned()], ..Filter::default() };
        self.log.list(&filter, GlobalPosition(0), Direction::Forward, 1_000).await.unwrap()
    }
}

async fn a_decided_role_counts_before_the_table_until_it_is_withdrawn(on: Backend) {
    let desk = Desk::new(on).await;
    assert!(desk.user("2").await.needs_review);
    let seen = preview(desk.log.database().readers(), &ada(), &desk.config, user_id("org-a", "2"), Some("sales")).await;
    assert_eq!(seen.unwrap().user.erp_role.as_deref(), Some("Sales"), "as the settings write it");
    assert!(desk.events(DECIDED).await.is_empty(), "a preview changes nothing");

    let decided = desk.decide("2", Some("sales")).await.unwrap();
    assert_eq!((decided.before.erp_role, decided.before.needs_review), (None, true));
    assert_eq!(decided.user, desk.user("2").await);
    assert_eq!((decided.user.decided_role.as_deref(), decided.user.needs_review), (Some("Sales"), false));
    let told = desk.log.read_stream(&erp::user_stream("org-a", "2"), StreamVersion(0), 10).await.unwrap();
    let types: Vec<&str> = told.iter().map(|event| event.event_type.as_str()).collect();
    assert_eq!(types, [CHANGED, DECIDED, CHANGED]);
    assert_eq!(told[1].correlation_id, told[2].correlation_id);
    assert!(told[1..].iter().all(|event| event.metadata.contains("cli:ada")));
    let data: UserRoleDecided = told[1].decode().unwrap();
    assert_eq!((data.erp_role.as_deref(), data.decided_by.as_str()), (Some("Sales"), ada().subject.as_str()));
    assert_eq!(told[2].decode::<erp::User>().unwrap().erp_role.as_deref(), Some("Sales"));

    desk.decide("1", Some("Sales")).await.unwrap();
    assert_eq!(desk.role_of("1").await.as_deref(), Some("Sales"));
    assert_eq!(desk.decide("1", None).await.unwrap().user.erp_role.as_deref(), Some("boss"));
    assert_eq!(desk.decide("2", None).await.unwrap().user.erp_role, None);
    assert!(desk.user("2").await.needs_review);
}

async fn a_decided_role_outlives_departure_and_another_table(on: Backend) {
    let desk = Desk::new(on).await;
    desk.decide("2", Some("boss")).await.unwrap();
    desk.list(people(), books()).await;
    desk.list(people(), books_with("staff = 'clerk'")).await;
    assert_eq!(desk.role_of("2").await.as_deref(), Some("boss"));
    assert_eq!(desk.role_of("1").await, None, "the table does not name admins any more");

    let with = |status: &str| {
        let mut users = people();
        users[1].status = status.to_owned();
        users
    };
    desk.list(with("inactive"), books()).await;
    assert_eq!(desk.user("2").await.state, Some(UserState::Inactive));
    desk.list(with("deleted"), books()).await;
    desk.list(with("active"), books()).await;
    let back = desk.user("2").await;
    assert_eq!((back.state, back.erp_role.as_deref()), (Some(UserState::Active), Some("boss")));
    assert_eq!(desk.events(DECIDED).await.len(), 1);
}

async fn the_same_decision_again_makes_no_event(on: Backend) {
    let desk = Desk::new(on).await;
    desk.decide("2", None).await.unwrap();
    assert!(desk.events(DECIDED).await.is_empty());
    desk.decide("1", Some("boss")).await.unwrap();
    let changes = desk.events(CHANGED).await.len();
    let again = desk.decide("1", Some("BOSS")).await.unwrap();
    assert_eq!(again.before, again.user);
    assert_eq!(desk.events(DECIDED).await.len(), 1, "what the table says as well is a decision all the same");
    assert_eq!(desk.events(CHANGED).await.len(), changes);
    desk.list(people(), books()).await;
    assert_eq!(desk.events(CHANGED).await.len(), changes, "a list that is the same changes nothing");
}

async fn roles_and_users_that_do_not_exist_are_refused(on: Backend) {
    let desk = Desk::new(on).await;
    match desk.decide("2", Some("chef")).await {
        Err(Error::UnknownRole { role, roles, .. }) => {
            assert_eq!((role.as_str(), roles), ("chef", vec!["Sales".to_owned(), "boss".to_owned()]));
        }
        other => panic!("{other:?}"),
    }
    let unknown = decide(&desk.log, &ada(), &desk.config, Uuid::nil(), Some("boss")).await;
    assert!(matches!(unknown, Err(Error::UnknownUser { .. })), "{unknown:?}");
    let strange = decide(&desk.log, &of("globex"), &desk.config, user_id("org-a", "2"), Some("boss")).await;
    assert!(matches!(strange, Err(Error::UnknownUser { .. })), "{strange:?}");
    let mut config = desk.config.clone();
    config.accounts.get_mut("org-a").unwrap().books = None;
    let without = decide(&desk.log, &ada(), &config, user_id("org-a", "2"), Some("boss")).await;
    assert!(matches!(without, Err(Error::Invalid { field: "account", .. })), "{without:?}");
    assert!(desk.events(DECIDED).await.is_empty());
}

async fn a_merged_account_gets_no_role(on: Backend) {
    let desk = Desk::new(on).await;
    desk.decide("5", Some("boss")).await.unwrap();
    assert_eq!(desk.user("5").await.state, Some(UserState::Held), "its role is known before its conflict is decided");
    let found = conflict::list(desk.log.database().readers(), &conflict::Filter::default(), None, 10).await.unwrap();
    let keep = erp::Decision::KeepUser { user_id: "5".to_owned() };
    conflict::decide(&desk.log, &ada(), &desk.config, found[0].conflict_id, &keep).await.unwrap();
    let kept = desk.user("5").await;
    assert_eq!((kept.state, kept.erp_role.as_deref()), (Some(UserState::Active), Some("boss")));
    match desk.decide("4", Some("boss")).await {
        Err(Error::Invalid { field: "erp_user_id", reason }) => {
            assert!(reason.contains(&user_id("org-a", "5").to_string()), "{reason}");
        }
        other => panic!("{other:?}"),
    }
}

async fn many_decisions_at_once_are_one_after_the_other(on: Backend) {
    let desk = Desk::new(on).await;
    let others = desk.office.start().await;
    let mut decisions = JoinSet::new();
    for turn in 0..20 {
        let (log, config) = (if turn % 2 == 0 { &desk.log } else { &others }.clone(), desk.config.clone());
        let role = if turn % 3 == 0 { "boss" } else { "Sales" };
        decisions.spawn(async move { decide(&log, &ada(), &config, user_id("org-a", "2"), Some(role)).await.unwrap() });
    }
    decisions.join_all().await;
    let told = desk.log.read_stream(&erp::user_stream("org-a", "2"), StreamVersion(0), 100).await.unwrap();
    let versions: Vec<i64> = told.iter().map(|event| event.stream_version.0).collect();
    assert_eq!(versions, (1..=i64::try_from(told.len()).unwrap()).collect::<Vec<_>>());
    let last: UserRoleDecided =
        told.iter().rev().find(|event| event.event_type.as_str() == DECIDED).unwrap().decode().unwrap();
    assert_eq!(last.erp_role, desk.role_of("2").await);
}

async fn users_who_wait_for_a_person_are_listed(on: Backend) {
    let desk = Desk::new(on).await;
    let readers = desk.log.database().readers();
    let ids = async |filter: user_role::Filter, after: Option<Uuid>, limit: usize| -> Vec<String> {
        let found = list(readers, &filter, after, limit).await.unwrap();
        found.into_iter().map(|user| user.zoho_user_id).collect()
    };
    let waiting = || user_role::Filter { needs_review: true, ..user_role::Filter::default() };
    assert_eq!(ids(waiting(), None, 10).await, ["2", "4"], "neither who has left nor whose account is held");
    assert_eq!(ids(waiting(), None, 1).await, ["2"]);
    assert_eq!(ids(waiting(), Some(user_id("org-a", "2")), 10).await, ["4"]);
    let of = |organization: &str| user_role::Filter {
        organization: Some(organization.to_owned()),
        account: Some("org-a".to_owned()),
        needs_review: false,
    };
    assert_eq!(ids(of("acme"), None, 10).await.len(), 5);
    assert!(ids(of("globex"), None, 10).await.is_empty());
    let nobody = list(readers, &waiting(), Some(Uuid::nil()), 10).await;
    assert!(matches!(nobody, Err(Error::UnknownUser { .. })), "{nobody:?}");
}

async fn a_file_of_roles_changes_what_differs_in_one_story(on: Backend) {
    let desk = Desk::new(on).await;
    desk.decide("1", Some("boss")).await.unwrap();
    let text = "\u{feff}Email;erp_role\r\nANN@example.com;boss\r\nbob@example.com;SALES\r\ncy@example.com;boss\r\n";
    let expected = [(2, Outcome::Unchanged), (3, Outcome::Changed), (4, Outcome::Changed)];
    let outcomes = |report: &Report<UserLine>| -> Vec<(u64, Outcome)> {
        report.lines.iter().map(|line| (line.line, line.outcome)).collect()
    };
    let seen = desk.import(text, Mode::DryRun).await;
    assert_eq!(outcomes(&seen), expected);
    assert!(seen.byte_order_mark && !seen.applied);
    assert_eq!(desk.events(DECIDED).await.len(), 1);

    let report = desk.import(text, Mode::AllOrNothing).await;
    assert!(report.applied);
    assert_eq!(report.lines, seen.lines);
    assert_eq!((report.lines[1].zoho_user_id.as_deref(), report.lines[1].erp_role.as_str()), (Some("2"), "Sales"));
    let told = desk.events(DECIDED).await;
    assert_eq!(told.len(), 3);
    assert_eq!(told[1].correlation_id, told[2].correlation_id);
    assert_eq!((desk.role_of("2").await.as_deref(), desk.role_of("3").await.as_deref()), (Some("Sales"), Some("boss")));

    let again = desk.import(text, Mode::AllOrNothing).await;
    assert_eq!((again.changed, again.unchanged, again.refused), (0, 3, 0));
    assert_eq!(desk.events(DECIDED).await.len(), 3);
}

async fn every_line_says_why_it_is_refused(on: Backend) {
    let desk = Desk::new(on).await;
    let by_email = "erp_role,email\nboss,ann@example.com\nchef,bob@example.com\nboss,\n,cy@example.com\n\
                    boss,twin@example.com\nboss,who@example.com\nboss,dup@example.com\nSales,dup@example.com\nboss\n";
    desk.list([people(), vec![user("6", "dup@example.com", "staff", "active")]].concat(), books()).await;
    let report = desk.import(by_email, Mode::AllOrNothing).await;
    assert!(!report.applied && desk.events(DECIDED).await.is_empty(), "a refused line keeps the others back");
    let reasons = |report: Report<UserLine>| -> Vec<(u64, String)> {
        report.lines.into_iter().filter_map(|line| Some((line.line, line.reason?))).collect()
    };
    let expected = [
        (3, "there is no role \"chef\"; the roles are Sales, boss"),
        (4, "no user is named"),
        (5, "no role is named; let the table of roles say it"),
        (6, "several users have the address twin@example.com (4, 5); decide that conflict first"),
        (7, "no user has the address who@example.com; if they are new in Books, sync the users first"),
        (8, "line 9 names the same user"),
        (9, "line 8 names the same user"),
        (10, "the header has 2 columns, this line 1"),
    ];
    let said = reasons(report);
    assert_eq!(said.len(), expected.len(), "{said:?}");
    for ((line, reason), (at, begins)) in said.iter().zip(expected) {
        assert!(*line == at && reason.starts_with(begins), "{line}: {reason}");
    }
    let part = desk.import(by_email, Mode::Partial).await;
    assert!(part.applied && part.changed == 1);
    assert_eq!(desk.user("1").await.decided_role.as_deref(), Some("boss"));

    let by_id = "zoho_user_id,erp_role\n12,boss\n4,boss\n";
    let said = reasons(desk.import(by_id, Mode::DryRun).await);
    assert_eq!(said, [(2, "there is no user 12; if they are new in Books, sync the users first".to_owned())]);
    for text in ["zoho_user_id,role\n1,boss\n", "erp_role\nboss\n", "zoho_user_id,email,erp_role\n"] {
        let refused = UsersFile::read(text.as_bytes()).unwrap_err().to_string();
        assert!(
            refused.contains("expected a header with `erp_role` and one of `zoho_user_id` and `email`"),
            "{refused}"
        );
    }
}

async fn ten_thousand_lines_are_decided_quickly(on: Backend) {
    let desk = Desk::new(on).await;
    let many: Vec<UserChanged> =
        (0..10_000).map(|id| user(&format!("9{id:05}"), &format!("u{id}@example.com"), "staff", "active")).collect();
    let lines = many.iter().map(|user| format!("{},boss\n", user.email.as_deref().unwrap()));
    let text = format!("email,erp_role\n{}", lines.collect::<String>());
    desk.list(many, books()).await;
    let began = Instant::now();
    let report = desk.import(&text, Mode::AllOrNothing).await;
    assert_eq!((report.changed, report.refused), (10_000, 0));
    let again = desk.import(&text, Mode::AllOrNothing).await;
    assert_eq!(again.unchanged, 10_000);
    assert!(began.elapsed() < Duration::from_secs(60), "{:?}", began.elapsed());
}
