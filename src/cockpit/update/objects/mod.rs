//! The lists of flags, deployments, projects, labs and tokens; copies, conversions, the audit log.

mod answers;
mod audit;
mod commands;
mod lists;
mod switch;
mod wanted;

pub use answers::{answered, failed};
pub use audit::{history, other_history};
pub use commands::{command, not_converted};
pub use lists::{copied, filter, filter_mut, go, go_home, move_by, show};
pub use switch::{cannot_leave, switch};
pub use wanted::{flag_overrides_outdated, rows_asked_anew, rows_outdated, wanted};
