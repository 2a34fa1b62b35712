//! What the cockpit shows: snapshots of screens, separate assertions for colour, and drawing at any size.

mod analytics;
mod canvas;
mod colours;
pub mod more_worlds;
mod results_fixture;
mod sizes;
mod snapshots;
mod widgets;
pub mod worlds;
