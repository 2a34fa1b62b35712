//! What the cockpit shows: snapshots of screens, separate assertions for colour, and drawing at any size.

mod analytics;
mod canvas;
mod results_fixture;
mod widgets;
