//! Whose turn it is among the jobs of an account, which share a few calls a minute.

use uuid::Uuid;

/// Every so many turns the job that waits longest has its turn, whatever else is there.
const PATIENCE: u64 = 4;

/// What matters of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Waiting {
    /// Which; ids rise with time, so the least has waited longest.
    pub(crate) job_id: Uuid,
    /// Turns that it has had.
    pub(crate) turns: i64,
    /// The newest thing that waits for it, by the provider's clock; absent where nobody knows.
    pub(crate) newest_ms: Option<i64>,
}

/// The job whose turn number `turn` is: those that had the fewest turns come first, and among them the one for which the
/// newest message waits.
pub(crate) fn choose(jobs: &[Waiting], turn: u64) -> Option<Uuid> {
    let chosen = if turn % PATIENCE == PATIENCE - 1 {
        jobs.iter().min_by_key(|job| job.job_id)
    } else {
        jobs.iter().min_by_key(|job| (job.turns, std::cmp::Reverse(job.newest_ms), job.job_id))
    };
    chosen.map(|job| job.job_id)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job(id: u128, turns: i64, newest_ms: i64) -> Waiting {
        Waiting { job_id: Uuid::from_u128(id), turns, newest_ms: Some(newest_ms) }
    }

    #[test]
    fn newest_message_comes_first_and_everybody_has_a_page_before_anybody_has_two() {
        let mut jobs = vec![job(1, 0, 10), job(2, 0, 30), job(3, 0, 20)];
        let mut order = Vec::new();
        for turn in [0, 1, 2] {
            let chosen = choose(&jobs, turn).expect("there are jobs");
            order.push(chosen.as_u128());
            jobs.iter_mut().find(|job| job.job_id == chosen).expect("it was chosen").turns += 1;
        }
        assert_eq!(order, [2, 3, 1]);
    }

    #[test]
    fn long_history_goes_on_however_many_new_jobs_come() {
        let mut history = job(1, 50, 0);
        let mut new = 100;
        for turn in 0..40 {
            new += 1;
            let chosen = choose(&[history, job(new, 0, 99)], turn).expect("there are jobs");
            history.turns += i64::from(chosen == history.job_id);
        }
        assert_eq!(history.turns, 60);
    }

    #[test]
    fn without_jobs_it_is_nobodys_turn() {
        assert_eq!(choose(&[], 0), None);
    }
}
