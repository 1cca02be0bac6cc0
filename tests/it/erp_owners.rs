//! Salespeople that people give to customers own their contacts in Books, whatever is killed and whatever fails on the way.

use std::collections::BTreeMap;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::{Value, json};
use simulator::seed::constants::{BOOKS_ORGANIZATION_ID, ORG_A};
use simulator::seed::{BooksContactSeed, BooksSeed, BooksUserSeed, BooksWebhookSeed};
use simulator::{Fault, FaultRule, Seed};
use tests::http;
use tests::log::Log;
use tests::wait::{until, until_true};
use tests::{Process, Site, Store, binary, life};

on_both! {
    salesperson_given_through_the_api_owns_the_customer_in_books,
    serve_killed_at_any_moment_gives_every_customer_its_last_owner,
}

/// The people; the customers are the first one's.
const PEOPLE: [&str; 3] = ["101", "102", "103"];
const SECRET: &str = "aSecretOfThirtyLettersOrDigits";

fn seed(customers: u64) -> Seed {
    let mut seed = Seed::demo();
    seed.knobs.oauth.tokens_per_window = 100_000;
    seed.knobs.books.per_minute = 100_000;
    let own = seed.organizations.iter_mut().find(|one| one.name == ORG_A).unwrap();
    own.modules.clear();
    own.books = BooksSeed {
        organization_id: Some(BOOKS_ORGANIZATION_ID.to_owned()),
        users: PEOPLE.map(person).into(),
        contacts: (0..customers).map(customer).collect(),
        ..BooksSeed::default()
    };
    seed
}

fn person(id: &str) -> BooksUserSeed {
    BooksUserSeed {
        id: Some(id.to_owned()),
        name: format!("Person {id}"),
        email: format!("person{id}@example.com"),
        ..BooksUserSeed::default()
    }
}

fn customer(number: u64) -> BooksContactSeed {
    BooksContactSeed {
        id: Some(contact(number)),
        name: format!("Customer {number}"),
        owner_id: Some(PEOPLE[0].to_owned()),
        ..BooksContactSeed::default()
    }
}

fn contact(number: u64) -> String {
    (2_000 + number).to_string()
}

struct Office {
    site: Site,
    token: String,
    /// The accounts of the people.
    salespeople: BTreeMap<String, Value>,
    service: Option<Process>,
}

impl Office {
    /// Everybody is known, and the service runs; what changes in Books comes by webhook.
    fn open(store: Store, seed: &Seed) -> Self {
        let site = Site::on(store, seed);
        let settings = site.settings().without("transfers").with(&format!(
            "[auth]\nsecret = \"a secret of thirty-two bytes, or more\"\n[service]\neffect_lease_seconds = 3\n\
             [accounts.{ORG_A}.limits]\nbooks_per_minute = 60000\n\
             [accounts.{ORG_A}.books]\norganization_id = \"{BOOKS_ORGANIZATION_ID}\"\nwrite_owners = true\n\
             default_role = \"sales\"\n\
             [accounts.books]\nprovider = \"generic\"\n[accounts.books.webhook]\nverify = \"zoho-books\"\n\
             secret = \"{SECRET}\"\naccount = \"{ORG_A}\"\n"
        ));
        site.configure(&settings);
        let hook = BooksWebhookSeed::signed(format!("http://{}/webhooks/books", site.listen()), SECRET);
        site.control().set_books_webhooks(ORG_A, vec![hook]).unwrap();
        let service = site.serve();
        let issued = site.run(&["token", "issue", "--role", "admin", "--organization", "default", "--subject", "ada"]);
        assert_eq!(issued.code, Some(0), "{}", issued.stderr);
        let token = issued.stdout.trim().to_owned();
        let mut office = Office { site, token, salespeople: BTreeMap::new(), service: Some(service) };
        let synced = office.call("POST", "/api/tds/sync/full-pipeline", &json!({})).unwrap();
        assert_eq!(synced.0, 200, "{}", synced.1);
        office.salespeople = until("the people have accounts", 30, || {
            let (status, listed) = office.call("GET", "/api/v1/erp/users", &json!({})).ok()?;
            let users = listed["items"].as_array().filter(|_| status == 200)?;
            let known: BTreeMap<String, Value> = users
                .iter()
                .map(|user| (user["zoho_user_id"].as_str().unwrap().to_owned(), user["erp_user_id"].clone()))
                .collect();
            (known.len() == PEOPLE.len()).then_some(known)
        });
        office
    }

    fn call(&self, method: &str, path: &str, body: &Value) -> std::io::Result<(u16, Value)> {
        let (address, body) = (self.site.listen(), body.to_string());
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nAuthorization: Bearer {}\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            self.token,
            body.len()
        );
        let answer = http::send(address, request.as_bytes())?;
        Ok((answer.status, serde_json::from_str(&answer.body).unwrap_or(Value::Null)))
    }

    /// Gives a customer to a person; returns whether that was answered.
    fn assign(&self, contact_id: &str, person: &str) -> bool {
        let path = format!("/api/v1/erp/customers/{contact_id}/salesperson");
        let given = self.call("PUT", &path, &json!({"salesperson_id": self.salespeople[person]}));
        given.is_ok_and(|(status, _)| status == 200)
    }

    /// Who owns the contacts in Books.
    fn owners(&self) -> BTreeMap<String, String> {
        let state = self.site.state();
        let books = &state.organizations.iter().find(|one| one.name == ORG_A).unwrap().books;
        let owner = |owner: &Option<String>| owner.clone().unwrap_or_default();
        books.contacts.iter().map(|contact| (contact.id.clone(), owner(&contact.owner_id))).collect()
    }

    /// Waits until the read model has a customer as a person's, with nothing else wanted.
    fn until_confirmed(&self, log: &Log, contact_id: &str, person: &str) {
        until_true(&format!("customer {contact_id} is {person}'s"), 60, || {
            log.count(&format!(
                "SELECT count(*) FROM rm_erp_customers AS one JOIN rm_erp_users AS two \
                 ON two.erp_user_id = one.salesperson_id WHERE one.zoho_contact_id = '{contact_id}' \
                 AND two.zoho_user_id = '{person}' AND one.zoho_owner_id = '{person}' \
                 AND one.wanted_salesperson_id IS NULL"
            )) == 1
        });
    }
}

fn open_effects(log: &Log) -> u64 {
    log.count("SELECT count(*) FROM effects WHERE kind = 'contact.assign' AND status NOT IN ('succeeded', 'failed')")
}

fn salesperson_given_through_the_api_owns_the_customer_in_books(store: Store) {
    let mut office = Office::open(store, &seed(3));
    let log = office.site.log();
    assert!(office.assign(&contact(1), PEOPLE[1]));
    office.until_confirmed(&log, &contact(1), PEOPLE[1]);
    assert_eq!(office.owners()[&contact(1)], PEOPLE[1]);
    let told = log.events("contact.assigned").remove(0);
    assert_eq!((&told["how"], &told["replaced_owner_id"]), (&json!("written"), &json!(PEOPLE[0])));
    // The webhook of our own change says nothing new.
    until_true("the webhook of our own change came", 30, || log.events_of("delivery.received") >= 1);
    let facts = "SELECT count(*) FROM events WHERE event_type = 'books_contact.changed'";
    until_true("it was understood", 30, || {
        let hints =
            "SELECT coalesce(max(global_position), 0) FROM checkpoints WHERE subscription_name = 'books-hints:books'";
        let last = "SELECT max(global_position) FROM events WHERE event_type = 'delivery.received'";
        log.count(&format!(
            "SELECT count(*) FROM events WHERE event_type = 'delivery.received' \
            AND global_position = ({last}) AND global_position <= ({hints})"
        )) == 1
    });
    assert_eq!(log.count(facts), 3 + 1, "the change is one fact, whoever saw it");
    assert_eq!(log.events_of("salesperson.assigned"), 1, "and asks for nothing");
    assert_eq!((log.events_of("conflict.found"), log.count("SELECT count(*) FROM dead_letters")), (0, 0));
    assert_eq!(office.site.control().counts().requests("books.update_contact"), 1);
    let story = office.site.run(&["events", "list", "--type", "contact.*", "--json"]);
    assert!(story.stdout.contains("contact.assigned"), "{}", story.stdout);
    let service = office.service.as_mut().unwrap();
    service.terminate();
    assert!(service.wait(10).success(), "{}", service.stderr());
}

fn serve_killed_at_any_moment_gives_every_customer_its_last_owner(store: Store) {
    const CUSTOMERS: u64 = 5;
    let mut random = StdRng::seed_from_u64(binary::seed().wrapping_add(7));
    let mut office = Office::open(store, &seed(CUSTOMERS));
    let log = office.site.log();
    let often = |route: &str, fault| FaultRule::once(route, fault).forever().with_probability(0.05);
    for fault in [Fault::CutAfter {}, Fault::CutBefore {}, Fault::StatusAfter { code: 504 }, Fault::ExpiredToken {}] {
        for route in ["books.update_contact", "books.contact"] {
            office.site.control().add_fault(often(route, fault.clone())).unwrap();
        }
    }
    // What was last decided, and was answered: an assignment whose answer a kill has cut may have been made or not.
    let mut last: BTreeMap<String, Option<&str>> = (0..CUSTOMERS).map(|one| (contact(one), Some(PEOPLE[0]))).collect();
    for _ in 0..binary::kills().div_ceil(10) {
        for _ in 0..random.random_range(1..8) {
            let (customer, person) = (contact(random.random_range(0..CUSTOMERS)), PEOPLE[random.random_range(0..3)]);
            let is_answered = office.assign(&customer, person);
            last.insert(customer, Some(person).filter(|_| is_answered));
        }
        life::go_on(&office.site, random.random_range(0..30));
        office.service.take().unwrap().kill();
        office.service = Some(office.site.serve());
    }
    office.site.control().clear_faults();
    for (customer, person) in &mut last {
        let person = *person.get_or_insert(PEOPLE[1]);
        assert!(office.assign(customer, person));
    }
    until_true("nothing is under way", 60, || open_effects(&log) == 0);
    for (customer, person) in &last {
        office.until_confirmed(&log, customer, person.unwrap());
        assert_eq!(office.owners()[customer], person.unwrap(), "{customer}");
    }
    assert_eq!(
        log.events_of("conflict.found"),
        0,
        "nobody but us changed anything: {:?}",
        log.events("conflict.found")
    );
    let decided = log.count("SELECT count(*) FROM events WHERE event_type = 'salesperson.assigned'");
    let planned = log.count("SELECT count(*) FROM effects WHERE kind = 'contact.assign'");
    assert_eq!(planned, decided, "every decision has one effect");
    let mut misdeeds = office.site.control().counts().misdeeds;
    // A kill between the answer with a new token and the commit that keeps it: the next start asks again.
    misdeeds.remove("refreshed_while_valid_token_fresh");
    assert!(misdeeds.is_empty(), "{misdeeds:?}");
}
