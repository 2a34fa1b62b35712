//! ClickHouse: schema, inserts and queries. The only module that speaks to the `clickhouse` crate.
//!
//! | file | what it does |
//! |---|---|
//! | `schema` | tables and their settings, applied at the start |
//! | `rows` | the rows of the two tables |
//! | `insert` | one batch, one deduplication token |
//! | `sql` | filters and subjects as SQL, every value and key bound |
//! | `query` | what the results need, one query a panel |
//! | `analysis` | counts and statistics put together to [`crate::api::results::Results`] |
