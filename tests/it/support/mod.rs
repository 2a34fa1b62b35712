//! What several tests need.

pub mod cockpit;
pub mod engine;
pub mod line;
pub mod load;
pub mod objects;
pub mod postgres;
pub mod process;
pub mod projects;
pub mod server;
pub mod store;
pub mod tables;
pub mod warehouse;
