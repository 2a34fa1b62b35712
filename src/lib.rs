//! splitdeck: a terminal cockpit for online experiments.
//!
//! The crate is one library and a thin binary. Imports go **downward only**, and
//! `tests/it/layers.rs` reads the sources and holds that rule:
//!
//! | module | may import |
//! |---|---|
//! | [`domain`], [`reading`] | nothing of the crate |
//! | [`decide`], [`stats`], [`api`] | `domain` (`api` also `stats`) |
//! | [`engine`] | nothing: it runs processes and hands an address on |
//! | [`config`], [`telemetry`] | `domain` (`config` also `reading`) |
//! | [`warehouse`], [`client`] | `domain`, `stats`, `api` |
//! | [`insights`] | `domain`, `stats`, `api` |
//! | [`server`] | all of the above but `engine` and `client` |
//! | [`cockpit`] | `domain`, `stats`, `api`, `insights` |
//! | [`tui`] | `cockpit` and what it imports, `reading` |
//! | [`runtime`] | `cockpit`, `tui`, `client`, `warehouse` and what they import |
//! | [`demo`], [`cli`] | everything |
//!
//! Only `warehouse` speaks to the `clickhouse` crate and only `tui` to `ratatui`.

pub mod api;
pub mod cli;
pub mod client;
pub mod cockpit;
pub mod config;
pub mod decide;
pub mod demo;
pub mod domain;
pub mod engine;
pub mod insights;
pub mod reading;
pub mod runtime;
pub mod server;
pub mod stats;
pub mod telemetry;
pub mod tui;
pub mod warehouse;
