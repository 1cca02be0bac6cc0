//! Files that give many customers to salespeople.

use std::collections::BTreeMap;
use std::time::Duration;

use catalogue::books::{ContactChanged, UserChanged};
use catalogue::erp::{ConflictState, Decision};
use event_log::{Direction, Filter, GlobalPosition, Log, RecordedEvent};
use mappings::conflict;
use mappings::import::{AssignmentLine, AssignmentsFile, Mode, Outcome, Report, assignments};
use mappings::salesperson::{Story, contact_gone, record_contacts, record_users};
use service::config::account::Books;
use service::config::{Config, Schedule};
use testkit::on_both_databases;
use testkit::store::Backend;
use uuid::Uuid;

use crate::office::{Office, ada, of};

on_both_databases! {
    #[tokio::test]
    a_file_changes_what_differs_in_one_story,
    one_refused_line_keeps_the_others_back_unless_they_are_wanted,
    every_line_says_why_it_is_refused,
    an_address_means_the_user_that_a_person_kept,
    an_import_ends_the_conflict_about_an_owner,
    accounts_out_of_reach_or_without_books_are_refused,
}

const ASSIGNED: &str = "salesperson.assigned";

fn books() -> Books {
    Books {
        organization_id: "10".to_owned(),
        schedule: Schedule::Every(Duration::from_secs(86_400)),
        full_every: Duration::from_secs(86_400),
        contact_type: "customer".to_owned(),
        roles: BTreeMap::new(),
        default_role: Some("sales".to_owned()),
        write_owners: false,
    }
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

fn user(id: &str, email: &str, status: &str) -> UserChanged {
    UserChanged {
        user_id: id.to_owned(),
        name: format!("User {id}"),
        email: Some(email.to_owned()),
        role: None,
        status: status.to_owned(),
    }
}

/// An office whose Books has a few users, and customers `7` of the first, `8` of nobody, `9` of the second.
struct Desk {
    _office: Office,
    config: Config,
    log: Log,
}

impl Desk {
    async fn new(on: Backend) -> Self {
        let office = Office::new(on).await;
        let mut config = Config::clone(&office.config);
        config.accounts.get_mut("org-a").unwrap().books = Some(books());
        let log = office.start().await;
        let users = vec![
            user("1", "Ann@example.com", "active"),
            user("2", "bob@example.com", "active"),
            user("3", "cy@example.com", "inactive"),
            user("4", "twin@example.com", "active"),
            user("5", "Twin@example.com", "active"),
        ];
        let written = log.write::<_, mappings::Error, _>(move |unit| {
            Box::pin(async move { record_users(unit, &story(), &books(), &users).await })
        });
        written.await.unwrap();
        let desk = Desk { _office: office, config, log };
        for (id, owner) in [("7", Some("1")), ("8", None), ("9", Some("2"))] {
            desk.see(id, owner, "2026-01-01T00:00:00Z").await;
        }
        desk
    }

    async fn see(&self, id: &str, owner: Option<&str>, modified: &str) {
        let contact = ContactChanged {
            contact_id: id.to_owned(),
            name: format!("Customer {id}"),
            kind: Some("customer".to_owned()),
            status: Some("active".to_owned()),
            owner_id: owner.map(str::to_owned),
            owner_name: None,
            email: None,
            last_modified_time: Some(modified.parse().unwrap()),
        };
        let written = self.log.write::<_, mappings::Error, _>(move |unit| {
            Box::pin(async move { record_contacts(unit, &story(), &books(), &[contact], None).await })
        });
        written.await.unwrap();
    }

    async fn import(&self, text: &str, mode: Mode) -> Report<AssignmentLine> {
        let file = AssignmentsFile::read(text.as_bytes()).unwrap();
        assignments(&self.log, &ada(), &self.config, "org-a", file, mode).await.unwrap()
    }

    async fn events(&self, event_type: &str) -> Vec<RecordedEvent> {
        let filter = Filter { event_types: vec![event_type.to_owned()], ..Filter::default() };
        self.log.list(&filter, GlobalPosition(0), Direction::Forward, 100).await.unwrap()
    }

    async fn conflicts(&self) -> Vec<conflict::Conflict> {
        conflict::list(self.log.database().readers(), &conflict::Filter::default(), None, 100).await.unwrap()
    }
}

fn outcomes(report: &Report<AssignmentLine>) -> Vec<(u64, Outcome)> {
    report.lines.iter().map(|line| (line.line, line.outcome)).collect()
}

async fn a_file_changes_what_differs_in_one_story(on: Backend) {
    let desk = Desk::new(on).await;
    let text = "\u{feff}zoho_contact_id;email\r\n7;BOB@example.com\r\n8;ann@example.com\r\n9;bob@example.com\r\n";
    let expected = [(2, Outcome::Changed), (3, Outcome::Changed), (4, Outcome::Unchanged)];
    let preview = desk.import(text, Mode::DryRun).await;
    assert_eq!(outcomes(&preview), expected);
    assert!(preview.byte_order_mark && !preview.applied);
    assert!(desk.events(ASSIGNED).await.is_empty());

    let report = desk.import(text, Mode::AllOrNothing).await;
    assert!(report.applied);
    assert_eq!((report.changed, report.unchanged, report.refused), (2, 1, 0));
    assert_eq!(report.lines, preview.lines);
    let told = desk.events(ASSIGNED).await;
    assert_eq!(told.len(), 2);
    assert_eq!(told[0].correlation_id, told[1].correlation_id);
    assert!(told.iter().all(|event| event.metadata.contains("cli:ada") && event.account.as_deref() == Some("org-a")));

    let again = desk.import(text, Mode::AllOrNothing).await;
    assert_eq!((again.changed, again.unchanged), (0, 3));
    assert_eq!(desk.events(ASSIGNED).await.len(), 2);
}

async fn one_refused_line_keeps_the_others_back_unless_they_are_wanted(on: Backend) {
    let desk = Desk::new(on).await;
    let text = "zoho_user_id\tzoho_contact_id\n2\t7\n2\t4711\n";
    let expected = [(2, Outcome::Changed), (3, Outcome::Refused)];
    let kept_back = desk.import(text, Mode::AllOrNothing).await;
    assert!(!kept_back.applied);
    assert_eq!(outcomes(&kept_back), expected);
    assert!(desk.events(ASSIGNED).await.is_empty());
    let partial = desk.import(text, Mode::Partial).await;
    assert!(partial.applied);
    assert_eq!(outcomes(&partial), expected);
    assert_eq!(desk.events(ASSIGNED).await.len(), 1);
}

async fn every_line_says_why_it_is_refused(on: Backend) {
    let desk = Desk::new(on).await;
    desk.see("10", Some("1"), "2026-01-01T00:00:00Z").await;
    let gone = desk.log.write::<_, mappings::Error, _>(move |unit| {
        Box::pin(async move { contact_gone(unit, &story(), &books(), "10", None).await })
    });
    gone.await.unwrap();
    let reasons = |report: Report<AssignmentLine>| -> Vec<String> {
        report.lines.into_iter().map(|line| line.reason.unwrap_or_default()).collect()
    };
    let by_email = "zoho_contact_id,email\n7,cy@example.com\n8,twin@example.com\n9,dee@example.com\n9,bob@example.com\n\
         10,bob@example.com\n11,bob@example.com\n";
    let said = reasons(desk.import(by_email, Mode::DryRun).await);
    assert_eq!(said.len(), 6);
    for (reason, expected) in said.iter().zip([
        "the user with the address cy@example.com is not in use",
        "several users have the address twin@example.com (4, 5); decide that conflict first",
        "line 5 names the same customer",
        "line 4 names the same customer",
        "the customer is gone in Books",
        "no such customer is known",
    ]) {
        assert!(reason.starts_with(expected), "{reason}");
    }
    let by_id = "zoho_contact_id,zoho_user_id\n7,3\n8,5\n9,12\n";
    let said = reasons(desk.import(by_id, Mode::DryRun).await);
    assert_eq!(said.len(), 3);
    for (reason, expected) in
        said.iter().zip(["the user 3 is not in use", "the user 5 waits for the decision", "there is no user 12"])
    {
        assert!(reason.starts_with(expected), "{reason}");
    }
}

async fn an_address_means_the_user_that_a_person_kept(on: Backend) {
    let desk = Desk::new(on).await;
    let [conflict] = desk.conflicts().await.try_into().unwrap();
    let keep = Decision::KeepUser { user_id: "5".to_owned() };
    conflict::decide(&desk.log, &ada(), &desk.config, conflict.conflict_id, &keep).await.unwrap();
    let report = desk.import("zoho_contact_id,email\n7,twin@example.com\n", Mode::AllOrNothing).await;
    assert_eq!(report.lines[0].zoho_user_id.as_deref(), Some("5"));
    let report = desk.import("zoho_contact_id,zoho_user_id\n7,4\n", Mode::AllOrNothing).await;
    assert_eq!(report.lines[0].reason.as_deref(), Some("the user 4 was merged into 5; name 5"));
}

async fn an_import_ends_the_conflict_about_an_owner(on: Backend) {
    let desk = Desk::new(on).await;
    desk.import("zoho_contact_id,zoho_user_id\n7,2\n", Mode::AllOrNothing).await;
    desk.see("7", Some("4"), "2026-01-02T00:00:00Z").await;
    let of_owner = |conflicts: Vec<conflict::Conflict>| -> Vec<ConflictState> {
        let about = conflicts.into_iter().filter(|conflict| conflict.about.subject() == "7");
        about.map(|conflict| conflict.state).collect()
    };
    assert_eq!(of_owner(desk.conflicts().await), [ConflictState::Open]);
    desk.import("zoho_contact_id,zoho_user_id\n7,1\n", Mode::AllOrNothing).await;
    assert_eq!(of_owner(desk.conflicts().await), [ConflictState::Resolved]);
}

async fn accounts_out_of_reach_or_without_books_are_refused(on: Backend) {
    let desk = Desk::new(on).await;
    for (actor, account, says) in [
        (of("globex"), "org-a", "is not configured"),
        (ada(), "org-c", "is not configured"),
        (ada(), "org-b", "no settings of Books"),
    ] {
        let file = AssignmentsFile::read(&b"zoho_contact_id,email\n7,bob@example.com\n"[..]).unwrap();
        let refused = assignments(&desk.log, &actor, &desk.config, account, file, Mode::AllOrNothing).await;
        match refused {
            Err(mappings::Error::Invalid { field: "account", reason }) => assert!(reason.contains(says), "{reason}"),
            other => panic!("{other:?}"),
        }
    }
    assert!(desk.events(ASSIGNED).await.is_empty());
}
