//! An engine's life: it is killed and comes back, it is stopped, its parent dies.

use std::net::TcpListener;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process, test_kill_process};
use splitdeck::engine::{Address, Engine, EngineError, EngineState};
use tokio::time::timeout;

use crate::support::engine::{options, query};

/// More than anything here takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

pub fn kill(pid: u32) {
    kill_process(id(pid), Signal::KILL).expect("the process is there");
}

fn id(pid: u32) -> Pid {
    Pid::from_raw(i32::try_from(pid).expect("a pid")).expect("a pid")
}

/// Whether the process runs. One that ended and was not waited for by its parent does not.
pub fn runs(pid: u32) -> bool {
    if test_kill_process(id(pid)).is_err() {
        return false;
    }
    let status = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let state = status
        .rsplit(')')
        .next()
        .and_then(|rest| rest.split_whitespace().next());
    !matches!(state, None | Some("Z" | "X"))
}

/// Waits for the condition, with a deadline.
pub async fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let wait = async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    assert!(
        timeout(PATIENCE, wait).await.is_ok(),
        "waited in vain until {what}"
    );
}

/// Waits until the engine is ready with another process than `pid`.
async fn ready_again(engine: &Engine, pid: u32) -> Address {
    let mut state = engine.state();
    let next = async {
        loop {
            if let EngineState::Ready(address) = &*state.borrow_and_update()
                && address.pid != pid
            {
                return address.clone();
            }
            state.changed().await.expect("it is supervised");
        }
    };
    timeout(PATIENCE, next).await.expect("it is ready again in time")
}

async fn write_three(engine: &Engine, url: &str) {
    for sql in [
        "CREATE DATABASE splitdeck",
        "CREATE TABLE splitdeck.events (n UInt64) ENGINE = MergeTree ORDER BY n",
        "INSERT INTO splitdeck.events VALUES (1), (2), (3)",
    ] {
        query(url, engine.server(), sql).await.unwrap();
    }
}

#[tokio::test]
async fn a_killed_engine_comes_back_with_its_data_address_and_passwords() {
    let dir = tempfile::tempdir().unwrap();
    let engine = Engine::start(options(dir.path())).await.unwrap();
    let first = engine.ready().await.unwrap();
    write_three(&engine, &first.http_url).await;
    let mut state = engine.state();
    state.mark_unchanged();
    kill(first.pid);

    timeout(PATIENCE, state.changed()).await.unwrap().unwrap();
    let restarting = state.borrow_and_update().clone();
    let EngineState::Restarting {
        attempt: 1,
        after,
        why,
    } = restarting
    else {
        panic!("{restarting:?}")
    };
    assert!(after <= Duration::from_millis(250), "{after:?}");
    assert!(why.contains("killed by signal 9"), "{why}");

    let second = ready_again(&engine, first.pid).await;
    assert_eq!(second.http_url, first.http_url);
    for login in [engine.server(), engine.cockpit()] {
        let sum = query(&second.http_url, login, "SELECT sum(n) FROM splitdeck.events").await;
        assert_eq!(sum.unwrap(), "6");
    }
    engine.shutdown().await;
    assert!(!runs(second.pid));
}

#[tokio::test]
async fn a_taken_port_is_given_up_and_the_new_address_told() {
    let dir = tempfile::tempdir().unwrap();
    let engine = Engine::start(options(dir.path())).await.unwrap();
    let first = engine.ready().await.unwrap();
    kill(first.pid);
    // The port is free from the engine's death until its restart, at least 125 ms later.
    let mut squatter = None;
    until("the port is taken", || {
        squatter = TcpListener::bind(("127.0.0.1", first.port)).ok();
        squatter.is_some()
    })
    .await;
    let second = ready_again(&engine, first.pid).await;
    assert_ne!(second.port, first.port);
    assert_eq!(
        query(&second.http_url, engine.server(), "SELECT 1")
            .await
            .unwrap(),
        "1"
    );
    engine.shutdown().await;
}

#[tokio::test]
async fn a_port_that_was_asked_for_is_not_given_up() {
    let dir = tempfile::tempdir().unwrap();
    let squatter = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut options = options(dir.path());
    options.http_port = squatter.local_addr().unwrap().port();
    let error = Engine::start(options.clone()).await.unwrap_err();
    assert_eq!(
        error,
        EngineError::PortTaken {
            port: options.http_port
        }
    );
    drop(squatter);
    let engine = Engine::start(options.clone()).await.unwrap();
    assert_eq!(engine.ready().await.unwrap().port, options.http_port);
    engine.shutdown().await;
}

#[tokio::test]
async fn a_stopped_engine_ends_in_order_and_frees_its_directory() {
    let dir = tempfile::tempdir().unwrap();
    for round in 0..2 {
        let engine = Engine::start(options(dir.path())).await.unwrap();
        let address = engine.ready().await.unwrap();
        if round == 0 {
            write_three(&engine, &address.http_url).await;
        }
        let sum = query(
            &address.http_url,
            engine.server(),
            "SELECT sum(n) FROM splitdeck.events",
        )
        .await;
        assert_eq!(sum.unwrap(), "6");
        let state = engine.state();
        engine.shutdown().await;
        assert_eq!(*state.borrow(), EngineState::Stopped);
        assert!(!runs(address.pid));
        // ClickHouse removes it when it ends by itself.
        assert!(
            !dir.path().join("store/status").exists(),
            "it was not ended in order"
        );
    }
}

#[tokio::test]
async fn a_dropped_handle_ends_the_engine() {
    let dir = tempfile::tempdir().unwrap();
    let engine = Engine::start(options(dir.path())).await.unwrap();
    let pid = engine.ready().await.unwrap().pid;
    drop(engine);
    until("the engine ended", || !runs(pid)).await;
}

#[tokio::test]
async fn a_second_engine_in_the_same_directory_is_refused_and_told_who_has_it() {
    let dir = tempfile::tempdir().unwrap();
    let first = Engine::start(options(dir.path())).await.unwrap();
    let error = Engine::start(options(dir.path())).await.unwrap_err();
    let holder = format!("process {}", std::process::id());
    assert_eq!(
        error,
        EngineError::DataDirInUse {
            dir: dir.path().to_owned(),
            holder: holder.clone()
        }
    );
    assert!(
        error.to_string().contains(&holder) && error.to_string().contains("--data-dir"),
        "{error}"
    );
    first.shutdown().await;
    Engine::start(options(dir.path())).await.unwrap().shutdown().await;
}

#[tokio::test]
async fn what_is_on_disk_is_the_users_own_and_has_no_password_in_it() {
    use std::os::unix::fs::PermissionsExt as _;

    let dir = tempfile::tempdir().unwrap();
    let engine = Engine::start(options(dir.path())).await.unwrap();
    write_three(&engine, &engine.ready().await.unwrap().http_url).await;
    let mut folders = vec![dir.path().to_owned()];
    let mut files = 0;
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap().flatten() {
            // Temporary files of ClickHouse come and go.
            let Ok(data) = std::fs::symlink_metadata(entry.path()) else {
                continue;
            };
            if data.is_symlink() {
                continue;
            }
            let inside = entry
                .path()
                .strip_prefix(dir.path())
                .unwrap()
                .components()
                .count()
                > 1;
            assert!(
                data.permissions().mode() & 0o077 == 0 || !inside,
                "{} has mode {:o}",
                entry.path().display(),
                data.permissions().mode()
            );
            if data.is_dir() {
                assert_eq!(data.permissions().mode() & 0o077, 0, "{}", entry.path().display());
                folders.push(entry.path());
            } else {
                let Ok(content) = std::fs::read(entry.path()) else {
                    continue;
                };
                files += 1;
                for login in [engine.server(), engine.cockpit()] {
                    let password = login.password.as_bytes();
                    let found = content.windows(password.len()).any(|window| window == password);
                    assert!(
                        !found,
                        "the password of {} is in {}",
                        login.user,
                        entry.path().display()
                    );
                }
            }
        }
    }
    assert!(files > 5, "only {files} files were looked at");
    engine.shutdown().await;
}

#[tokio::test]
async fn it_keeps_to_its_memory_syncs_inserts_and_writes_no_logs_of_its_own_into_tables() {
    let dir = tempfile::tempdir().unwrap();
    let mut options = options(dir.path());
    options.memory = Some(1_500_000_000);
    let engine = Engine::start(options).await.unwrap();
    let url = engine.ready().await.unwrap().http_url;
    let server = async |sql: &str| query(&url, engine.server(), sql).await.unwrap();
    let setting = "SELECT value FROM system.server_settings WHERE name = 'max_server_memory_usage'";
    assert_eq!(server(setting).await, "1500000000");
    let setting = "SELECT value FROM system.merge_tree_settings WHERE name IN ('fsync_after_insert', 'fsync_part_directory')";
    assert_eq!(server(setting).await, "1\n1");
    let logs = "SELECT count() FROM system.tables WHERE database = 'system' AND name LIKE '%\\_log'";
    assert_eq!(server(logs).await, "0");
    engine.shutdown().await;
}
