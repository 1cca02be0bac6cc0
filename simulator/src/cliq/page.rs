//! `next_token` and `sync_token`: pages of a list, and only what changed since (zoho.md sections 5.1 and 5.5).

use super::dialect::{Version, invalid_parameter, limit};
use crate::answer::Answer;
use crate::context::Context;
use crate::knobs::CliqKnobs;

/// A page that was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Page {
    limit: usize,
    /// Place in the order of creation of the last row of the page before.
    after: Option<usize>,
    /// Only rows that changed after this revision; 0 for all.
    since: u64,
    /// Revision when the first page was asked for: what a delta starts from next time.
    as_of: u64,
}

impl Page {
    /// Reads `limit`, `next_token` and `sync_token`, which exclude each other.
    pub(crate) fn read(context: &mut Context<'_>, default: usize, most: usize) -> Result<Self, Answer> {
        let limit = limit(context, Version::V2, default, most)?;
        let call = context.call;
        let first = Self { limit, after: None, since: 0, as_of: context.organization().cliq.revision() };
        match (call.query.get("next_token"), call.query.get("sync_token")) {
            (None, None) => Ok(first),
            (Some(token), None) => first.continued(token).ok_or_else(|| invalid_parameter(Version::V2, "next_token")),
            (None, Some(token)) => match read(token, "s").as_deref() {
                Some([since]) => Ok(Self { since: *since, ..first }),
                _ => Err(invalid_parameter(Version::V2, "sync_token")),
            },
            (Some(_), Some(_)) => {
                context.misdeed("next_token_with_sync_token", || "both tokens in one call".to_owned());
                Err(invalid_parameter(Version::V2, "sync_token"))
            }
        }
    }

    fn continued(self, token: &str) -> Option<Self> {
        match read(token, "n")?.as_slice() {
            [after, since, as_of] => {
                Some(Self { after: usize::try_from(*after).ok(), since: *since, as_of: *as_of, ..self })
            }
            _ => None,
        }
    }

    /// True when a row with these revisions belongs to the list or to the delta that was asked for.
    pub(crate) fn shows(&self, revision: u64, messages_revision: u64, knobs: &CliqKnobs) -> bool {
        revision > self.since || (knobs.messages_in_sync && messages_revision > self.since)
    }

    /// The rows of this page among all rows in their order, each with its place in the order of creation, and
    /// the token of the next page if there is one.
    pub(crate) fn cut<T>(&self, rows: Vec<(usize, T)>) -> (Vec<T>, Option<String>) {
        let start = match self.after {
            None => 0,
            Some(after) => match rows.iter().position(|(place, _)| *place == after) {
                Some(at) => at + 1,
                // The row itself left the list meanwhile; what was created after it is still to come.
                None => rows.iter().position(|(place, _)| *place > after).unwrap_or(rows.len()),
            },
        };
        let more = rows.len() > start + self.limit;
        let page: Vec<(usize, T)> = rows.into_iter().skip(start).take(self.limit).collect();
        let last = page.last().map(|(place, _)| *place as u64);
        let next = last.filter(|_| more).map(|last| write("n", &[last, self.since, self.as_of]));
        (page.into_iter().map(|(_, row)| row).collect(), next)
    }

    /// What to ask with next time for nothing but changes.
    pub(crate) fn sync_token(&self) -> String {
        write("s", &[self.as_of])
    }
}

fn write(kind: &str, numbers: &[u64]) -> String {
    let numbers: Vec<String> = numbers.iter().map(u64::to_string).collect();
    hex::encode(format!("{kind}.{}", numbers.join(".")))
}

fn read(token: &str, kind: &str) -> Option<Vec<u64>> {
    let text = String::from_utf8(hex::decode(token).ok()?).ok()?;
    let numbers = text.strip_prefix(kind)?.strip_prefix('.')?;
    numbers.split('.').map(|number| number.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_follow_each_other_without_gap_or_repeat() {
        let rows = || (0..7).rev().map(|place| (place, place)).collect::<Vec<_>>();
        let mut page = Page { limit: 3, after: None, since: 0, as_of: 9 };
        let mut seen = Vec::new();
        loop {
            let (part, next) = page.cut(rows());
            seen.extend(part);
            let Some(token) = next else { break };
            page = page.continued(&token).expect("our own token");
        }
        assert_eq!(seen, [6, 5, 4, 3, 2, 1, 0]);
        assert_eq!(page.as_of, 9);
    }

    #[test]
    fn token_of_another_kind_is_refused() {
        let page = Page { limit: 3, after: None, since: 0, as_of: 9 };
        assert_eq!(page.continued(&page.sync_token()), None);
        assert_eq!(page.continued("abc"), None);
    }
}
