//! Plain mode, and the commands for what only screens showed before.

use std::process::Stdio;
use std::time::Duration;

use super::{on, run, splitdeck};
use crate::support::server::{ADMIN, TestServer};

/// Plain mode fed with lines; what it printed.
async fn plain(server: &TestServer, args: &[&str], env: &[(&str, &str)], input: &str) -> super::Ran {
    let mut command = splitdeck(args);
    command
        .env("SPLITDECK_API", &server.base)
        .env("SPLITDECK_TOKEN", ADMIN)
        .stdin(Stdio::piped());
    for (name, value) in env {
        command.env(name, value);
    }
    run(command, input).await
}

#[tokio::test]
async fn everything_is_done_in_lines_of_text() {
    let server = TestServer::with_two_drafts().await;
    let input = "help\nlist\nshow pricing-page\nexperiments activate checkout-button --comment \"go on\"\n\
                 list\nhistory checkout-button\nnonsense\nshow \"\nexperiments show no\u{1b}[31mne\nquit\nnever read\n";
    let out = plain(&server, &["--plain"], &[], input).await.ok();
    for words in [
        "DEVELOPMENT, as ",
        "checkout-button, draft",
        "pricing-page, draft",
        "who is forced into a variant",
        "checkout-button, active",
        "\"go on\"",
        "unrecognized subcommand 'nonsense'",
        "error: a quote \" is open",
        "no\\u{1b}[31mne",
    ] {
        assert!(out.contains(words), "no {words:?} in\n{out}");
    }
    assert!(!out.contains('\x1b'), "nothing steers the terminal: {out:?}");
    assert!(out.trim_end().ends_with('>'), "{out}");
    // A terminal without a name can do no more either.
    let out = plain(&server, &[], &[("TERM", "")], "quit\n").await.ok();
    assert!(out.contains("Type help for the commands"), "{out}");
    let input = "explain checkout-button --file -\n{\"userId\": \"u-77\"}\n";
    let out = plain(&server, &["--plain"], &[], input).await.ok();
    assert!(out.contains("u-77") && !out.contains("cannot read"), "{out}");
    // The end of the input is as good as quit.
    let out = plain(&server, &[], &[("TERM", "dumb")], "").await.ok();
    assert!(
        out.contains("checkout-button, active") && out.ends_with("> \n"),
        "{out:?}"
    );
}

#[tokio::test]
async fn read_only_refuses_before_anything_is_sent() {
    let server = TestServer::with_two_drafts().await;
    let input = "experiments activate checkout-button\nexplain checkout-button u-1\n";
    let out = plain(&server, &["--plain", "--read-only"], &[], input).await.ok();
    assert!(out.contains("would change something: refused"), "{out}");
    assert!(out.contains("read-only") && out.contains("u-1"), "{out}");
    let live = server
        .client()
        .experiment("checkout-button")
        .await
        .expect("there");
    assert_eq!(live.status, splitdeck::domain::Status::Draft);
    let refused = on(
        &server,
        &["experiments", "activate", "checkout-button", "--read-only"],
    )
    .await;
    assert!(refused.failed(1).contains("would change something"));
    // The file, then the variable, then the flag.
    let dir = tempfile::tempdir().expect("a directory");
    let config = format!(
        "[contexts.here]\napi = \"{}\"\ntoken_command = [\"/bin/echo\", \"{ADMIN}\"]\nread_only = true\n",
        server.base
    );
    std::fs::write(dir.path().join("config.toml"), config).expect("written");
    let activate = |variable: Option<&str>, flag: Option<&str>| {
        let mut args = vec!["experiments", "activate", "checkout-button", "--context", "here"];
        args.extend(flag);
        let mut command = splitdeck(&args);
        command.env("SPLITDECK_CONFIG_DIR", dir.path());
        command.envs(variable.map(|value| ("SPLITDECK_READ_ONLY", value)));
        run(command, "")
    };
    for (variable, flag) in [
        (None, None),
        (Some("true"), None),
        (Some("false"), Some("--read-only")),
    ] {
        let refused = activate(variable, flag).await.failed(1);
        assert!(refused.contains("would change something"), "{refused}");
    }
    // The commands of plain mode are no other.
    let env = [("SPLITDECK_CONFIG_DIR", dir.path().to_str().expect("a path"))];
    let args = ["--plain", "--context", "here", "--read-only=false"];
    let out = plain(
        &server,
        &args,
        &env,
        "experiments activate checkout-button --read-only\nexperiments activate checkout-button\n",
    )
    .await;
    assert_eq!(out.ok().matches("would change something: refused").count(), 1);
    let live = server
        .client()
        .experiment("checkout-button")
        .await
        .expect("there");
    assert_eq!(live.status, splitdeck::domain::Status::Active);
}

#[tokio::test]
async fn read_only_of_the_file_is_in_force_beside_both_variables() {
    let server = TestServer::with_two_drafts().await;
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join("config.toml");
    let write = |text: &str| std::fs::write(&file, text).expect("written");
    let home = dir.path().to_str().expect("a path");
    let activate = |more: &'static [&'static str], read_only: Option<&'static str>| {
        let mut command = splitdeck(&[&["experiments", "activate", "checkout-button"][..], more].concat());
        command.envs([
            ("SPLITDECK_API", server.base.as_str()),
            ("SPLITDECK_TOKEN", ADMIN),
            ("SPLITDECK_CONFIG_DIR", home),
        ]);
        command.envs(read_only.map(|value| ("SPLITDECK_READ_ONLY", value)));
        run(command, "")
    };
    write("[cockpit]\nread_only = true\n");
    for variable in [None, Some("")] {
        let refused = activate(&[], variable).await.failed(1);
        assert!(refused.contains("would change something"), "{refused}");
    }
    let env = [("SPLITDECK_CONFIG_DIR", home)];
    let out = plain(
        &server,
        &["--plain"],
        &env,
        "experiments activate checkout-button\n",
    )
    .await
    .ok();
    assert!(out.contains("would change something: refused"), "{out}");
    // The file's project, and none of another server's.
    write("[cockpit]\nproject = \"nowhere\"\n");
    let refused = activate(&[], None).await.failed(1);
    assert!(refused.contains("nowhere"), "{refused}");
    // A file that nobody can read says nothing of what may be done.
    write("garbage = = \n");
    let refused = activate(&[], None).await.failed(2);
    assert!(refused.contains("config.toml, line 1"), "{refused}");
    write("[cockpit]\napi = \"http://127.0.0.1:1\"\nproject = \"nowhere\"\nread_only = true\n");
    let wrong = activate(&[], Some("maybe")).await.failed(2);
    assert!(wrong.contains("the variable SPLITDECK_READ_ONLY"), "{wrong}");
    let wrong = activate(&["--read-only=maybe"], Some("maybe")).await.failed(2);
    assert!(!wrong.contains("SPLITDECK_READ_ONLY"), "{wrong}");
    activate(&[], Some("false")).await.ok();
}

#[tokio::test]
async fn the_next_line_or_the_end_of_the_input_ends_watching_whatever_its_options() {
    let server = TestServer::with_two_drafts().await;
    for watch in [
        "watch",
        "watch --json",
        "watch --every 3600",
        "list --json",
        "watch --once",
    ] {
        let ended = if watch.contains("list") || watch.contains("once") {
            ""
        } else {
            "\n"
        };
        let input = format!("{watch}\n{ended}nonsense\n{watch}\n");
        let out = plain(&server, &["--plain"], &[], &input);
        let out = tokio::time::timeout(Duration::from_secs(60), out);
        let out = out.await.unwrap_or_else(|_| panic!("{watch}: not ended")).ok();
        assert!(
            out.contains("unrecognized subcommand 'nonsense'"),
            "{watch}: {out}"
        );
        assert_eq!(
            out.matches("\"numbersMissing\"").count(),
            if watch.contains("json") { 2 } else { 0 },
            "{out}"
        );
    }
    let out = plain(&server, &["--plain"], &[], "show checkout-button --json\n")
        .await
        .ok();
    assert!(out.contains("\"key\": \"checkout-button\""), "{out}");
}

#[tokio::test]
async fn what_the_screens_show_is_there_as_json() {
    let server = TestServer::with_two_drafts().await;
    let look = on(&server, &["watch", "--once", "--json"]).await.json();
    let keys: Vec<&str> = look["experiments"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|e| e["key"].as_str().expect("a key"))
        .collect();
    assert_eq!(keys.len(), 2, "{look}");
    let history = on(&server, &["history", "checkout-button", "--json"])
        .await
        .json();
    assert_eq!(history["entries"][0]["action"], "experiment.created");
    let text = on(&server, &["history", "checkout-button"]).await.ok();
    assert!(
        text.contains("experiment.created") && text.contains("(version 1)"),
        "{text}"
    );
    let long = on(&server, &["experiments", "history", "checkout-button"]).await;
    assert_eq!(long.ok(), text, "one page, however it is asked for");
    let message = on(&server, &["history", "none"]).await.failed(1);
    assert!(message.contains("ot found"), "{message}");
}
