//! Start-up time until connections are accepted, and memory when nothing happens.

use std::path::Path;
use std::time::Duration;

use crate::process::{free_address, serve};
use crate::report::Report;

pub(crate) fn measure(binary: &Path, rounds: usize, report: &mut Report) -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let mut first = Vec::new();
    let mut again = Vec::new();
    let mut memory = Vec::new();
    for _ in 0..rounds {
        let folder = tempfile::tempdir_in(folder.path())?;
        for times in [&mut first, &mut again] {
            let address = free_address()?;
            let config = format!("[http]\nlisten = \"{address}\"\n[log]\nlevel = \"warn\"\n");
            let server = serve(binary, folder.path(), &config, address)?;
            times.push(server.started_in.as_secs_f64() * 1000.0);
            std::thread::sleep(Duration::from_secs(2));
            memory.push(server.resident_bytes() as f64 / f64::from(1 << 20));
        }
    }
    report.add("start: until it accepts connections, new database", &first, "ms", Some("≤ 300"));
    report.add("start: until it accepts connections, existing database", &again, "ms", Some("≤ 300"));
    report.add("start: idle memory", &memory, "MiB", Some("≤ 40"));
    Ok(())
}
