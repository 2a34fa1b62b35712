//! What the engine's process may touch of the file system.
//!
//! ClickHouse's scalar function `file()` needs no grant in this kind of process: any user, read-only or
//! not, reads any file that the process can read. Grants cannot close that, so on Linux the kernel does: the
//! process gives up, by Landlock, everything but its own directories and what it needs of the system.

use std::path::PathBuf;

/// What the process may touch.
#[derive(Debug, Clone, Default)]
pub(super) struct Allowed {
    /// Directories (and files) it may read and write.
    pub writable: Vec<PathBuf>,
    /// Directories and files it may read; programs in them may be run.
    pub readable: Vec<PathBuf>,
}

/// Read by every process of this kind: itself, the machine's numbers, the system's libraries.
#[cfg(target_os = "linux")]
const SYSTEM: &[&str] = &[
    "/proc/self",
    "/proc/cpuinfo",
    "/proc/diskstats",
    "/proc/loadavg",
    "/proc/meminfo",
    "/proc/pressure",
    "/proc/stat",
    "/proc/sys",
    "/proc/uptime",
    "/proc/vmstat",
    "/sys",
    "/lib",
    "/lib32",
    "/lib64",
    "/usr/lib",
    "/usr/lib32",
    "/usr/lib64",
    "/usr/share/zoneinfo",
    "/nix/store",
    "/gnu/store",
    "/etc/ld.so.cache",
    "/dev/urandom",
    "/dev/random",
    "/dev/zero",
];

/// Confines this process and every thread and process it starts from now on. Must be called while it has
/// one thread only: others would stay free.
///
/// # Errors
/// Why this system cannot confine it; it is not confined then.
#[cfg(target_os = "linux")]
pub(super) fn confine(allowed: &Allowed) -> Result<(), String> {
    use std::path::Path;

    use landlock::{
        ABI, Access as _, AccessFs, CompatLevel, Compatible as _, PathBeneath, PathFd, Ruleset,
        RulesetAttr as _, RulesetCreatedAttr as _,
    };

    let why = |error: &dyn std::error::Error| format!("Landlock: {error}");
    // Version 2 of the interface is a must: version 1 forbids links between directories, which mutations
    // of ClickHouse use. What later versions add is taken where the kernel has it.
    let mut rules = Ruleset::default()
        .set_compatibility(CompatLevel::HardRequirement)
        .handle_access(AccessFs::from_all(ABI::V2))
        .map_err(|error| why(&error))?
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(ABI::V3))
        .map_err(|error| why(&error))?
        .create()
        .map_err(|error| why(&error))?;
    let read = AccessFs::from_read(ABI::V3);
    let all = AccessFs::from_all(ABI::V3);
    let system = SYSTEM.iter().map(|path| (Path::new(path), read));
    let readable = allowed.readable.iter().map(|path| (path.as_path(), read));
    let writable = allowed.writable.iter().map(|path| (path.as_path(), all));
    let null = [(Path::new("/dev/null"), all)];
    for (path, access) in system.chain(null).chain(readable).chain(writable) {
        // What this system does not have needs no rule.
        let Ok(fd) = PathFd::new(path) else { continue };
        // Rights that make sense for directories only are not asked for on files.
        let access = if path.is_dir() {
            access
        } else {
            access & AccessFs::from_file(ABI::V3)
        };
        rules = rules
            .add_rule(PathBeneath::new(fd, access))
            .map_err(|error| why(&error))?;
    }
    rules.restrict_self().map(|_| ()).map_err(|error| why(&error))
}

/// As above, where the system has no such means.
#[cfg(not(target_os = "linux"))]
pub(super) fn confine(_allowed: &Allowed) -> Result<(), String> {
    Err(format!("{} has no Landlock", std::env::consts::OS))
}
