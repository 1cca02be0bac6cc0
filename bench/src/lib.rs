//! Measurements of whole paths, as ratios within one run.
