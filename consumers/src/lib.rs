//! Idempotent effects on the outside world, over the effect ledger.
