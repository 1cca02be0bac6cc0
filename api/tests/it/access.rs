//! Who is let in, and who is told what.

use api::Role;
use reqwest::Method;
use testkit::store::Backend;

use crate::server::{ACCOUNTS, start, start_with};

testkit::on_both_databases! {
    #[actix_web::test]
    every_endpoint_refuses_who_has_no_token_or_too_low_a_role,
    without_a_key_the_api_names_the_setting_and_the_gateway_goes_on,
}

/// Every endpoint of the document with an address that can be asked, its method and its lowest role.
fn endpoints() -> Vec<(Method, String, Role)> {
    let document = api::document();
    let mut all = Vec::new();
    for (path, operations) in document["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            let role = operation["x-minimum-role"].as_str().unwrap().parse().unwrap();
            let address: Vec<&str> =
                path.split('/').map(|part| if part.starts_with('{') { "1" } else { part }).collect();
            all.push((method.to_uppercase().parse().unwrap(), address.join("/"), role));
        }
    }
    all
}

async fn every_endpoint_refuses_who_has_no_token_or_too_low_a_role(on: Backend) {
    let server = start(on).await;
    for (method, path, role) in endpoints() {
        let answer = server.send(method.clone(), &path, None, None).await;
        assert_eq!((answer.status, answer.code()), (401, "token_missing"), "{method} {path}");
        assert_eq!(answer.headers["www-authenticate"], "Bearer realm=\"gateledger\"");
        for lower in Role::ALL.into_iter().filter(|lower| *lower < role) {
            let token = server.token(lower, Some("acme"));
            let answer = server.send(method.clone(), &path, Some(&token), None).await;
            assert_eq!((answer.status, answer.code()), (403, "role_insufficient"), "{method} {path} as {lower}");
            assert_eq!(answer.body["needed_role"], role.as_str());
        }
    }
    server.stop().await;
}

async fn without_a_key_the_api_names_the_setting_and_the_gateway_goes_on(on: Backend) {
    let server = start_with(on, ACCOUNTS).await;
    let answer = server.send(Method::GET, "/api/v1/accounts", None, None).await;
    assert_eq!((answer.status, answer.code()), (503, "auth_not_configured"));
    assert!(answer.body["detail"].as_str().unwrap().contains("GATELEDGER_AUTH_SECRET"));
    assert!(answer.headers.contains_key("retry-after"));
    let health = providers::http::client().unwrap().get(format!("http://{}/health", server.address)).send().await;
    assert_eq!(health.unwrap().status(), 200);
    server.stop().await;
}
