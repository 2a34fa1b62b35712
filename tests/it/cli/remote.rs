//! Finding the server and its token.

use crate::support::server::{ADMIN, TestServer};

use super::{on, run, splitdeck};

#[tokio::test]
async fn what_is_not_set_is_named() {
    let message = run(splitdeck(&["experiments", "list"]), "").await.failed(2);
    assert!(message.contains("set SPLITDECK_API"), "{message}");
    let mut command = splitdeck(&["experiments", "list"]);
    command.env("SPLITDECK_API", "http://127.0.0.1:1");
    let message = run(command, "").await.failed(2);
    assert!(
        message.contains("http://127.0.0.1:1: set SPLITDECK_TOKEN"),
        "{message}"
    );
}

#[tokio::test]
async fn a_variable_that_is_set_to_nothing_is_not_set() {
    let list = |value: &'static str| {
        let mut command = splitdeck(&["experiments", "list"]);
        for name in [
            "API",
            "TOKEN",
            "CONTEXT",
            "PROJECT",
            "READ_ONLY",
            "THEME",
            "GLYPHS",
            "MOUSE",
            "NOTIFY",
        ] {
            command.env(format!("SPLITDECK_{name}"), value);
        }
        run(command, "")
    };
    for nothing in ["", " "] {
        let message = list(nothing).await.failed(2);
        assert!(message.contains("set SPLITDECK_API"), "{message}");
    }
}

#[tokio::test]
async fn a_variable_that_is_no_text_is_named() {
    use std::os::unix::ffi::OsStrExt as _;
    let mut command = splitdeck(&["experiments", "list"]);
    let token = std::ffi::OsStr::from_bytes(b"s3cret\xff");
    command
        .env("SPLITDECK_API", "http://127.0.0.1:1")
        .env("SPLITDECK_TOKEN", token);
    let message = run(command, "").await.failed(2);
    assert!(message.contains("SPLITDECK_TOKEN holds bytes"), "{message}");
    assert!(!message.contains("s3cret"), "{message}");
}

#[tokio::test]
async fn the_configuration_file_names_server_and_token() {
    let server = TestServer::start().await;
    let dir = tempfile::tempdir().expect("a directory");
    let (config, token) = (dir.path().join("config.toml"), dir.path().join("token"));
    let text = format!(
        "[cockpit]\napi = \"{}\"\ntoken_file = \"{}\"\n",
        server.base,
        token.display()
    );
    std::fs::write(&config, text).expect("written");
    let list = || {
        let mut command = splitdeck(&["experiments", "list"]);
        command.env("SPLITDECK_CONFIG_DIR", dir.path());
        run(command, "")
    };
    let message = list().await.failed(2);
    assert!(message.contains("cannot read the token"), "{message}");
    std::fs::write(&token, format!("{ADMIN}\n")).expect("written");
    assert!(list().await.ok().contains("no experiments"));
    std::fs::write(&config, "[cockpit]\nappi = 1\n").expect("written");
    let message = list().await.failed(2);
    assert!(message.contains("config.toml, line 2: "), "{message}");
}

#[tokio::test]
async fn a_server_that_is_not_there_is_exit_code_1() {
    let mut command = splitdeck(&["experiments", "list"]);
    command
        .env("SPLITDECK_API", "http://127.0.0.1:1")
        .env("SPLITDECK_TOKEN", "s3cret");
    let message = run(command, "").await.failed(1);
    assert!(
        message.contains("cannot reach the server at http://127.0.0.1:1"),
        "{message}"
    );
    assert!(!message.contains("s3cret"), "{message}");
}

#[tokio::test]
async fn plain_http_elsewhere_takes_leave() {
    let mut command = splitdeck(&["experiments", "list", "--api", "http://splitdeck.invalid"]);
    command.env("SPLITDECK_TOKEN", "s3cret");
    let message = run(command, "").await.failed(2);
    assert!(message.contains("in the clear"), "{message}");
    let mut command = splitdeck(&[
        "experiments",
        "list",
        "--api",
        "http://splitdeck.invalid",
        "--allow-plain-http",
    ]);
    command.env("SPLITDECK_TOKEN", "s3cret");
    let message = run(command, "").await.failed(1);
    assert!(message.contains("cannot reach the server"), "{message}");
}

#[tokio::test]
async fn the_argument_goes_first_and_a_proxy_is_not_asked_for_this_machine() {
    let server = TestServer::start().await;
    let mut command = splitdeck(&["experiments", "list", "--json", "--api", &server.base]);
    command
        .env("SPLITDECK_API", "http://127.0.0.1:1")
        .env("SPLITDECK_TOKEN", ADMIN)
        .env("HTTP_PROXY", "http://127.0.0.1:1")
        .env("http_proxy", "http://127.0.0.1:1");
    assert_eq!(
        run(command, "").await.json()["experiments"],
        serde_json::json!([])
    );
}

#[tokio::test]
async fn a_wrong_token_is_exit_code_1() {
    let server = TestServer::start().await;
    let mut command = splitdeck(&["experiments", "list"]);
    command
        .env("SPLITDECK_API", &server.base)
        .env("SPLITDECK_TOKEN", "wrong");
    let message = run(command, "").await.failed(1);
    assert!(message.contains("Not signed in"), "{message}");
    assert!(
        on(&server, &["experiments", "list"])
            .await
            .ok()
            .contains("no experiments")
    );
}
