//! The HTTP half over real sockets and a real database.

mod client;
mod gateway;
mod limits;
mod operator;
mod outage;
mod sign;
mod storage;
mod webhook;
mod zoho_books;
mod zoho_cliq;
mod zoho_crm;

/// Accounts that most tests use.
const SETTINGS: &str = r#"
[accounts.partner]
provider = "generic"
organization = "acme"
[accounts.partner.webhook]
verify = "hmac"
secret = "partner-secret"
header = "X-Hub-Signature-256"
prefix = "sha256="
delivery_id_header = "X-GitHub-Delivery"

[accounts.standard]
provider = "generic"
[accounts.standard.webhook]
verify = "standard-webhooks"
secrets = ["whsec_b2xkLXNlY3JldC1vbGQtc2VjcmV0", "whsec_bmV3LXNlY3JldC1uZXctc2VjcmV0"]
"#;
