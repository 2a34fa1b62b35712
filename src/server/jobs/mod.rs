//! What the server does by itself, or when an administrator says so.
//!
//! | file | what it does |
//! |---|---|
//! | `schedule` | when a job is due: cron expression and time zone |
//! | `runner` | does it: one server of those that share a store, again after a failure, after a crash |
//! | `srm_guard` | the job: tests experiments and pauses those that fail |

pub mod runner;
pub mod schedule;
pub mod srm_guard;
