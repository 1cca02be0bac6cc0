//! Every provider as a local HTTP server with state, faults and a journal.
