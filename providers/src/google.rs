//! Google: identity tokens for services that run behind Google's front end.
//!
//! Sources: developers.google.com/identity/protocols/oauth2/service-account (the signed request), and
//! cloud.google.com/run/docs/authenticating/service-to-service (who wants such a token); what the pages leave out is as
//! Google's own library does it (`google/oauth2/service_account.py` of googleapis/google-auth-library-python).

mod id_token;
mod key;

pub use id_token::{IdTokens, Settings, Source};
pub use key::{KeyError, ServiceAccountKey};
