//! Lists of the API under load, with a million rows behind each: how long answers take.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::ensure;
use event_log::sqlx::postgres::PgConnection;
use event_log::sqlx::sqlite::SqliteConnectOptions;
use event_log::sqlx::{self, AssertSqlSafe, ConnectOptions as _, Connection as _};
use hdrhistogram::Histogram;
use providers::http;
use serde_json::Value;

use crate::history;
use crate::process::{Process, free_address};
use crate::report::Report;
use crate::simulated::{AUTH_SECRET, command};
use crate::store::{Kind, Store, Stores};

const ROWS: u64 = 1_000_000;
const CONNECTIONS: usize = 16;
const DURATION: Duration = Duration::from_secs(10);
/// Owner of all rows that [`history::fill`] and [`fill`] write.
const ORGANIZATION: &str = "default";

/// What people look at, first pages and filters; every page has 100 rows.
const LISTS: [(&str, &str); 8] = [
    ("events", "events?limit=100"),
    ("events of a type", "events?limit=100&type=delivery.received"),
    ("events of an account", "events?limit=100&account=partner"),
    ("events of an hour", "events?limit=100&since=2026-01-01T00:00:00Z&until=2026-01-01T01:00:00Z"),
    ("jobs", "jobs?limit=100"),
    ("jobs that failed", "jobs?limit=100&state=failed"),
    ("customers", "erp/customers?limit=100"),
    ("customers without a salesperson", "erp/customers?limit=100&state=unassigned"),
];

pub(crate) fn measure(binary: &Path, stores: &mut Stores, report: &mut Report) -> anyhow::Result<()> {
    for kind in Kind::BOTH {
        let folder = tempfile::tempdir()?;
        let store = stores.make(kind, folder.path());
        store.migrate(binary, folder.path())?;
        history::fill(stores, &store, ROWS)?;
        fill(stores, &store)?;
        let times = run(binary, folder.path(), stores, &store)?;
        for ((name, _), times) in LISTS.iter().zip(&times) {
            let at = |quantile| times.value_at_quantile(quantile) as f64 / 1000.0;
            let what = format!("lists: {name}, {}", kind.name());
            report.add(format!("{what}, p50"), &[at(0.5)], "ms", None);
            report.add(format!("{what}, p99"), &[at(0.99)], "ms", Some("≤ 50"));
        }
        let all: u64 = times.iter().map(Histogram::len).sum();
        report.add(format!("lists: all together, {}", kind.name()), &[all as f64 / DURATION.as_secs_f64()], "/s", None);
    }
    Ok(())
}

/// A million jobs and customers. One in a hundred failed or has nobody.
fn fill(stores: &Stores, store: &Store) -> anyhow::Result<()> {
    let jobs = "INSERT INTO sync_jobs (job_id, kind, subject, account, organization, trigger_name, is_full, state, \
                not_before, requested_at, started_at, finished_at, counts, correlation_id)";
    let customers = "INSERT INTO rm_erp_customers (account, zoho_contact_id, organization, name, state, state_since, \
                     updated_at, position)";
    stores.wait(async {
        match store.kind {
            Kind::Sqlite => {
                let path = store.url.strip_prefix("sqlite:").unwrap_or_default();
                let numbers = format!(
                    "WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < {ROWS})"
                );
                let time = "'2026-01-01T00:00:00.000001+00:00'";
                let text = format!(
                    "PRAGMA synchronous = OFF; \
                     {numbers} {jobs} SELECT unhex(printf('%032x', n)), 'channel', 'channel:' || (n % 1000), 'partner', \
                     '{ORGANIZATION}', 'scheduled', 0, iif(n % 100 = 0, 'failed', 'completed'), {time}, {time}, {time}, \
                     {time}, '{{}}', randomblob(16) FROM numbers; \
                     {numbers} {customers} SELECT 'partner', printf('46%012d', n), '{ORGANIZATION}', 'Customer ' || n, \
                     iif(n % 100 = 0, 'unassigned', 'assigned'), {time}, {time}, n FROM numbers; \
                     ANALYZE; PRAGMA wal_checkpoint(TRUNCATE)"
                );
                let mut connection = SqliteConnectOptions::new().filename(path).connect().await?;
                sqlx::raw_sql(AssertSqlSafe(text)).execute(&mut connection).await?;
                connection.close().await?;
            }
            Kind::Postgres => {
                let text = format!(
                    "SET synchronous_commit = off; \
                     {jobs} SELECT lpad(to_hex(n), 32, '0')::uuid, 'channel', 'channel:' || (n % 1000), 'partner', \
                     '{ORGANIZATION}', 'scheduled', false, CASE WHEN n % 100 = 0 THEN 'failed' ELSE 'completed' END, \
                     now(), now(), now(), now(), '{{}}', gen_random_uuid() FROM generate_series(1, {ROWS}) AS n; \
                     {customers} SELECT 'partner', '46' || lpad(n::text, 12, '0'), '{ORGANIZATION}', 'Customer ' || n, \
                     CASE WHEN n % 100 = 0 THEN 'unassigned' ELSE 'assigned' END, now(), now(), n \
                     FROM generate_series(1, {ROWS}) AS n"
                );
                let mut connection = PgConnection::connect(&store.url).await?;
                sqlx::raw_sql(AssertSqlSafe(text)).execute(&mut connection).await?;
                sqlx::raw_sql("VACUUM ANALYZE").execute(&mut connection).await?;
                connection.close().await?;
            }
        }
        Ok(())
    })
}

/// Microseconds of each list's answers.
fn run(binary: &Path, folder: &Path, stores: &Stores, store: &Store) -> anyhow::Result<Vec<Histogram<u64>>> {
    let address = free_address()?;
    let config = format!(
        "{}[http]\nlisten = \"{address}\"\n[log]\nlevel = \"warn\"\n[auth]\nsecret = \"{AUTH_SECRET}\"\n\
         [accounts.partner]\nprovider = \"zoho\"\norganization = \"{ORGANIZATION}\"\nclient_id = \"id\"\n\
         client_secret = \"secret\"\n[accounts.partner.endpoints]\naccounts = \"http://127.0.0.1:9\"\n\
         api = \"http://127.0.0.1:9\"\n[accounts.partner.books]\norganization_id = \"1\"\n",
        store.config()
    );
    std::fs::write(folder.join("gateledger.toml"), config)?;
    let issued = command(binary, folder, &["token", "issue", "--role", "viewer", "--organization", ORGANIZATION])?;
    let token = issued["token"].as_str().unwrap_or_default().to_owned();
    let serve = ["serve", "--role", "gateway"];
    let _process = Process::start(Command::new(binary).args(serve).current_dir(folder), address)?;
    stores.wait(async {
        let client = http::client().map_err(anyhow::Error::from_boxed)?;
        let url = |list: &str| format!("http://{address}/api/v1/{list}");
        for (name, list) in LISTS {
            let page: Value =
                client.get(url(list)).bearer_auth(&token).send().await?.error_for_status()?.json().await?;
            let found = page["items"].as_array().map_or(0, Vec::len);
            ensure!(found == 100 || name == "events of an hour", "the list of {name} has {found} rows");
        }
        let until = Instant::now() + DURATION;
        let one = |start: usize| {
            let (client, token) = (client.clone(), token.clone());
            async move {
                let mut times = vec![Histogram::<u64>::new(3)?; LISTS.len()];
                for turn in start.. {
                    if Instant::now() >= until {
                        break;
                    }
                    let (at, sent) = (turn % LISTS.len(), Instant::now());
                    let answer = client.get(url(LISTS[at].1)).bearer_auth(&token).send().await?;
                    answer.error_for_status()?.bytes().await?;
                    times[at].record(u64::try_from(sent.elapsed().as_micros())?)?;
                }
                anyhow::Ok(times)
            }
        };
        let mut all = vec![Histogram::<u64>::new(3)?; LISTS.len()];
        for times in futures::future::try_join_all((0..CONNECTIONS).map(one)).await? {
            for (all, times) in all.iter_mut().zip(times) {
                all.add(times)?;
            }
        }
        Ok(all)
    })
}
