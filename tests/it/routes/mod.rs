//! One file an endpoint, as the URLs go; `every.rs` holds what is true of all of them.

mod access;
mod assign;
mod copy;
mod every;
mod experiments;
mod explain;
mod flags;
mod fuzz;
mod history;
mod imports;
mod jobs;
mod limits;
mod live;
mod log;
mod me;
mod overrides;
mod results;
mod rules;
mod status;
mod system;
mod texts;
mod track;
mod update;
mod winner;
