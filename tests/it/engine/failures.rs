//! An engine that cannot start says what is wrong, on what, and what to do.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use splitdeck::engine::{Engine, EngineError, EngineState, Source};

use crate::support::engine::{options, query};

#[tokio::test]
async fn a_file_that_is_no_library_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let library = dir.path().join("libchdb.so");
    std::fs::write(&library, "not a library").unwrap();
    let mut options = options(&dir.path().join("data"));
    options.source = Source::File(library.clone());
    let engine = Engine::launch(options).unwrap();
    let error = engine.ready().await.unwrap_err();
    let EngineError::Died {
        status, last_words, ..
    } = &error
    else {
        panic!("{error}")
    };
    assert_eq!(status, "exit code 1");
    assert!(
        last_words.contains(&format!("cannot load {}", library.display())),
        "{error}"
    );
    let EngineState::Failed { why } = engine.state().borrow().clone() else {
        panic!("it failed")
    };
    assert_eq!(why, error.to_string());
}

#[tokio::test]
async fn a_library_that_is_another_one_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let mut options = options(dir.path());
    // Any real library will do: the C library of this process.
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
    let libc = maps
        .split_whitespace()
        .find(|word| word.contains("/libc.so") || word.contains("/libc-"))
        .unwrap();
    options.source = Source::File(libc.into());
    let error = Engine::start(options).await.unwrap_err();
    assert!(
        error
            .to_string()
            .contains(&format!("{libc} is not the engine's library")),
        "{error}"
    );
}

#[tokio::test]
async fn a_corrupt_data_directory_is_told_with_the_engines_last_words() {
    let dir = tempfile::tempdir().unwrap();
    let engine = Engine::start(options(dir.path())).await.unwrap();
    let url = engine.ready().await.unwrap().http_url;
    query(&url, engine.server(), "CREATE DATABASE splitdeck")
        .await
        .unwrap();
    engine.shutdown().await;
    let metadata = dir.path().join("store/metadata/splitdeck.sql");
    std::fs::write(&metadata, "ATTACH garbage").unwrap();

    let error = Engine::start(options(dir.path())).await.unwrap_err();
    let EngineError::Died {
        last_words,
        dir: named,
        ..
    } = &error
    else {
        panic!("{error}")
    };
    assert_eq!(named, dir.path());
    assert!(
        last_words.contains("Syntax error") && last_words.contains("splitdeck.sql"),
        "{error}"
    );
    assert!(!last_words.contains(" @ 0x"), "no traces of addresses: {error}");
}

#[tokio::test]
async fn a_data_directory_that_cannot_be_made_is_named() {
    let file = tempfile::NamedTempFile::new().unwrap();
    for dir in [file.path().join("data"), PathBuf::from("/proc/splitdeck")] {
        let error = Engine::start(options(&dir)).await.unwrap_err();
        let EngineError::NotWritable { path, .. } = &error else {
            panic!("{error}")
        };
        assert_eq!(path, &dir);
        assert!(error.to_string().contains("--data-dir"), "{error}");
    }
}

#[tokio::test]
async fn a_program_that_cannot_be_started_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let mut options = options(&dir.path().join("data"));
    options.program = dir.path().join("splitdeck");
    let error = Engine::start(options.clone()).await.unwrap_err();
    assert!(
        matches!(&error, EngineError::Spawn { program, .. } if *program == options.program),
        "{error}"
    );
}

#[tokio::test]
async fn a_library_that_is_not_installed_is_told_if_it_must_not_be_brought() {
    let dir = tempfile::tempdir().unwrap();
    let mut options = options(&dir.path().join("data"));
    options.source = Source::Library {
        dir: dir.path().join("none"),
        install: false,
    };
    let error = Engine::start(options).await.unwrap_err();
    assert_eq!(
        error,
        EngineError::NotInstalled {
            dir: dir.path().join("none")
        }
    );
    assert!(
        error.to_string().contains("`splitdeck engine install`"),
        "{error}"
    );
}

#[tokio::test]
async fn names_that_cannot_be_granted_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let mut options = options(dir.path());
    options.databases = vec!["a; DROP".to_owned()];
    let error = Engine::launch(options).unwrap_err();
    assert!(matches!(error, EngineError::Options(_)), "{error}");
}

/// A script in place of a `clickhouse` binary.
fn script(dir: &Path, text: &str) -> PathBuf {
    let path = dir.join("clickhouse");
    std::fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    path
}

#[tokio::test]
async fn a_binary_that_is_missing_too_old_or_something_else_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let start = async |binary: &Path| {
        let mut options = options(&dir.path().join("data"));
        options.source = Source::Binary(binary.to_owned());
        Engine::start(options).await.unwrap_err()
    };
    let missing = start(&dir.path().join("none")).await;
    assert!(missing.to_string().contains("cannot be run"), "{missing}");
    let old = start(&script(
        dir.path(),
        "echo 'ClickHouse local version 25.8.1.5 (official build).'",
    ))
    .await;
    assert!(
        old.to_string()
            .contains("its version is 25.8.1.5; 26.6 or later is needed"),
        "{old}"
    );
    let other = start(&script(dir.path(), "echo hello")).await;
    assert!(
        other.to_string().contains("answered \"hello\", not a version"),
        "{other}"
    );
}

/// No `clickhouse` binary is at hand, so a script with its manners runs the library: the same ClickHouse in a
/// process that the engine's role was replaced by.
#[tokio::test]
async fn a_binary_serves_instead_of_the_library() {
    let dir = tempfile::tempdir().unwrap();
    let Source::Library { dir: engine_dir, .. } = options(dir.path()).source else {
        panic!("a library")
    };
    let package = splitdeck::engine::package().unwrap();
    let library =
        splitdeck::engine::install::install(&engine_dir, &package, &splitdeck::engine::Quiet).unwrap();
    let binary = script(
        dir.path(),
        &format!(
            "[ \"$1\" = local ] || exit 64; shift\n\
             [ \"$1\" = --version ] && {{ echo 'ClickHouse local version 26.7.2.1 (official build).'; exit; }}\n\
             exec '{program}' engine child --library '{library}' --lock '{lock}' \
             --writable '{data}' -- \"$@\"",
            program = env!("CARGO_BIN_EXE_splitdeck"),
            library = library.library.display(),
            lock = dir.path().join("data/run/script.lock").display(),
            data = dir.path().join("data").display(),
        ),
    );
    let mut options = options(&dir.path().join("data"));
    options.source = Source::Binary(binary);
    options.readable = vec![
        "/bin".into(),
        "/usr/bin".into(),
        options.program.clone(),
        library.library.clone(),
    ];
    let engine = Engine::start(options).await.unwrap();
    let url = engine.ready().await.unwrap().http_url;
    assert_eq!(query(&url, engine.server(), "SELECT 1").await.unwrap(), "1");
    engine.shutdown().await;
}
