//! What an installation tells while it works.

/// A step of an installation. Sizes are bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Another process is installing; this one waits for it.
    Waiting {
        /// The other process, where it named itself.
        holder: Option<u32>,
    },
    /// What was there cannot be used and is brought again.
    Replacing {
        /// What is wrong with it.
        why: String,
    },
    /// npm is bringing the archive.
    Downloading {
        /// Here so far.
        done: u64,
        /// The size of the archive.
        total: u64,
    },
    /// The checksum of a file is computed.
    Checking {
        /// Read so far.
        done: u64,
        /// Size of the file.
        total: u64,
    },
    /// The library is written.
    Unpacking {
        /// Written so far.
        done: u64,
        /// Size of the library.
        total: u64,
    },
}

/// Receives the steps of an installation, from the thread that installs.
pub trait Progress: Sync {
    /// One step, several times a second at most.
    fn report(&self, step: Step);

    /// Asked between pieces of work; true ends the installation with [`super::EngineError::Stopped`].
    fn cancelled(&self) -> bool {
        false
    }
}

/// Tells nobody.
#[derive(Debug, Clone, Copy, Default)]
pub struct Quiet;

impl Progress for Quiet {
    fn report(&self, _step: Step) {}
}
