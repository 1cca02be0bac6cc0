//! Every event the product writes: its wire name, schema version and data.
