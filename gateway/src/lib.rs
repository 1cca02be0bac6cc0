//! HTTP in, polling and registrations: verify, record, answer.
