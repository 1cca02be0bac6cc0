//! HTTP clients and OAuth for the providers, one module each; knows no SQL and no events.
