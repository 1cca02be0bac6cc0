//! Time zones by their IANA names, and the ones a person probably meant.

use chrono_tz::{TZ_VARIANTS, Tz};

/// Likeness from which a zone counts as meant; cities alone are often alike.
const ALIKE: f64 = 0.85;
/// Zones that are named at most.
const NAMED: usize = 3;

/// A name that no time zone has.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("is no known time zone{}", question(near))]
pub struct UnknownTimezone {
    /// The zones that look most like it, best first.
    pub near: Vec<&'static str>,
}

/// The zone of that IANA name.
///
/// # Errors
/// [`UnknownTimezone`] with the zones that look like it.
pub fn timezone(name: &str) -> Result<Tz, UnknownTimezone> {
    name.parse().map_err(|_| UnknownTimezone { near: near(name) })
}

fn near(name: &str) -> Vec<&'static str> {
    let name = name.to_lowercase();
    let mut alike: Vec<(f64, &'static str)> = TZ_VARIANTS
        .iter()
        .map(|zone| (likeness(&name, zone.name()), zone.name()))
        .filter(|(likeness, _)| *likeness >= ALIKE)
        .collect();
    alike.sort_by(|(left, _), (right, _)| right.total_cmp(left));
    alike.into_iter().map(|(_, zone)| zone).take(NAMED).collect()
}

/// Of the whole name, or of the city alone.
fn likeness(name: &str, zone: &str) -> f64 {
    let zone = zone.to_lowercase();
    let city = zone.rsplit('/').next().unwrap_or(&zone);
    strsim::jaro_winkler(name, &zone).max(strsim::jaro_winkler(name, city))
}

fn question(near: &[&str]) -> String {
    let names: Vec<String> = near.iter().map(|zone| format!("`{zone}`")).collect();
    match names.split_last() {
        None => "; write an IANA name such as `Europe/Berlin`".to_owned(),
        Some((only, [])) => format!(", did you mean {only}?"),
        Some((last, others)) => format!(", did you mean {} or {last}?", others.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_of_the_finger_and_bare_cities_find_the_meant_zone() {
        for (name, meant) in [
            ("Europe/Berln", "Europe/Berlin"),
            ("europe/berlin", "Europe/Berlin"),
            ("Kolkata", "Asia/Kolkata"),
            ("new york", "America/New_York"),
        ] {
            let near = timezone(name).expect_err("no zone is named so").near;
            assert_eq!(near.first(), Some(&meant), "{name}: {near:?}");
        }
    }

    #[test]
    fn a_name_like_no_other_is_answered_with_an_example() {
        let refused = timezone("xyzzyq").expect_err("no zone is named so");
        assert_eq!(refused.to_string(), "is no known time zone; write an IANA name such as `Europe/Berlin`");
        assert_eq!(timezone("UTC"), Ok(Tz::UTC));
    }
}
