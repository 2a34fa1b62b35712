//! The warehouse on the real engine.

mod results;
mod schema_and_inserts;
