//! Folds the log into read models.
