//! Existing SDKs, unchanged and from their registries, against a real server.
//!
//! `package.json` and `requirements.txt` name their versions; the first test that needs them installs them
//! below `target/tmp`, where they stay. The programs in `clients/` use them as anybody would.

mod analytics;
mod assigned;
mod experiment;
mod local;
mod ofrep;
mod openpanel;
mod wire;
mod wiring;
mod world;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use serde_json::Value;

use crate::support::skip;

/// Where this folder is.
fn here() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/sdk")
}

/// A directory for what is installed, named by what is asked for.
fn installed(name: &str, manifest: &str) -> PathBuf {
    let sum = crc32fast::hash(manifest.as_bytes());
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("sdk-{name}-{sum:08x}"))
}

fn works(program: &str) -> bool {
    let run = Command::new(program).arg("--version").output();
    run.is_ok_and(|output| output.status.success())
}

/// Says in so many words what is missing, and fails where everything is asked for.
fn skipped(why: &str) -> Option<PathBuf> {
    skip(why);
    None
}

/// Runs a step of an installation.
fn step(command: &mut Command) {
    let output = command.output().expect("starts");
    assert!(
        output.status.success(),
        "{command:?}: {}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}

/// The directory of the npm packages.
fn npm() -> Option<&'static Path> {
    static DIR: OnceLock<Option<PathBuf>> = OnceLock::new();
    DIR.get_or_init(|| {
        if !works("node") || !works("npm") {
            return skipped(
                "no node with npm on this machine; install the package npm to run the clients of npm",
            );
        }
        let manifest = std::fs::read_to_string(here().join("package.json")).expect("a manifest");
        let dir = installed("npm", &manifest);
        let done = dir.join("installed");
        if !done.exists() {
            std::fs::create_dir_all(&dir).expect("a directory");
            std::fs::write(dir.join("package.json"), manifest).expect("written");
            let mut install = Command::new("npm");
            install.args([
                "install",
                "--no-audit",
                "--no-fund",
                "--no-package-lock",
                "--ignore-scripts",
            ]);
            step(install.current_dir(&dir));
            std::fs::write(done, "").expect("written");
        }
        Some(dir)
    })
    .as_deref()
}

/// The interpreter with the PyPI packages.
fn python() -> Option<&'static Path> {
    static PYTHON: OnceLock<Option<PathBuf>> = OnceLock::new();
    PYTHON
        .get_or_init(|| {
            let has = |module: &str| {
                let run = Command::new("python3").args(["-c", &format!("import {module}")]).output();
                run.is_ok_and(|output| output.status.success())
            };
            if !has("venv") || !has("ensurepip") {
                return skipped(
                    "no python3 with venv and pip on this machine; install the package python3-venv to run the \
                     clients of PyPI",
                );
            }
            let wanted = std::fs::read_to_string(here().join("requirements.txt")).expect("a list");
            let dir = installed("pypi", &wanted);
            let interpreter = dir.join("bin/python");
            let done = dir.join("installed");
            if !done.exists() {
                step(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&dir));
                let mut install = Command::new(&interpreter);
                install.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r"]);
                step(install.arg(here().join("requirements.txt")));
                std::fs::write(done, "").expect("written");
            }
            Some(interpreter)
        })
        .as_deref()
}

/// Runs a program of `clients/` that reads one file and writes another: what is too long for an argument.
async fn exchange(program: &str, told: &Value) -> Option<Value> {
    let dir = tempfile::tempdir().expect("a directory");
    let [sent, written] = ["told.json", "seen.json"].map(|name| dir.path().join(name));
    std::fs::write(&sent, told.to_string()).expect("written");
    let name = |path: &Path| path.to_str().expect("a name in UTF-8").to_owned();
    run(program, vec![name(&sent), name(&written)]).await?;
    let text = std::fs::read_to_string(written).expect("what the program saw");
    Some(serde_json::from_str(&text).expect("JSON"))
}

/// Runs a program of `clients/` and reads the last line that it prints, off the threads of the server.
async fn run(program: &str, arguments: Vec<String>) -> Option<Value> {
    let script = here().join("clients").join(program);
    let is_python = program.ends_with(".py");
    let output = tokio::task::spawn_blocking(move || {
        let mut command = if is_python {
            Command::new(python()?)
        } else {
            let mut command = Command::new("node");
            command.env("NODE_PATH", npm()?.join("node_modules"));
            command
        };
        Some(command.arg(script).args(arguments).output().expect("starts"))
    });
    let output = output.await.expect("no panic")?;
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        output.status.success(),
        "{printed}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    // A client may print warnings of its own before.
    let last = printed.lines().last().unwrap_or("null");
    Some(serde_json::from_str(last).unwrap_or(Value::Null))
}
