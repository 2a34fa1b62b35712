//! The one integration binary. Its folders mirror what is tested.

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a test fails by panicking, and says so when it is skipped"
)]

mod cli;
mod client;
mod cockpit;
mod docs;
mod engine;
mod flows;
mod generated;
mod layers;
mod pty;
mod routes;
mod screens;
mod sdk;
mod support;
mod warehouse;
