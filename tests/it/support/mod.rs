//! What several tests need.

pub mod cockpit;
pub mod engine;
pub mod load;
pub mod server;
pub mod tables;
pub mod warehouse;
