//! Knobs of the accounts server.

use serde::{Deserialize, Serialize};

/// What the person in front of the consent page does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Consent {
    /// Agrees at once, but for the scopes of `consent_without`.
    Approve,
    /// Refuses at once: `error=access_denied`.
    Deny,
    /// Waits: the page is answered by its form or through the control interface.
    Ask,
}

/// Knobs of the accounts server (zoho.md section 1).
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct OauthKnobs {
    /// Life of an access token in seconds; 3600.
    pub access_token_seconds: u32,
    /// Access tokens one refresh token gives per window before it is refused; 10.
    pub tokens_per_window: u32,
    /// Length of that window in seconds; 600.
    pub window_seconds: u32,
    /// Status of the throttle answer; 400 (200 was seen too).
    pub throttle_status: u16,
    /// Live access tokens per refresh token, the oldest goes; 30.
    pub live_access_tokens: u32,
    /// Refresh tokens per user and client, the oldest goes; 20.
    pub refresh_tokens_per_client: u32,
    /// Refresh tokens handed out per client and minute; 5.
    pub refresh_tokens_per_minute: u32,
    /// Life of an authorisation code in seconds; 120.
    pub code_seconds: u32,
    /// Who answers the consent page; it is approved.
    pub consent: Consent,
    /// Scopes the person leaves out when approving at once.
    pub consent_without: Vec<String>,
    /// Who that person is; `owner`. Grants are limited per user.
    pub consent_user: String,
    /// Every data centre has an accounts server of its own, `/accounts-eu` and so on, with `/accounts` as the one of
    /// `us`; tokens come only from the one of the organisation, another answers `invalid_client`. False.
    pub regional_hosts: bool,
}

impl Default for OauthKnobs {
    fn default() -> Self {
        Self {
            access_token_seconds: 3600,
            tokens_per_window: 10,
            window_seconds: 600,
            throttle_status: 400,
            live_access_tokens: 30,
            refresh_tokens_per_client: 20,
            refresh_tokens_per_minute: 5,
            code_seconds: 120,
            consent: Consent::Approve,
            consent_without: Vec::new(),
            consent_user: "owner".to_owned(),
            regional_hosts: false,
        }
    }
}
