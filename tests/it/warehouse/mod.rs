//! The warehouse on the real engine.

mod inserts;
mod results;
mod schema;
