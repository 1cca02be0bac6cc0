//! Start-up that all roles share: configuration, telemetry, shutdown.
