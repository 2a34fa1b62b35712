//! ClickHouse: schema, inserts and queries.
