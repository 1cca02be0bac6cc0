//! What an answer other than success means, before anybody acts on it.

use chrono::{DateTime, TimeDelta, Utc};

use crate::error::{Error, Outcome};
use crate::http::answer::Answer;
use crate::zoho::call::{Call, Product};
use crate::zoho::{books, cliq, crm, workdrive};

/// The meaning of a refusal.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// The access token is expired or unknown. A new one helps; nothing was done.
    Token,
    /// A limit is used up.
    Throttled {
        /// The provider's code.
        code: String,
        /// How long to wait, where the provider says so.
        wait: Option<TimeDelta>,
        /// Whether only the narrowest lane of the call is meant.
        narrow: bool,
    },
    /// Anything else.
    Failed(Error),
}

/// Whether the call was done. Books says so in the body as well, and may say there that it was not.
pub(crate) fn is_success(product: Product, answer: &Answer) -> bool {
    match product {
        Product::Books => answer.status.is_success() && !books::dialect::complains(answer),
        Product::Cliq | Product::Crm | Product::WorkDrive => {
            answer.status.is_success() || answer.status.as_u16() == 304
        }
    }
}

/// Whether the code of a denial is seen for a bad token as well as for a missing right.
pub(crate) fn is_doubtful(product: Product, code: &str) -> bool {
    match product {
        Product::Books => code == books::dialect::NOT_AUTHORIZED,
        Product::Cliq => code == cliq::dialect::UNAUTHORIZED,
        Product::Crm | Product::WorkDrive => false,
    }
}

/// Reads an unsuccessful answer in the dialect of its product.
pub(crate) fn judge(call: &Call<'_>, answer: &Answer, now: DateTime<Utc>) -> Refusal {
    match call.operation.product {
        Product::Books => books::dialect::judge(call, answer, now),
        Product::Cliq => cliq::dialect::judge(call, answer, now),
        Product::Crm => crm::dialect::judge(call, answer, now),
        Product::WorkDrive => workdrive::dialect::judge(call, answer, now),
    }
}

/// A 5xx, or any other status that tells nothing about the request. Statuses below 500 are refusals, so a write was not done.
pub(crate) fn unavailable(call: &Call<'_>, answer: &Answer) -> Error {
    let outcome = if answer.status.is_server_error() { Outcome::Unknown } else { Outcome::NotDone };
    let status = Some(answer.status.as_u16());
    Error::Unavailable { operation: call.operation.name, status, outcome, source: None }
}

/// The provider's words, cut to a length that fits a log line.
pub(crate) fn words(text: &str) -> String {
    const LONGEST_CHARS: usize = 300;
    text.chars().filter(|character| !character.is_control()).take(LONGEST_CHARS).collect()
}
