//! The known name a person probably meant.

/// Likeness from which a known name counts as meant.
const ALIKE: f64 = 0.75;

/// The known name that looks most like `name`, if any looks like it at all.
pub(super) fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let name = name.to_lowercase();
    known
        .into_iter()
        .map(|candidate| (strsim::jaro_winkler(&name, candidate), candidate))
        .filter(|(likeness, _)| *likeness >= ALIKE)
        .max_by(|(left, _), (right, _)| left.total_cmp(right))
        .map(|(_, candidate)| candidate)
}

/// `, did you mean …?`, or else what is known.
pub(super) fn hint<'a>(name: &str, known: impl Iterator<Item = &'a str> + Clone) -> String {
    if let Some(candidate) = nearest(name, known.clone()) {
        return format!(", did you mean `{candidate}`?");
    }
    let all: Vec<String> = known.map(|one| format!("`{one}`")).collect();
    if all.is_empty() { String::new() } else { format!("; known: {}", all.join(", ")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_finger_finds_the_meant_name() {
        let known = ["checkbox_field", "check_when", "folder_field"];
        assert_eq!(nearest("checkbox_fild", known), Some("checkbox_field"));
        assert_eq!(nearest("when_checked", known), None);
    }

    #[test]
    fn without_a_likely_name_all_are_listed() {
        assert_eq!(hint("xyz", ["listen", "workers"].into_iter()), "; known: `listen`, `workers`");
        assert_eq!(hint("xyz", [].into_iter()), "");
    }
}
