//! Provider accounts: grants in the vault, budgets and throttles shared by processes, clients built from both.
