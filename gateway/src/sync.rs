//! Jobs that bring things up to date with a provider: channels, users, customers; whatever a person or a schedule asks
//! for.
//!
//! One process at a time does them, for all accounts; others stand by. Jobs of one account share its limits: each turn is
//! one page of one job, so that a long history holds up nobody. What is read and how far that is are saved in one unit of
//! work, so that nothing is read twice for nothing and nothing is left out, whatever is killed.

use std::sync::Arc;

use event_log::Leadership;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

pub mod books;
mod channel;
mod chats;
mod directory;
mod hints;
pub mod jobs;
mod message;
mod schedules;
mod turns;
mod worker;

use crate::intake::{Error, Intake, all_or_stop, lead};
use hints::Lane;
use worker::Worker;

/// What the process that does the jobs holds.
const LEASE: &str = "sync";

/// Does the jobs of all accounts whenever that is ours to do, until `stop`.
pub(crate) async fn run(intake: Arc<Intake>, stop: CancellationToken) -> Result<(), Error> {
    let leadership = intake.leadership(LEASE);
    let work = async |ours| work(intake.clone(), leadership.clone(), ours).await;
    lead(&leadership, &stop, work).await
}

async fn work(intake: Arc<Intake>, leadership: Leadership, stop: CancellationToken) -> Result<(), Error> {
    let stop = stop.child_token();
    let mut tasks = JoinSet::new();
    for account in intake.accounts() {
        tasks.spawn(Worker::new(intake.clone(), leadership.clone(), &account)?.run(stop.clone()));
    }
    for (deliveries_to, account) in intake.settings.bots.clone() {
        let lane = Lane { intake: intake.clone(), leadership: leadership.clone(), deliveries_to, account };
        tasks.spawn(lane.run(stop.clone()));
    }
    for (deliveries_to, account) in intake.settings.books_notified.clone() {
        let (intake, leadership) = (intake.clone(), leadership.clone());
        let lane = books::hints::Lane { intake, leadership, deliveries_to, account };
        tasks.spawn(lane.run(stop.clone()));
    }
    all_or_stop(tasks, &stop).await
}
