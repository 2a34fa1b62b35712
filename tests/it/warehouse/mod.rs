//! The warehouse on the real engine.

mod schema_and_inserts;
