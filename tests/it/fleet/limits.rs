//! Ten consumers are to the provider as one is.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use serde_json::json;
use tests::verify::{self, is_checked, records};
use tests::wait::until_true;
use tests::{Fleet, Site, Store};

use crate::trees::small;

/// What the provider saw.
#[derive(Debug)]
struct Seen {
    /// Answers 429.
    refused: u64,
    token_requests: u64,
    misdeeds: BTreeMap<String, u64>,
}

/// A whole transfer with so many consumers.
fn seen_with(consumers: usize) -> Seen {
    let mut seed = small(6, 20);
    // As measured at the provider: what is more than the settings allow, and less than two processes would ask for.
    seed.knobs.workdrive.requests_per_second = Some(30.0);
    seed.knobs.workdrive.burst = 3;
    seed.knobs.workdrive.rate_penalty_seconds = 2;
    seed.knobs.workdrive.refused_listing = 20;
    seed.knobs.oauth.tokens_per_window = 10;
    let site = Arc::new(Site::on(Store::Postgres, &seed));
    let mut fleet = Fleet::new(site.clone(), &[("poller", 1), ("consumer", consumers)]);
    let limits = |account: &str| {
        format!(
            "[accounts.{account}.limits]\nworkdrive_metadata_per_second = 20.0\n\
             workdrive_listings_per_folder_per_minute = 18\ntoken_refreshes_per_10_minutes = 8\n"
        )
    };
    site.configure(&site.settings().with(&limits("org-a")).with(&limits("org-b")));
    let before = site.state();
    let began = Instant::now();
    fleet.start_all();
    let log = site.log();
    let checked = || records(&site.state()).iter().filter(|record| is_checked(record)).count();
    until_true("a third is done", 90, || checked() >= 2);
    // All processes find out at the same moment that their tokens are dead.
    for account in ["org-a", "org-b"] {
        site.control().expire_access_tokens(account).unwrap();
    }
    until_true("everything is transferred", 90, || checked() == 6 && log.open_effects() == 0);
    eprintln!("{consumers} consumer(s) took {:.1} s", began.elapsed().as_secs_f64());
    fleet.assert_alive();
    fleet.stop_together(&fleet.names());
    verify::compare(&before, &site.state()).assert_right();
    let counts = site.control().counts();
    Seen {
        refused: counts.routes.values().filter_map(|by_status| by_status.get(&429)).sum(),
        token_requests: counts.token_requests.values().flat_map(BTreeMap::values).sum(),
        misdeeds: counts.misdeeds.iter().map(|(kind, misdeed)| (kind.clone(), misdeed.count)).collect(),
    }
}

#[test]
fn ten_consumers_cause_no_more_refusals_and_token_requests_than_one() {
    let [one, ten] = [1, 10].map(seen_with);
    eprintln!("one consumer: {one:?}\nten consumers: {ten:?}");
    assert!(ten.refused <= one.refused);
    assert!(ten.token_requests <= one.token_requests);
    assert_eq!(json!(ten.misdeeds), json!(one.misdeeds));
}
