//! Which granted scopes cover a needed one.

/// True when one of the granted scopes covers `needed`, such as `ZohoCRM.modules.Contacts.READ`.
///
/// A granted scope covers with its own operation or `ALL`, and for everything below the part it names:
/// `ZohoCRM.modules.ALL` and `ZohoCRM.modules.READ` cover the needed one above.
pub(crate) fn allows(granted: &[String], needed: &str) -> bool {
    granted.iter().any(|scope| covers(scope, needed))
}

fn covers(scope: &str, needed: &str) -> bool {
    let Some((path, operation)) = scope.rsplit_once('.') else { return false };
    let Some((needed_path, needed_operation)) = needed.rsplit_once('.') else { return false };
    let path_covers = needed_path == path || needed_path.strip_prefix(path).is_some_and(|rest| rest.starts_with('.'));
    path_covers && (operation == "ALL" || operation == needed_operation)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_and_the_parent_cover_a_module() {
        assert!(covers("ZohoCRM.modules.ALL", "ZohoCRM.modules.Contacts.READ"));
        assert!(covers("ZohoCRM.modules.READ", "ZohoCRM.modules.Contacts.READ"));
        assert!(covers("WorkDrive.files.READ", "WorkDrive.files.READ"));
        assert!(!covers("WorkDrive.files.READ", "WorkDrive.files.CREATE"));
        assert!(!covers("ZohoCRM.modules.Leads.ALL", "ZohoCRM.modules.Contacts.READ"));
        assert!(!covers("WorkDrive.file.ALL", "WorkDrive.files.READ"));
    }
}
