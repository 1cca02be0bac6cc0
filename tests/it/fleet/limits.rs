//! Ten consumers are to the provider as one is.

use std::collections::BTreeMap;
use std::sync::Arc;

use tests::verify::{self, is_checked, records};
use tests::wait::until_true;
use tests::{Fleet, Site, Store};

use crate::trees::small;

/// The limit in the settings. The provider's is half as much again: one process keeps it, two on their own would not.
const CALLS_PER_SECOND: f64 = 20.0;

/// What the provider saw.
#[derive(Debug)]
struct Seen {
    refused: u64,
    token_requests: u64,
    misdeeds: BTreeMap<String, u64>,
}

/// A site with so many consumers, which together are allowed so many calls.
fn started(consumers: usize, calls_per_second: f64) -> (Arc<Site>, Fleet) {
    let mut seed = small(6, 20);
    seed.knobs.workdrive.requests_per_second = Some(1.5 * CALLS_PER_SECOND);
    seed.knobs.workdrive.burst = 3;
    seed.knobs.workdrive.rate_penalty_seconds = 2;
    seed.knobs.workdrive.refused_listing = 20;
    seed.knobs.oauth.tokens_per_window = 10;
    let site = Arc::new(Site::on(Store::Postgres, &seed));
    let mut fleet = Fleet::new(site.clone(), &[("poller", 1), ("consumer", consumers)]);
    let limits = |account: &str| {
        format!(
            "[accounts.{account}.limits]\nworkdrive_metadata_per_second = {calls_per_second:.1}\n\
             workdrive_listings_per_folder_per_minute = 18\ntoken_refreshes_per_10_minutes = 8\n"
        )
    };
    site.configure(&site.settings().with(&limits("org-a")).with(&limits("org-b")));
    // Without a gateway, nobody says when the tables are there.
    assert_eq!(site.run(&["migrate"]).code, Some(0));
    fleet.start_all();
    (site, fleet)
}

/// Answers 429.
fn refused(site: &Site) -> u64 {
    site.control().counts().routes.values().filter_map(|by_status| by_status.get(&429)).sum()
}

/// A whole transfer with so many consumers.
fn seen_with(consumers: usize) -> Seen {
    let (site, mut fleet) = started(consumers, CALLS_PER_SECOND);
    let before = site.state();
    let log = site.log();
    let checked = || records(&site.state()).iter().filter(|record| is_checked(record)).count();
    until_true("the first file is there", 90, || log.events_of("transfer_file.completed") > 0);
    // All processes find out at the same moment that their tokens are dead.
    for account in ["org-a", "org-b"] {
        site.control().expire_access_tokens(account).unwrap();
    }
    until_true("everything is transferred", 90, || checked() == 6 && log.open_effects() == 0);
    fleet.assert_alive();
    fleet.stop_together(&fleet.names());
    verify::compare(&before, &site.state()).assert_right();
    let counts = site.control().counts();
    Seen {
        refused: refused(&site),
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
    assert_eq!(ten.misdeeds, one.misdeeds);
    // The load is such that processes on their own would have been refused.
    let (apart, _fleet) = started(10, 10.0 * CALLS_PER_SECOND);
    until_true("consumers that are allowed more are refused", 60, || refused(&apart) > 0);
}
