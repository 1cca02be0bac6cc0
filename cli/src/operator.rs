//! Who is at the command line, for the audit trail.

use catalogue::actor::Actor;
use service::config::Config;

/// Who asks for what this command does.
#[must_use]
pub fn actor(config: &Config) -> Actor {
    Actor::of_command(&user(config))
}

/// The user of the operating system: the one that the process runs as, where the machine has a name for it; else as the
/// environment names it.
#[must_use]
pub fn user(config: &Config) -> String {
    let id = user_id();
    let local = id.and_then(|id| name_of(id, &std::fs::read_to_string("/etc/passwd").unwrap_or_default()));
    let told = || ["USER", "LOGNAME", "USERNAME"].into_iter().find_map(|name| config.environment.get(name));
    local
        .or_else(|| told().map(str::to_owned))
        .or_else(|| id.map(|id| format!("uid-{id}")))
        .unwrap_or_else(|| "unknown".to_owned())
}

/// A process's folder belongs to the user that it runs as.
#[cfg(unix)]
fn user_id() -> Option<u32> {
    use std::os::unix::fs::MetadataExt as _;
    Some(std::fs::metadata("/proc/self").ok()?.uid())
}

#[cfg(not(unix))]
fn user_id() -> Option<u32> {
    None
}

/// The name of a user in the format of `/etc/passwd`: name, password, id, and more.
fn name_of(id: u32, passwd: &str) -> Option<String> {
    let id = id.to_string();
    let mut lines = passwd.lines().map(|line| line.split(':'));
    lines.find_map(|mut fields| {
        let name = fields.next()?;
        (fields.nth(1)? == id && !name.is_empty()).then(|| name.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_are_found_by_their_id() {
        let passwd = "root:x:0:0:root:/root:/bin/sh\n\nbroken\nada:x:1000:0::/home/ada:/bin/sh\n";
        assert_eq!(name_of(1000, passwd).as_deref(), Some("ada"));
        assert_eq!(name_of(0, passwd).as_deref(), Some("root"));
        assert_eq!(name_of(1, passwd), None);
    }
}
