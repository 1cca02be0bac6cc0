//! The page that tells a person what came of their consent.

use accounts::Arrival;

/// Nothing is loaded, run, framed or sent from the page.
pub(super) const POLICY: &str = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// The page, without secrets and with everything escaped.
#[must_use]
pub fn page(arrival: &Arrival) -> String {
    let account = arrival.account.as_deref().map_or(String::new(), |account| format!(" {}", escaped(account)));
    let (title, body) = match &arrival.outcome {
        Err(error) => {
            let words = format!("<p>{}.</p><p>What helps: {}.</p>", escaped(&in_words(error)), escaped(error.remedy()));
            (format!("The account{account} was not connected"), words)
        }
        Ok(connected) if connected.missing.is_empty() => (
            format!("The account{account} is connected"),
            "<p>Its work goes on. You can close this page.</p>".to_owned(),
        ),
        Ok(connected) => {
            let missing: String = connected
                .missing
                .iter()
                .map(|missing| {
                    let rest = if missing.optional { " (the rest works without it)" } else { "" };
                    format!("<li><code>{}</code>: {}{rest}</li>", escaped(&missing.scope), escaped(&missing.breaks))
                })
                .collect();
            let words = format!(
                "<p>These rights were not granted:</p><ul>{missing}</ul>\
                 <p>Connect the account again and leave none out, as somebody who has them.</p>"
            );
            (format!("The account{account} is connected, and lacks rights"), words)
        }
    };
    format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width\"><title>{title}</title></head>\
         <body><h1>{title}</h1>{body}</body></html>\n"
    )
}

/// An error with its causes, in one line.
fn in_words(error: &dyn std::error::Error) -> String {
    let mut words = error.to_string();
    let mut cause = error.source();
    while let Some(below) = cause {
        words = format!("{words}: {below}");
        cause = below.source();
    }
    words
}

fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            other => safe.push(other),
        }
    }
    safe
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use accounts::{ConnectError, Connected, MissingScope};

    use super::*;

    #[test]
    fn what_the_provider_says_cannot_become_markup() {
        let outcome = Err(ConnectError::Denied { code: "<script>alert('1')</script>".to_owned() });
        let page = page(&Arrival { account: Some("<b>".to_owned()), return_to: None, outcome });
        assert!(!page.contains("<script") && !page.contains("<b>"), "{page}");
        assert!(page.contains("&lt;script&gt;"), "{page}");
    }

    #[test]
    fn missing_rights_are_named_with_what_they_break() {
        let scope = "ZohoFiles.files.READ".to_owned();
        let missing = vec![MissingScope { scope, breaks: "files cannot be downloaded".to_owned(), optional: false }];
        let connected = Connected { account: "org-a".to_owned(), granted: None, missing, replaced: false };
        let page = page(&Arrival { account: Some("org-a".to_owned()), return_to: None, outcome: Ok(connected) });
        assert!(page.contains("<code>ZohoFiles.files.READ</code>: files cannot be downloaded"), "{page}");
    }
}
