//! Addresses that secrets travel to, or that decide who is believed: https, or http that stays on this machine.

use url::{Host, Url};

use super::section::Section;
use super::value::{Misfit, Setting};

/// Whether everybody on the way can read, and change, what is sent to that address and what it answers.
pub(super) fn is_open(url: &Url) -> bool {
    let is_this_machine = match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    };
    url.scheme() != "https" && !is_this_machine
}

/// An address of that kind; `danger` completes "is http, and …".
pub(super) fn address(section: &mut Section<'_>, key: &'static str, danger: &str) -> Option<Url> {
    section.read(key, Url::EXPECTED, |leaf| {
        let url = Url::read(&leaf.raw)?;
        if is_open(&url) {
            return Err(Misfit::Rule(format!("is http, and {danger}; use https")));
        }
        Ok(url)
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_is_spoken_to_in_the_open() {
        for closed in [
            "https://a.example/x",
            "http://127.0.0.1:9100",
            "http://127.8.9.1",
            "http://[::1]:80/",
            "http://localhost:1",
            "http://sim.localhost",
        ] {
            assert!(!is_open(&closed.parse().unwrap()), "{closed}");
        }
        for open in [
            "http://a.example",
            "http://10.0.0.1",
            "http://0.0.0.0",
            "http://localhost.example",
            "http://[::ffff:10.0.0.1]",
            "http://127.0.0.1.example",
        ] {
            assert!(is_open(&open.parse().unwrap()), "{open}");
        }
    }
}
