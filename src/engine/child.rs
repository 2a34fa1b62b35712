//! The engine's own process: this program started again in a hidden role.
//!
//! It takes the lock of the data directory, confines itself, and becomes ClickHouse: by loading the library
//! and calling its one function, or by executing a `clickhouse` binary. Standard input is a pipe held open by
//! the supervisor; when it closes, ClickHouse's last query ends and so does the process. Should that hang, a
//! thread ends it after a grace time.

use std::ffi::{CString, c_char, c_int};
use std::fs::{File, TryLockError};
use std::io::Write as _;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, poll};

use super::sandbox::{Allowed, confine};

/// How long the engine of an earlier, killed supervisor is waited for.
const LOCK_WAIT: Duration = Duration::from_secs(15);

/// How long ClickHouse has to end after its input closed, before it is ended. Killing it loses nothing: what it
/// acknowledged is on the disk, and a query that still runs has nobody left to answer to.
const GRACE: Duration = Duration::from_secs(4);

/// What the process becomes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Body {
    /// The library at this path.
    Library(PathBuf),
    /// The `clickhouse` binary at this path.
    Binary(PathBuf),
}

/// What the hidden role is told. Nothing in it is secret.
#[derive(Debug, Clone)]
pub struct Role {
    /// What to become.
    pub body: Body,
    /// Locked as long as the process lives.
    pub lock: PathBuf,
    /// The process may read and write in these.
    pub writable: Vec<PathBuf>,
    /// The process may read these, besides what it becomes and what every process needs.
    pub readable: Vec<PathBuf>,
    /// The arguments of ClickHouse.
    pub arguments: Vec<String>,
}

/// `struct local_result_v2` of `chdb.h`.
#[repr(C)]
struct LocalResult {
    buf: *mut c_char,
    len: usize,
    vector: *mut std::ffi::c_void,
    elapsed: f64,
    rows_read: u64,
    bytes_read: u64,
    error_message: *mut c_char,
}

type Query = unsafe extern "C" fn(c_int, *mut *mut c_char) -> *mut LocalResult;

/// Plays the role to its end.
///
/// # Errors
/// Why the process did not become ClickHouse, or what ClickHouse ended with.
pub fn run(role: Role) -> Result<(), String> {
    // What ClickHouse creates is the user's own.
    rustix::process::umask(rustix::fs::Mode::RWXG | rustix::fs::Mode::RWXO);
    let lock = lock(&role.lock)?;
    let (Body::Library(path) | Body::Binary(path)) = &role.body;
    let mut readable = role.readable;
    readable.push(path.clone());
    if let Err(why) = confine(&Allowed {
        writable: role.writable,
        readable,
    }) {
        tell(&format!("the engine's process is not confined: {why}"));
    }
    match role.body {
        Body::Library(path) => {
            watch_input();
            let ended = load_and_run(&path, role.arguments);
            drop(lock);
            ended
        }
        Body::Binary(path) => Err(execute(&path, role.arguments, &lock)),
    }
}

/// Takes the lock, waiting for an engine that is about to end.
fn lock(path: &Path) -> Result<File, String> {
    let failed = |error: std::io::Error| format!("cannot lock {}: {error}", path.display());
    let file = super::lockfile::open(path).map_err(failed)?;
    let deadline = Instant::now() + LOCK_WAIT;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::Error(error)) => return Err(failed(error)),
            Err(TryLockError::WouldBlock) if Instant::now() >= deadline => {
                return Err(format!(
                    "another engine process still uses this data directory after {} s ({} is locked)",
                    LOCK_WAIT.as_secs(),
                    path.display()
                ));
            }
            Err(TryLockError::WouldBlock) => thread::sleep(Duration::from_millis(20)),
        }
    }
}

/// Ends this process some time after standard input closed, should ClickHouse not do so itself.
fn watch_input() {
    thread::spawn(|| {
        let stdin = std::io::stdin();
        // No events are asked for: only the end of the pipe wakes this thread, never its contents.
        let mut fds = [PollFd::new(&stdin, PollFlags::empty())];
        while let Err(rustix::io::Errno::INTR) = poll(&mut fds, None) {}
        thread::sleep(GRACE);
        tell(&format!(
            "ClickHouse did not end within {} s of its input; ending it",
            GRACE.as_secs()
        ));
        // Nothing to be done if a process cannot signal itself.
        let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
    });
}

fn load_and_run(path: &Path, arguments: Vec<String>) -> Result<(), String> {
    let arguments: Vec<CString> = std::iter::once("clickhouse".to_owned())
        .chain(arguments)
        .map(CString::new)
        .collect::<Result<_, _>>()
        .map_err(|error| format!("an argument of the engine has a zero byte: {error}"))?;
    let mut argv: Vec<*mut c_char> = arguments
        .iter()
        .map(|argument| argument.as_ptr().cast_mut())
        .collect();
    let argc = c_int::try_from(argv.len()).map_err(|error| error.to_string())?;
    argv.push(std::ptr::null_mut());
    // SAFETY: the file's digest was checked when it was installed; its initialisers are ClickHouse's own.
    let library = unsafe { libloading::Library::new(path) }
        .map_err(|error| format!("cannot load {}: {error}", path.display()))?;
    // SAFETY: `chdb.h` declares it so: `struct local_result_v2 * query_stable_v2(int argc, char ** argv)`.
    let query = unsafe { library.get::<Query>(b"query_stable_v2\0") }
        .map_err(|error| format!("{} is not the engine's library: {error}", path.display()))?;
    // SAFETY: `argv` holds `argc` zero-terminated strings and a null pointer, and outlives the call.
    let result = unsafe { query(argc, argv.as_mut_ptr()) };
    // SAFETY: the function returns null or a result of its own, which is never freed here.
    let message = unsafe { result.as_ref() }.map_or(std::ptr::null_mut(), |result| result.error_message);
    let ended = if message.is_null() {
        Ok(())
    } else {
        // SAFETY: not null, and zero-terminated by its maker.
        Err(unsafe { std::ffi::CStr::from_ptr(message) }
            .to_string_lossy()
            .into_owned())
    };
    // Its threads may still be ending: it stays mapped until the process ends.
    std::mem::forget(library);
    ended
}

/// Becomes `clickhouse local`; returns only if that failed.
fn execute(path: &Path, arguments: Vec<String>, lock: &File) -> String {
    use std::os::unix::process::CommandExt as _;

    // The lock stays with the process through `exec`.
    if let Err(error) = rustix::io::fcntl_setfd(lock, rustix::io::FdFlags::empty()) {
        return format!("cannot keep the lock of the data directory: {error}");
    }
    // There is no thread to watch over a foreign program: the kernel ends it with its parent, on Linux.
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL))
    {
        return format!("cannot ask to be ended with the parent: {error}");
    }
    let error = std::process::Command::new(path)
        .arg("local")
        .args(arguments)
        .exec();
    format!(
        "cannot run {}: {error}",
        path.as_os_str().as_bytes().escape_ascii()
    )
}

/// A line for the supervisor, which keeps the last ones.
fn tell(line: &str) {
    // Nobody is left to be told if the pipe is gone.
    let _ = writeln!(std::io::stderr(), "{line}");
}
