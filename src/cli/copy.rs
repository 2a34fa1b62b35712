//! The arguments of copying an experiment or a flag to another project.

use crate::api::experiments::CopyTo;
use crate::domain::Key;

/// What is copied where.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Key or UUID of what is copied
    key: String,
    /// Key of the project
    #[arg(long, value_name = "PROJECT")]
    to: Key,
    /// Key of the copy; else the same
    #[arg(long = "as", value_name = "KEY")]
    new_key: Option<Key>,
    /// With its overrides
    #[arg(long)]
    overrides: bool,
}

impl Args {
    /// What is copied, by key or id, and the request.
    pub fn read(self) -> (String, CopyTo) {
        let body = CopyTo {
            project: self.to,
            key: self.new_key,
            overrides: self.overrides,
        };
        (self.key, body)
    }
}
