//! `splitdeck engine`, as a person types it.

use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use splitdeck::config::Paths;
use splitdeck::engine::Login;

use super::life::{kill, runs, until};
use crate::support::engine::query;

/// `splitdeck engine …` with the library of the user's cache and nothing else of the environment's settings.
fn splitdeck(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_splitdeck"));
    command
        .arg("engine")
        .args(args)
        .env("SPLITDECK_ENGINE_DIR", Paths::from_env().unwrap().engine)
        .env_remove("SPLITDECK_ENGINE_BINARY")
        .env_remove("SPLITDECK_DATA_DIR")
        .stdin(Stdio::null());
    command
}

/// Runs a command to its end: exit code, standard output, standard error.
fn run(mut command: Command) -> (i32, String, String) {
    let output = command.output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (
        output.status.code().unwrap_or(-1),
        text(output.stdout),
        text(output.stderr),
    )
}

/// A running `splitdeck engine run --json`, killed when the test is over.
struct Foreground {
    child: Child,
    told: Value,
}

impl Foreground {
    fn start(data_dir: &Path) -> Self {
        let mut child = splitdeck(&["run", "--json", "--data-dir", data_dir.to_str().unwrap()])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        let told = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line:?}"));
        Self { child, told }
    }

    fn text(&self, key: &str) -> &str {
        self.told[key].as_str().unwrap()
    }

    fn engine_pid(&self) -> u32 {
        self.told["pid"].as_u64().unwrap().try_into().unwrap()
    }

    fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(self.child.id().try_into().unwrap()).unwrap();
        kill_process(pid, signal).unwrap();
    }

    fn logins(&self) -> Vec<Login> {
        let text = std::fs::read(self.text("credentials")).unwrap();
        let credentials: Value = serde_json::from_slice(&text).unwrap();
        credentials["users"]
            .as_array()
            .unwrap()
            .iter()
            .map(|user| Login {
                user: user["user"].as_str().unwrap().to_owned(),
                password: user["password"].as_str().unwrap().to_owned(),
            })
            .collect()
    }
}

impl Drop for Foreground {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[tokio::test]
async fn run_tells_where_it_is_and_keeps_the_passwords_in_a_private_file() {
    let dir = tempfile::tempdir().unwrap();
    let mut running = Foreground::start(dir.path());
    let credentials = PathBuf::from(running.text("credentials"));
    assert_eq!(credentials, dir.path().join("engine/credentials.json"));
    assert_eq!(
        std::fs::metadata(&credentials).unwrap().permissions().mode() & 0o777,
        0o600
    );
    let logins = running.logins();
    assert_eq!(logins.len(), 2);
    for login in &logins {
        assert_eq!(
            query(running.text("httpUrl"), login, "SELECT currentUser()")
                .await
                .unwrap(),
            login.user
        );
        assert!(!running.told.to_string().contains(&login.password));
        // Nor can its users read that file through the engine.
        let sql = format!("SELECT file('{}')", credentials.display());
        let said = query(running.text("httpUrl"), login, &sql).await.unwrap_err();
        assert!(said.contains("Permission denied"), "{said}");
    }

    let pid = running.engine_pid();
    running.signal(Signal::TERM);
    assert!(running.child.wait().unwrap().success());
    assert!(!runs(pid));
    assert!(!credentials.exists());
    assert!(
        !dir.path().join("engine/store/status").exists(),
        "it was not ended in order"
    );
}

#[tokio::test]
async fn the_engine_ends_soon_after_its_parent_was_killed_and_its_data_are_there() {
    let dir = tempfile::tempdir().unwrap();
    let first = Foreground::start(dir.path());
    let logins = first.logins();
    for sql in [
        "CREATE DATABASE splitdeck",
        "CREATE TABLE splitdeck.events (n UInt64) ENGINE = MergeTree ORDER BY n",
        "INSERT INTO splitdeck.events VALUES (20), (22)",
    ] {
        query(first.text("httpUrl"), &logins[0], sql).await.unwrap();
    }
    let pid = first.engine_pid();
    kill(first.child.id());
    let ended = tokio::time::timeout(Duration::from_secs(8), until("the engine ended", || !runs(pid))).await;
    assert!(ended.is_ok(), "it still runs");

    let second = Foreground::start(dir.path());
    let logins = second.logins();
    let sum = query(
        second.text("httpUrl"),
        &logins[1],
        "SELECT sum(n) FROM splitdeck.events",
    )
    .await;
    assert_eq!(sum.unwrap(), "42");
}

#[tokio::test]
async fn one_started_at_once_after_a_kill_waits_for_the_old_engine() {
    let dir = tempfile::tempdir().unwrap();
    let first = Foreground::start(dir.path());
    let url = first.text("httpUrl").to_owned();
    let login = first.logins().remove(0);
    // A query keeps the old engine busy for a moment longer.
    let query = tokio::spawn(async move { query(&url, &login, "SELECT sleep(2)").await });
    let old = first.engine_pid();
    kill(first.child.id());
    let second = Foreground::start(dir.path());
    assert!(!runs(old), "two engines on one directory");
    assert_ne!(second.engine_pid(), old);
    // Whether it was answered before the end does not matter here.
    let _ = query.await.unwrap();
}

#[tokio::test]
async fn a_second_run_in_the_same_directory_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let first = Foreground::start(dir.path());
    let (code, out, err) = run(splitdeck(&["run", "--data-dir", dir.path().to_str().unwrap()]));
    assert_eq!((code, out.as_str()), (1, ""));
    assert!(
        err.contains(&format!("in use by process {}", first.child.id())),
        "{err}"
    );
}

#[tokio::test]
async fn status_tells_what_is_there_and_what_runs() {
    let dir = tempfile::tempdir().unwrap();
    let data_dir = dir.path().to_str().unwrap();
    let status = || -> Value {
        let (code, out, err) = run(splitdeck(&["status", "--json", "--data-dir", data_dir]));
        assert_eq!(code, 0, "{err}");
        serde_json::from_str(&out).unwrap()
    };
    let running = Foreground::start(dir.path());
    let told = status();
    assert_eq!(told["uses"], "library");
    assert_eq!(told["library"]["status"], "installed");
    assert_eq!(told["library"]["bytes"], 566_330_096);
    assert_eq!(told["inUseBy"], format!("process {}", running.child.id()));
    assert_eq!(told["running"]["httpUrl"], running.told["httpUrl"]);
    assert_eq!(told["running"]["confined"], true);
    let (_, text, _) = run(splitdeck(&["status", "--data-dir", data_dir]));
    assert!(text.contains(running.text("httpUrl")), "{text}");
    for login in running.logins() {
        assert!(!text.contains(&login.password) && !told.to_string().contains(&login.password));
    }
    drop(running);
    let told = status();
    assert_eq!((&told["inUseBy"], &told["running"]), (&Value::Null, &Value::Null));
}

#[test]
fn status_tells_what_is_missing() {
    let dir = tempfile::tempdir().unwrap();
    let mut command = splitdeck(&["status", "--data-dir", dir.path().to_str().unwrap()]);
    command.env("SPLITDECK_ENGINE_DIR", dir.path());
    let (code, out, _) = run(command);
    assert_eq!(code, 0);
    assert!(
        out.contains("missing; `splitdeck engine install` brings it"),
        "{out}"
    );
    let mut command = splitdeck(&["status", "--verify", "--data-dir", dir.path().to_str().unwrap()]);
    command.env("SPLITDECK_ENGINE_DIR", dir.path());
    assert_eq!(run(command).0, 1);
}

/// A disk quota of nothing, as the system can set one for a process: the first byte is refused.
#[test]
fn run_without_space_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let mut command = Command::new("sh");
    command
        .args([
            "-c",
            "trap '' XFSZ; ulimit -f 0; exec \"$0\" engine run --data-dir \"$1\"",
        ])
        .arg(env!("CARGO_BIN_EXE_splitdeck"))
        .arg(dir.path());
    let (code, _, err) = run(command);
    assert_eq!(code, 1);
    let lock = dir.path().join("engine/lock");
    assert!(
        err.contains(&format!("no space left at {}", lock.display())),
        "{err}"
    );
    assert!(err.contains("--data-dir"), "{err}");
}

/// `splitdeck engine install` into an empty directory, with an environment of the test's.
fn install(dir: &Path, variables: &[(&str, &str)]) -> (i32, String, String) {
    let mut command = splitdeck(&["install"]);
    command
        .env("SPLITDECK_ENGINE_DIR", dir)
        .envs(variables.iter().copied());
    run(command)
}

#[test]
fn install_without_npm_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let (code, _, err) = install(dir.path(), &[("PATH", dir.path().to_str().unwrap())]);
    assert_eq!(code, 1);
    assert!(err.contains("npm is not on the PATH"), "{err}");
}

#[test]
fn install_with_an_unreachable_registry_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let (code, _, err) = install(dir.path(), &[("npm_config_registry", "http://127.0.0.1:1")]);
    assert_eq!(code, 1);
    assert!(
        err.contains("npm could not reach its registry") && err.contains("ECONNREFUSED"),
        "{err}"
    );
    assert!(err.contains("@chdb/lib-"), "{err}");
}

#[tokio::test]
async fn install_from_a_registry_without_the_package_says_so() {
    let registry = wiremock::MockServer::start().await;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().to_owned();
    let uri = registry.uri();
    let (code, _, err) =
        tokio::task::spawn_blocking(move || install(&path, &[("npm_config_registry", &uri)]))
            .await
            .unwrap();
    assert_eq!(code, 1);
    assert!(err.contains("does not have it") && err.contains("E404"), "{err}");
}

#[test]
fn install_of_something_else_under_the_same_name_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let npm = dir.path().join("npm");
    std::fs::write(&npm, "#!/bin/sh\necho tampered > \"$4/chdb-lib.tgz\"\n").unwrap();
    std::fs::set_permissions(&npm, std::fs::Permissions::from_mode(0o755)).unwrap();
    let path = format!("{}:{}", dir.path().display(), std::env::var("PATH").unwrap());
    let cache = dir.path().join("cache");
    let (code, _, err) = install(&cache, &[("PATH", &path)]);
    assert_eq!(code, 1);
    assert!(
        err.contains("is not the file this build of splitdeck expects"),
        "{err}"
    );
    assert!(
        err.contains("expected XP97mMqnc5tZpKQywR8N7cLTsHNiTmHr30pC5mzo3jWmukjKn2IBa60c2B/"),
        "{err}"
    );
}

#[test]
fn install_where_it_is_already_is_done_at_once_without_npm() {
    // The first call brings it for all tests, should it not be there.
    let (code, _, err) = run(splitdeck(&["install"]));
    assert_eq!(code, 0, "{err}");
    let mut command = splitdeck(&["install"]);
    command.env("PATH", "/nonexistent");
    let (code, out, err) = run(command);
    assert_eq!(code, 0, "{err}");
    assert!(
        out.contains("is installed: ") && out.trim_end().ends_with("libchdb.so"),
        "{out}"
    );
}

#[test]
fn a_named_binary_that_is_not_there_is_not_replaced_by_the_library() {
    let dir = tempfile::tempdir().unwrap();
    let mut command = splitdeck(&["run", "--data-dir", dir.path().to_str().unwrap()]);
    command.env("SPLITDECK_ENGINE_BINARY", "clickhouse-that-is-not-there");
    let (code, _, err) = run(command);
    assert_eq!(code, 1);
    assert!(
        err.contains("clickhouse-that-is-not-there") && err.contains("not on the PATH"),
        "{err}"
    );
}

/// A folder with an npm that says who it is and then takes for ever.
fn slow_npm() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let npm = dir.path().join("npm");
    let pid = dir.path().join("pid");
    std::fs::write(
        &npm,
        format!("#!/bin/sh\necho $$ > '{}'\nexec sleep 600\n", pid.display()),
    )
    .unwrap();
    std::fs::set_permissions(&npm, std::fs::Permissions::from_mode(0o755)).unwrap();
    dir
}

#[tokio::test]
async fn npm_does_not_outlive_an_installation_that_is_killed() {
    let dir = slow_npm();
    let path = format!(
        "{}:{}",
        dir.path().display(),
        std::env::var("PATH").unwrap_or_default()
    );
    let mut install = splitdeck(&["install"])
        .env("SPLITDECK_ENGINE_DIR", dir.path().join("engine"))
        .env("PATH", path)
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut npm = None;
    until("npm runs", || {
        let said = std::fs::read_to_string(dir.path().join("pid")).unwrap_or_default();
        npm = said.trim().parse::<i32>().ok();
        npm.is_some()
    })
    .await;
    let npm = u32::try_from(npm.unwrap()).unwrap();
    install.kill().unwrap();
    install.wait().unwrap();
    until("npm has ended", || !runs(npm)).await;
}

#[test]
fn the_demo_takes_a_binary_in_the_place_of_the_library() {
    let dir = tempfile::tempdir().unwrap();
    // Neither a library nor an npm to bring it: only what is named is looked for.
    let (code, _, said) = run({
        let mut command = Command::new(env!("CARGO_BIN_EXE_splitdeck"));
        command
            .args(["demo", "--headless", "--data-dir"])
            .arg(dir.path().join("data"))
            .env("SPLITDECK_ENGINE_DIR", dir.path().join("engine"))
            .env("SPLITDECK_ENGINE_BINARY", dir.path().join("clickhouse"))
            .env("PATH", dir.path())
            .stdin(Stdio::null());
        command
    });
    assert_eq!(code, 1, "{said}");
    assert!(
        said.contains("clickhouse as the engine") && !said.contains("npm"),
        "{said}"
    );
}
