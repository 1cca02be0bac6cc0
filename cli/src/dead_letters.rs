//! `dead-letters list | show | redrive`: work that was given up.

use anyhow::bail;
use consumers::Settings;
use consumers::dead_letter::{self, DeadLetter, Filter};
use event_log::Log;
use serde::Serialize;

use crate::args::{DeadLetterFilter, Redrive};
use crate::output::Output;

/// `dead-letters list`
pub async fn list(log: &Log, arguments: &DeadLetterFilter, output: Output) -> anyhow::Result<()> {
    let letters = dead_letter::list(log.database().readers(), &filter(arguments), arguments.limit).await?;
    show_all(&letters, output)
}

fn show_all(letters: &[DeadLetter], output: Output) -> anyhow::Result<()> {
    output.list(letters, &["id", "parked", "kind", "account", "reason", "attempts", "effect", "error"], |letter| {
        vec![
            letter.dead_letter_id.to_string(),
            letter.parked_at.format("%Y-%m-%d %H:%M:%S").to_string(),
            letter.kind.clone(),
            letter.account.clone(),
            letter.reason.clone(),
            letter.attempts.to_string(),
            letter.effect_key.clone(),
            letter.error.clone(),
        ]
    })?;
    Ok(())
}

/// `dead-letters show`
pub async fn show(log: &Log, id: i64, output: Output) -> anyhow::Result<()> {
    let Some(letter) = dead_letter::show(log.database().readers(), id).await? else {
        bail!("there is no dead letter {id}");
    };
    output.document(&letter, || serde_json::to_string_pretty(&letter).unwrap_or_default())?;
    Ok(())
}

#[derive(Debug, Serialize)]
struct Report {
    redriven: Vec<i64>,
    refused: Vec<Refused>,
    preview: bool,
}

#[derive(Debug, Serialize)]
struct Refused {
    id: i64,
    error: String,
}

/// `dead-letters redrive`
pub async fn redrive(log: &Log, settings: &Settings, arguments: &Redrive, output: Output) -> anyhow::Result<()> {
    let ids = match arguments.all {
        false => arguments.ids.clone(),
        true => {
            let letters = dead_letter::list(log.database().readers(), &filter(&arguments.filter), u32::MAX).await?;
            letters.iter().filter(|letter| letter.resolved_at.is_none()).map(|letter| letter.dead_letter_id).collect()
        }
    };
    if !arguments.yes {
        let report = Report { redriven: ids, refused: Vec::new(), preview: true };
        output.document(&report, || {
            format!("{} dead letter(s) would be sent on their way again; add --yes to do it", report.redriven.len())
        })?;
        return Ok(());
    }
    let mut report = Report { redriven: Vec::new(), refused: Vec::new(), preview: false };
    for id in ids {
        match dead_letter::redrive(log, settings, id).await {
            Ok(()) => report.redriven.push(id),
            Err(error) => report.refused.push(Refused { id, error: error.to_string() }),
        }
    }
    output.document(&report, || {
        let refused = report.refused.iter().map(|one| format!("\n{}: {}", one.id, one.error)).collect::<String>();
        format!("{} dead letter(s) sent on their way again{refused}", report.redriven.len())
    })?;
    if !report.refused.is_empty() {
        bail!("{} dead letter(s) could not be sent on their way", report.refused.len());
    }
    Ok(())
}

fn filter(arguments: &DeadLetterFilter) -> Filter {
    Filter { account: arguments.account.clone(), reason: arguments.reason.clone(), resolved: arguments.resolved }
}
