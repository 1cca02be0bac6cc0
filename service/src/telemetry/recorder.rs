//! The metrics of the process, in the form Prometheus reads.

use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::Duration;

use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};

/// Bounds for durations in seconds: from a commit on a fast disk to a transfer of hours.
const SECONDS: [f64; 21] = [
    0.0005, 0.001, 0.002, 0.005, 0.01, 0.015, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0,
    900.0, 3600.0, 14_400.0,
];

/// Bounds for sizes in bytes: 1 KiB to 16 GiB, each four times the one before.
const BYTES: [f64; 13] = [
    1024.0,
    4096.0,
    16_384.0,
    65_536.0,
    262_144.0,
    1_048_576.0,
    4_194_304.0,
    16_777_216.0,
    67_108_864.0,
    268_435_456.0,
    1_073_741_824.0,
    4_294_967_296.0,
    17_179_869_184.0,
];

/// Bounds for numbers of things in a group.
const COUNTS: [f64; 11] = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1024.0];

/// Samples wait in memory until they are sorted into buckets, at the latest after this time.
const UPKEEP: Duration = Duration::from_secs(5);

/// Sorts samples into buckets until it is dropped.
#[derive(Debug)]
pub(super) struct Upkeep {
    _alive: Sender<()>,
}

/// Installs the recorder of the process.
pub(super) fn install() -> Result<(PrometheusHandle, Upkeep), BuildError> {
    let handle = builder()?.install_recorder()?;
    let (alive, dropped) = channel::<()>();
    let kept = handle.clone();
    // Where no thread can be had, samples are sorted when the metrics are read.
    let _ = thread::Builder::new().name("metrics".to_owned()).spawn(move || {
        while dropped.recv_timeout(UPKEEP) == Err(RecvTimeoutError::Timeout) {
            kept.run_upkeep();
        }
    });
    Ok((handle, Upkeep { _alive: alive }))
}

fn builder() -> Result<PrometheusBuilder, BuildError> {
    let suffix = |text: &str| Matcher::Suffix(text.to_owned());
    PrometheusBuilder::new()
        .set_buckets_for_metric(suffix("_seconds"), &SECONDS)?
        .set_buckets_for_metric(suffix("_bytes"), &BYTES)?
        .set_buckets_for_metric(suffix("_size"), &COUNTS)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn durations_and_sizes_are_histograms_with_buckets() {
        let recorder = builder().unwrap().build_recorder();
        metrics::with_local_recorder(&recorder, || {
            metrics::histogram!("log_commit_duration_seconds").record(0.004);
            metrics::histogram!("transfer_file_bytes").record(5000.0);
        });
        let text = recorder.handle().render();
        assert!(text.contains("log_commit_duration_seconds_bucket{le=\"0.005\"} 1"), "{text}");
        assert!(text.contains("log_commit_duration_seconds_bucket{le=\"0.002\"} 0"), "{text}");
        assert!(text.contains("transfer_file_bytes_bucket{le=\"16384\"} 1"), "{text}");
    }
}
