//! Users and customers of Books through the API, with the roles at work behind it.

use std::sync::Arc;

use api::Role;
use gateway::intake::{Intake, run_poller};
use reqwest::Method;
use serde_json::{Value, json};
use simulator::seed::constants::{BOOKS_ORGANIZATION_ID, ORG_A_CLIENT_ID, ORG_A_CLIENT_SECRET, ORG_A_REFRESH_TOKEN};
use simulator::seed::{BooksGeneratedSeed, BooksOptions};
use simulator::{Seed, Simulator};
use testkit::store::Backend;
use testkit::wait::until;
use tokio_util::sync::CancellationToken;

use crate::server::{Answer, SECRET, Server, start_with};

testkit::on_both_databases! {
    #[actix_web::test]
    syncs_answer_with_their_counts_and_the_mapping_shows_the_accounts,
    who_may_sync_and_what_is_in_the_audit_trail,
    customer_is_given_to_another_salesperson_and_a_conflict_is_decided,
    role_is_decided_before_the_table_and_left_to_it_again,
}

struct Stage {
    server: Server,
    simulator: Simulator,
    stop: CancellationToken,
    roles: Vec<actix_web::rt::task::JoinHandle<()>>,
}

/// A simulated Books, the API, and the roles that read and project.
async fn stage(on: Backend) -> Stage {
    let generated = BooksGeneratedSeed { users: 6, contacts: 40, ..BooksGeneratedSeed::default() };
    let options = BooksOptions { generated, ..BooksOptions::default() };
    let simulator = simulator::start(&Seed::books(&options), simulator::Options::default()).unwrap();
    let base = simulator.base_url();
    let settings = format!(
        "[auth]\nsecret = '{SECRET}'\n[accounts.org-a]\nprovider = \"zoho\"\norganization = \"acme\"\n\
         client_id = \"{ORG_A_CLIENT_ID}\"\nclient_secret = \"{ORG_A_CLIENT_SECRET}\"\n\
         refresh_token = \"{ORG_A_REFRESH_TOKEN}\"\n[accounts.org-a.endpoints]\naccounts = \"{base}/accounts\"\n\
         api = \"{base}/api\"\n[accounts.org-a.limits]\nbooks_per_minute = 6000\n\
         [accounts.org-a.books]\norganization_id = \"{BOOKS_ORGANIZATION_ID}\"\ninterval_seconds = 86400\n\
         [accounts.org-a.books.roles]\nadmin = \"boss\"\ncloser = \"sales\"\n\
         [accounts.other]\nprovider = \"generic\"\norganization = \"umbrella\"\n\
         webhook = {{ verify = \"hmac\", secret = \"s\", header = \"X-Signature\" }}\n"
    );
    let server = start_with(on, &settings).await;
    let intake = Arc::new(Intake::open(&server.config, server.log.clone(), &server.accounts).unwrap());
    let stop = CancellationToken::new();
    let (polling, projecting, log) = (stop.clone(), stop.clone(), server.log.clone());
    let roles = vec![
        actix_web::rt::spawn(async move { run_poller(intake, polling).await.unwrap() }),
        actix_web::rt::spawn(async move { projector::run(log, "test".to_owned(), projecting).await.unwrap() }),
    ];
    Stage { server, simulator, stop, roles }
}

impl Stage {
    async fn call(&self, role: Role, path: &str, body: Value) -> Answer {
        let token = self.server.token(role, Some("acme"));
        self.server.send(Method::POST, path, Some(&token), Some(body)).await
    }

    async fn end(self) {
        self.stop.cancel();
        for role in self.roles {
            role.await.unwrap();
        }
        self.server.stop().await;
        drop(self.simulator);
    }
}

async fn syncs_answer_with_their_counts_and_the_mapping_shows_the_accounts(on: Backend) {
    let stage = stage(on).await;
    let users = stage.call(Role::Manager, "/api/tds/sync/users", json!({"full_sync": true})).await;
    assert_eq!((users.status, &users.body["success"]), (200, &json!(true)), "{}", users.body);
    let counted = &users.body["result"];
    let total = counted["total_fetched"].as_u64().unwrap();
    let sum: u64 = ["created", "updated", "skipped"].iter().map(|name| counted[*name].as_u64().unwrap()).sum();
    assert!(total >= 6 && sum == total, "{counted}");
    let again = stage.call(Role::Manager, "/api/tds/sync/users", json!({"full_sync": true})).await;
    assert_eq!(again.body["result"]["skipped"], total, "nothing has changed since");
    let all = stage.call(Role::Manager, "/api/tds/sync/customer-assignments", json!({"resync_all": true})).await;
    assert!(all.body["result"]["total_checked"].as_u64().unwrap() >= 40, "{}", all.body);
    let both = stage.call(Role::Admin, "/api/tds/sync/full-pipeline", json!({})).await;
    assert_eq!(both.body["result"]["users"]["total_fetched"], total);
    let viewer = stage.server.token(Role::Manager, Some("acme"));
    let mapped = until("the read model shows every user", async || {
        let mapped = stage.server.get(&viewer, "/api/tds/sync/user-mapping").await;
        let items = mapped.body["result"]["items"].as_array().unwrap().clone();
        (items.len() as u64 >= total).then_some(items)
    })
    .await;
    assert!(mapped.iter().all(|user| user["needs_invitation"].is_boolean() && user["erp_user_id"].is_string()));
    let customers = stage.server.get(&viewer, "/api/v1/erp/customers?limit=500").await;
    assert!(customers.items("state").iter().any(|state| state == "assigned"), "{}", customers.body);
    stage.end().await;
}

async fn who_may_sync_and_what_is_in_the_audit_trail(on: Backend) {
    let stage = stage(on).await;
    assert_eq!(stage.call(Role::Operator, "/api/tds/sync/users", json!({})).await.status, 403);
    assert_eq!(stage.call(Role::Manager, "/api/tds/sync/full-pipeline", json!({})).await.status, 403);
    let unknown = stage.call(Role::Manager, "/api/tds/sync/users", json!({"account": "other"})).await;
    assert_eq!((unknown.status, unknown.code()), (409, "books_account_unclear"));
    assert_eq!(stage.call(Role::Manager, "/api/tds/sync/users", json!({"everything": 1})).await.status, 400);
    let stranger = stage.server.token(Role::Admin, Some("umbrella"));
    let refused = stage
        .server
        .send(Method::POST, "/api/tds/sync/users", Some(&stranger), Some(json!({"account": "org-a"})))
        .await;
    assert_eq!((refused.status, refused.code()), (409, "books_account_unclear"));
    assert_eq!(stage.call(Role::Manager, "/api/tds/sync/users", json!({})).await.status, 200);
    let admin = stage.server.token(Role::Admin, Some("acme"));
    stage.server.get(&admin, "/api/tds/sync/user-mapping").await;
    let asked = stage.server.get(&admin, "/api/v1/events?type=sync.requested").await;
    let by_person =
        asked.body["items"].as_array().unwrap().iter().filter(|event| event["metadata"]["actor"]["subject"] == "ada");
    assert_eq!(by_person.count(), 1);
    let called = stage.server.get(&admin, "/api/v1/events?type=api.called").await;
    assert!(called.body.to_string().contains("/api/tds/sync/user-mapping"), "{}", called.body);
    stage.end().await;
}

async fn customer_is_given_to_another_salesperson_and_a_conflict_is_decided(on: Backend) {
    let stage = stage(on).await;
    assert_eq!(stage.call(Role::Admin, "/api/tds/sync/full-pipeline", json!({})).await.status, 200);
    let manager = stage.server.token(Role::Manager, Some("acme"));
    let (customer, other) = until("a customer and another salesperson are known", async || {
        let customers = stage.server.get(&manager, "/api/v1/erp/customers?state=assigned").await;
        let customer = customers.body["items"].as_array().unwrap().first().cloned()?;
        let users = stage.server.get(&manager, "/api/tds/sync/user-mapping").await;
        let users = users.body["result"]["items"].as_array().unwrap().clone();
        let other = users
            .into_iter()
            .find(|user| user["active"] == true && user["erp_user_id"] != customer["salesperson_id"])?;
        Some((customer, other))
    })
    .await;
    let contact_id = customer["zoho_contact_id"].as_str().unwrap();
    let path = format!("/api/v1/erp/customers/{contact_id}/salesperson");
    let body = json!({"salesperson_id": other["erp_user_id"]});
    let given = stage.server.send(Method::PUT, &path, Some(&manager), Some(body)).await;
    assert_eq!((given.status, &given.body["wanted_salesperson_id"]), (200, &other["erp_user_id"]), "{}", given.body);
    let nobody = json!({"salesperson_id": uuid::Uuid::nil()});
    let refused = stage.server.send(Method::PUT, &path, Some(&manager), Some(nobody)).await;
    assert_eq!((refused.status, refused.code()), (422, "decision_invalid"));
    // Meanwhile somebody gives it to a third one in Books.
    let owners = stage.server.get(&manager, "/api/tds/sync/user-mapping").await;
    let third = owners.body["result"]["items"].as_array().unwrap().iter().find(|user| {
        user["active"] == true && ![&customer["salesperson_id"], &other["erp_user_id"]].contains(&&user["erp_user_id"])
    });
    let third = third.unwrap()["zoho_user_id"].as_str().unwrap().to_owned();
    stage.simulator.control().change_books_owner("org-a", contact_id, Some(&third)).unwrap();
    let all = stage.call(Role::Manager, "/api/tds/sync/customer-assignments", json!({"resync_all": true})).await;
    assert_eq!(all.status, 200, "{}", all.body);
    let conflicts = stage.server.get(&manager, "/api/v1/erp/conflicts").await;
    let open = conflicts.body["items"].as_array().unwrap().iter().find(|one| one["subject"] == contact_id).cloned();
    let id = open.unwrap()["conflict_id"].as_str().unwrap().to_owned();
    let path = format!("/api/v1/erp/conflicts/{id}/decide");
    let decide = async |body: Value| stage.server.send(Method::POST, &path, Some(&manager), Some(body)).await;
    assert_eq!(decide(json!({"decision": "keep_user"})).await.status, 422);
    let decided = decide(json!({"decision": "keep_books_owner"})).await;
    assert_eq!((decided.status, &decided.body["state"]), (200, &json!("decided")), "{}", decided.body);
    let stranger = stage.server.token(Role::Admin, Some("umbrella"));
    let body = Some(json!({"decision": "keep_books_owner"}));
    assert_eq!(stage.server.send(Method::POST, &path, Some(&stranger), body).await.status, 404);
    stage.end().await;
}

async fn role_is_decided_before_the_table_and_left_to_it_again(on: Backend) {
    let stage = stage(on).await;
    assert_eq!(stage.call(Role::Manager, "/api/tds/sync/users", json!({})).await.status, 200);
    let admin = stage.server.token(Role::Admin, Some("acme"));
    let one = until("a user waits for a person", async || {
        let waiting = stage.server.get(&admin, "/api/v1/erp/users?needs_review=true").await;
        waiting.body["items"].as_array().unwrap().first().cloned()
    })
    .await;
    assert_eq!(
        (&one["erp_role"], &one["role_decided_by"], &one["state"]),
        (&json!(null), &json!(null), &json!("active"))
    );
    let roles = stage.server.get(&admin, "/api/v1/erp/roles").await;
    assert_eq!(roles.body["roles"], json!(["boss", "sales"]));

    let id = one["erp_user_id"].as_str().unwrap();
    let path = format!("/api/v1/erp/users/{id}/role");
    let put = async |token: &str, body: Value| stage.server.send(Method::PUT, &path, Some(token), Some(body)).await;
    let manager = stage.server.token(Role::Manager, Some("acme"));
    assert_eq!(put(&manager, json!({"role": "sales"})).await.status, 403);
    let stranger = stage.server.token(Role::Admin, Some("umbrella"));
    assert_eq!(put(&stranger, json!({"role": "sales"})).await.status, 404);
    assert_eq!(put(&admin, json!({})).await.status, 400, "a role that is forgotten withdraws nothing");
    let unknown = put(&admin, json!({"role": "chef"})).await;
    assert_eq!((unknown.status, unknown.code()), (422, "role_unknown"));
    assert_eq!(unknown.body["context"]["roles"], json!(["boss", "sales"]));

    let given = put(&admin, json!({"role": "Sales"})).await;
    assert_eq!((given.status, &given.body["erp_role"]), (200, &json!("sales")), "{}", given.body);
    let shown = until("the read model tells who decided", async || {
        let all = stage.server.get(&admin, "/api/v1/erp/users?state=active").await;
        let users = all.body["items"].as_array().unwrap().clone();
        users.into_iter().find(|user| user["erp_user_id"] == id && !user["role_decided_by"].is_null())
    })
    .await;
    assert_eq!((&shown["erp_role"], &shown["role_decided_by"]), (&json!("sales"), &json!("ada")));
    assert_eq!(shown["needs_review"], false);
    let again = stage.call(Role::Manager, "/api/tds/sync/users", json!({"full_sync": true})).await;
    assert_eq!(again.body["result"]["updated"], 0, "a sync leaves what was decided");
    let told = stage.server.get(&admin, "/api/v1/events?type=user_role.decided").await;
    let event = &told.body["items"][0];
    assert_eq!(event["metadata"]["actor"]["subject"], "ada");

    let withdrawn = put(&admin, json!({"role": null})).await;
    assert_eq!((withdrawn.status, &withdrawn.body["needs_review"]), (200, &json!(true)), "{}", withdrawn.body);
    stage.end().await;
}
