//! The server as a whole: what survives a restart, who may open its directory, how it stops.

use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use splitdeck::domain::{Environment, Key};
use splitdeck::server::link::nowhere;
use splitdeck::server::setup::{AdminToken, TOKEN_FILE};
use splitdeck::server::store::FILE_NAME;
use splitdeck::server::{Options, Server, ServerError};
use tokio::net::TcpListener;

use crate::support::server::{ADMIN, EDITOR, TestServer, send};
use crate::support::store::{each_store, place, run_sql};

fn options(dir: &std::path::Path) -> Options {
    Options::new(dir, nowhere("ClickHouse is not part of this test"))
}

async fn end(server: Server) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    server
        .serve(listener, std::future::ready(()))
        .await
        .expect("ends");
}

/// Whether a token is taken.
fn known(server: &Server, token: &str) -> bool {
    let snapshot = server.state().registry().snapshot();
    snapshot.access.bearer(token, jiff::Timestamp::now()).is_some()
}

/// Everything that the API tells of the configuration.
async fn everything(server: &TestServer) -> Value {
    let list = server.get("/experiments?archived=true").await.expect(200);
    let mut all = vec![list.clone(), server.get("/me").await.expect(200)];
    for experiment in list["experiments"].as_array().expect("a list") {
        let path = format!("/experiments/{}", experiment["id"].as_str().expect("an id"));
        all.push(server.get(&format!("{path}/overrides")).await.expect(200));
        all.push(server.get(&format!("{path}/history")).await.expect(200));
        let asks: Vec<Value> = (0..50)
            .map(|n| json!({ "experimentId": experiment["id"], "user_id": format!("u{n}") }))
            .collect();
        all.push(server.post("/experiments/assign", &json!(asks)).await.expect(200));
    }
    json!(all)
}

each_store!(all_configuration_survives_a_restart);
async fn all_configuration_survives_a_restart() {
    let server = TestServer::start().await;
    let live = server.active("One").await;
    let set = json!({ "variant": "treatment", "subjectType": "user", "subjectIds": ["u1", "u2"], "source": "manual" });
    server.put("/experiments/one/overrides", &set).await.expect(200);
    let variants = json!([{ "key": "control", "isControl": true, "trafficPct": 30 },
                          { "key": "treatment", "trafficPct": 60.5, "orderIndex": 1, "payload": { "a": [1, null] } }]);
    let change = json!({ "resourceVersion": live["resourceVersion"], "variants": variants,
                         "rules": [{ "variant": "control", "conditions": [
                             { "scope": "event", "field": "properties.plan", "operator": "contains", "value": "pro" }] }] });
    server.patch("/experiments/one", &change).await.expect(200);
    let gone = server.draft("two").await;
    server.to(&gone, "archived").await;
    let before = everything(&server).await;
    let dir = server.stop().await;
    let server = TestServer::start_in(dir, |_| {}).await;
    assert_eq!(everything(&server).await, before);
    let change = json!({ "resourceVersion": 3, "name": "goes on" });
    server.patch("/experiments/one", &change).await.expect(200);
}

each_store!(a_change_whose_audit_entry_cannot_be_written_does_not_happen);
async fn a_change_whose_audit_entry_cannot_be_written_does_not_happen() {
    let server = TestServer::start().await;
    server.active("x").await;
    let before = everything(&server).await;
    run_sql(server.dir.path(), "ALTER TABLE audit RENAME TO elsewhere").await;
    let change = json!({ "resourceVersion": 2, "name": "y" });
    let problem = server
        .patch("/experiments/x", &change)
        .await
        .problem(500, "internal");
    assert!(
        !problem.to_string().contains("audit"),
        "no word of the inside: {problem}"
    );
    let set = json!({ "variant": "control", "subjectType": "user", "subjectIds": ["u1"] });
    server
        .put("/experiments/x/overrides", &set)
        .await
        .problem(500, "internal");
    let create = json!({ "name": "z" });
    server
        .post("/experiments", &create)
        .await
        .problem(500, "internal");
    run_sql(server.dir.path(), "ALTER TABLE elsewhere RENAME TO audit").await;
    assert_eq!(everything(&server).await, before);
    let dir = server.stop().await;
    let server = TestServer::start_in(dir, |_| {}).await;
    assert_eq!(everything(&server).await, before);
    server.patch("/experiments/x", &change).await.expect(200);
}

each_store!(callers_who_hang_up_leave_no_half_change);
async fn callers_who_hang_up_leave_no_half_change() {
    let server = TestServer::start().await;
    server.draft("x").await;
    for round in 0..60_u64 {
        let version = server.get("/experiments/x").await.expect(200)["resourceVersion"].clone();
        let body =
            json!({ "resourceVersion": version, "description": round.to_string(), "sticky": round % 2 == 0 });
        let request = send(
            server
                .request(Method::PATCH, "/experiments/x", EDITOR)
                .json(&body),
        );
        let _ = tokio::time::timeout(Duration::from_micros(round * 50), request).await;
    }
    // Whatever was begun is through once a change of ours is answered.
    loop {
        let version = server.get("/experiments/x").await.expect(200)["resourceVersion"].clone();
        let body = json!({ "resourceVersion": version, "hypothesis": "last" });
        if server.patch("/experiments/x", &body).await.status == 200 {
            break;
        }
    }
    let live = server.get("/experiments/x").await.expect(200);
    let history = server.get("/experiments/x/history").await.expect(200);
    assert_eq!(history["entries"][0]["resourceVersion"], live["resourceVersion"]);
    let before = everything(&server).await;
    let dir = server.stop().await;
    let server = TestServer::start_in(dir, |_| {}).await;
    assert_eq!(everything(&server).await, before, "memory and disk agree");
}

#[tokio::test]
async fn the_first_start_makes_a_token_that_only_the_owner_can_read() {
    let dir = tempfile::tempdir().expect("a directory");
    let data = dir.path().join("not/yet/there");
    let server = Server::open(options(&data)).await.expect("opens");
    let file = data.join(TOKEN_FILE);
    assert_eq!(server.admin_token(), &AdminToken::InFile(file.clone()));
    let mode =
        |path: &std::path::Path| std::fs::metadata(path).expect("is there").permissions().mode() & 0o777;
    for beside in ["", "-wal", "-shm"] {
        assert_eq!(mode(&data.join(format!("{FILE_NAME}{beside}"))), 0o600);
    }
    end(server).await;
    assert_eq!((mode(&file), mode(&data)), (0o600, 0o700));
    let token = std::fs::read_to_string(&file).expect("a token").trim().to_owned();
    assert!(token.len() >= 40, "{token}");
    let database = std::fs::read(data.join(FILE_NAME)).expect("a database");
    let holds = |needle: &str| database.windows(needle.len()).any(|w| w == needle.as_bytes());
    assert!(!holds(&token), "the store holds a hash, not the token");

    // The same token at the next start, also when the file is gone; another one replaces it.
    for remove in [false, true] {
        if remove {
            std::fs::remove_file(&file).expect("removed");
        }
        let server = Server::open(options(&data)).await.expect("opens");
        let there = if remove {
            AdminToken::Elsewhere
        } else {
            AdminToken::InFile(file.clone())
        };
        assert_eq!(server.admin_token(), &there);
        assert!(known(&server, &token));
        end(server).await;
    }
    let mut given = options(&data);
    given.token = Some("a-token-of-my-own".to_owned());
    let server = Server::open(given).await.expect("opens");
    assert_eq!(server.admin_token(), &AdminToken::Given);
    assert!(known(&server, "a-token-of-my-own"));
    assert!(!known(&server, &token), "the admin has one token");
    end(server).await;
    std::fs::write(&file, &token).expect("written");
    let server = Server::open(options(&data)).await.expect("opens");
    let stale = "the file is there, and its token opens nothing any more";
    assert_eq!(server.admin_token(), &AdminToken::Elsewhere, "{stale}");
    end(server).await;
}

#[tokio::test]
async fn a_token_file_without_its_store_entry_is_taken_up() {
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join(TOKEN_FILE);
    std::fs::write(&file, "sd_written-before-the-crash\n").expect("written");
    let server = Server::open(options(dir.path())).await.expect("opens");
    assert!(known(&server, "sd_written-before-the-crash"));
    end(server).await;
    let cut = tempfile::tempdir().expect("a directory");
    std::fs::write(cut.path().join(TOKEN_FILE), "sd_cut").expect("written");
    let server = Server::open(options(cut.path())).await.expect("opens");
    assert!(!known(&server, "sd_cut"));
    let token = std::fs::read_to_string(cut.path().join(TOKEN_FILE)).expect("a token");
    assert!(known(&server, token.trim()));
    end(server).await;
}

#[tokio::test]
async fn a_weak_token_is_refused() {
    let dir = tempfile::tempdir().expect("a directory");
    for token in ["", "short", "with a blank in it", "naïve-and-long-enough"] {
        let mut weak = options(dir.path());
        weak.token = Some(token.to_owned());
        let error = Server::open(weak).await.expect_err("refused");
        assert!(matches!(error, ServerError::Token(_)), "{error}");
        assert!(token.is_empty() || !error.to_string().contains(token), "{error}");
    }
}

each_store!(the_project_is_the_one_of_the_first_start);
async fn the_project_is_the_one_of_the_first_start() {
    let dir = std::sync::Arc::new(tempfile::tempdir().expect("a directory"));
    let server = TestServer::start_in(dir, |options| {
        options.project.key = Key::new("shop-prod").ok();
        options.project.environment = Environment::Production;
        options.project.protected = true;
        options.demo = true;
    })
    .await;
    let me = server.get("/me").await.expect(200);
    let project = &me["project"];
    assert_eq!(
        (&project["key"], &project["name"]),
        (&"shop-prod".into(), &"shop-prod".into())
    );
    assert_eq!(
        (&project["environment"], &project["protected"]),
        (&"production".into(), &true.into())
    );
    assert_eq!(me["demo"], true);
    let dir = server.stop().await;
    let server = TestServer::start_in(dir, |options| options.project.key = Key::new("other").ok()).await;
    assert_eq!(server.get("/me").await.expect(200)["project"], *project);
}

#[tokio::test]
async fn one_server_a_directory() {
    let server = TestServer::start().await;
    let error = Server::open(options(server.dir.path()))
        .await
        .expect_err("in use");
    assert!(matches!(error, ServerError::InUse(_)), "{error}");
    assert!(error.to_string().contains("in use by another"), "{error}");
    let dir = server.stop().await;
    end(Server::open(options(dir.path())).await.expect("free again")).await;
}

#[tokio::test]
async fn it_waits_for_one_that_is_about_to_end() {
    let dir = tempfile::tempdir().expect("a directory");
    let held = |path: &str| {
        let path = dir.path().join(path);
        std::fs::create_dir_all(path.parent().expect("a directory")).expect("made");
        let file = std::fs::File::create(path).expect("created");
        file.try_lock().expect("nobody else has it");
        file
    };
    // Those of the directory and of the spool, given up one after the other.
    let (server, spool) = (held("server.lock"), held("spool/lock"));
    let opening = Server::open(options(dir.path()));
    tokio::pin!(opening);
    let mut waits = async || {
        let opened = tokio::time::timeout(Duration::from_millis(200), &mut opening).await;
        assert!(opened.is_err(), "it neither opens nor gives up: {opened:?}");
    };
    waits().await;
    drop(server);
    // The directory is its own once it waits for the spool.
    let free = || {
        let file = std::fs::File::open(dir.path().join("server.lock")).expect("a file");
        file.try_lock().is_ok()
    };
    let deadline = std::time::Instant::now() + Duration::from_secs(20);
    while free() {
        assert!(
            std::time::Instant::now() < deadline,
            "it does not take the directory"
        );
        waits().await;
    }
    waits().await;
    drop(spool);
    end(opening.await.expect("opens")).await;
}

#[tokio::test]
async fn a_directory_that_cannot_be_used_is_named() {
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join("a-file");
    std::fs::write(&file, "").expect("written");
    let error = Server::open(options(&file.join("below")))
        .await
        .expect_err("no directory");
    assert!(matches!(error, ServerError::DataDir { .. }), "{error}");
    assert!(error.to_string().contains("a-file"), "{error}");
    let broken = tempfile::tempdir().expect("a directory");
    std::fs::write(
        broken.path().join(FILE_NAME),
        "no database at all, but long enough to look like one".repeat(99),
    )
    .expect("written");
    let error = Server::open(options(broken.path()))
        .await
        .expect_err("no database");
    assert!(error.to_string().contains(FILE_NAME), "{error}");
}

#[tokio::test]
async fn a_damaged_database_is_called_that() {
    let dir = tempfile::tempdir().expect("a directory");
    end(Server::open(options(dir.path())).await.expect("opens")).await;
    let file = dir.path().join(FILE_NAME);
    // The last connection to close writes the log into the file, on a thread of its own: damage done before that
    // would be mended by it.
    let log = dir.path().join(format!("{FILE_NAME}-wal"));
    let deadline = std::time::Instant::now() + Duration::from_secs(20);
    while log.exists() {
        assert!(std::time::Instant::now() < deadline, "the log stays");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let mut bytes = std::fs::read(&file).expect("a database");
    // The pages behind the schema.
    let pages = bytes.chunks_mut(4096).skip(3);
    pages.for_each(|page| page[..2000].fill(0x5a));
    std::fs::write(&file, bytes).expect("written");
    let error = Server::open(options(dir.path())).await.expect_err("damaged");
    assert!(
        error.to_string().contains("the file is damaged: check the disk"),
        "{error}"
    );
}

each_store!(a_store_of_a_newer_version_is_left_alone);
async fn a_store_of_a_newer_version_is_left_alone() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut options = options(dir.path());
    options.store = Some(place(dir.path()));
    end(Server::open(options.clone()).await.expect("opens")).await;
    let from_the_future = "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
         SELECT 9999, 'from the future', success, checksum, 0 FROM _sqlx_migrations WHERE version = 1";
    run_sql(dir.path(), from_the_future).await;
    let error = Server::open(options).await.expect_err("newer");
    assert!(error.to_string().contains("newer splitdeck"), "{error}");
}

each_store!(stopping_answers_what_is_under_way);
async fn stopping_answers_what_is_under_way() {
    let server = TestServer::start().await;
    let address = server.base.trim_start_matches("http://").to_owned();
    let body = json!({ "name": "late" }).to_string();
    let (first, rest) = body.split_at(5);
    let head = format!(
        "POST /experiments HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {ADMIN}\r\ncontent-length: {}\r\n\r\n{first}",
        body.len()
    );
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let mut stream = tokio::net::TcpStream::connect(&address).await.expect("connects");
    stream.write_all(head.as_bytes()).await.expect("written");
    // Answered on another connection: the first one was accepted before it.
    server.get("/me").await.expect(200);
    let stopping = tokio::spawn(server.stop());
    // New connections are refused from here on; the old one is still answered.
    while tokio::net::TcpStream::connect(&address).await.is_ok() {
        tokio::task::yield_now().await;
    }
    stream.write_all(rest.as_bytes()).await.expect("written");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("an answer");
    assert!(answer.starts_with("HTTP/1.1 201"), "{answer}");
    let dir = stopping.await.expect("stopped");
    let server = TestServer::start_in(dir, |_| {}).await;
    server.get("/experiments/late").await.expect(200);
}

each_store!(stopping_does_not_wait_for_ever);
async fn stopping_does_not_wait_for_ever() {
    let server = TestServer::start_with(|options| options.drain_limit = Duration::from_millis(300)).await;
    use tokio::io::AsyncWriteExt as _;
    let address = server.base.trim_start_matches("http://").to_owned();
    let mut stream = tokio::net::TcpStream::connect(&address).await.expect("connects");
    let head = format!(
        "POST /experiments HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {ADMIN}\r\ncontent-length: 9\r\n\r\n{{"
    );
    stream.write_all(head.as_bytes()).await.expect("written");
    server.get("/me").await.expect(200);
    tokio::time::timeout(Duration::from_secs(5), server.stop())
        .await
        .expect("in time");
}

#[tokio::test]
async fn a_client_that_sends_nothing_does_not_keep_its_connection() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let server = TestServer::start_with(|options| options.head_limit = Duration::from_millis(200)).await;
    let address = server.base.trim_start_matches("http://").to_owned();
    let request = "GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n";
    // Silent from the start, in the middle of a head, and after an answer.
    for sent in ["", &request[..20], request] {
        let mut stream = tokio::net::TcpStream::connect(&address).await.expect("connects");
        stream.write_all(sent.as_bytes()).await.expect("written");
        let mut answer = String::new();
        tokio::time::timeout(Duration::from_secs(30), stream.read_to_string(&mut answer))
            .await
            .expect("the server hangs up")
            .expect("in order");
        assert_eq!(
            answer.starts_with("HTTP/1.1 200"),
            sent == request,
            "{sent}: {answer}"
        );
    }
    // A slow answer to a whole request is no silence of the client.
    server.get("/me").await.expect(200);
}

each_store!(a_row_that_cannot_be_read_is_named_at_the_start);
async fn a_row_that_cannot_be_read_is_named_at_the_start() {
    let server = TestServer::start().await;
    let experiment = server.active("x").await;
    let set = json!({ "variant": "treatment", "subjectType": "user", "subjectIds": ["somebody"] });
    server.put("/experiments/x/overrides", &set).await.expect(200);
    let flag = server.get("/flags/x").await.expect(200);
    let id = |of: &Value| of["id"].as_str().expect("an id").to_owned();
    let (experiment, flag) = (id(&experiment), id(&flag));
    let dir = server.stop().await;
    for (table, which, broken, sound) in [
        (
            "experiments",
            experiment.as_str(),
            format!("UPDATE experiments SET document = 'x' || document WHERE id = '{experiment}'"),
            "UPDATE experiments SET document = substr(document, 2)".to_owned(),
        ),
        (
            "objects",
            flag.as_str(),
            format!("UPDATE objects SET document = 'x' || document WHERE id = '{flag}'"),
            format!("UPDATE objects SET document = substr(document, 2) WHERE id = '{flag}'"),
        ),
        (
            "overrides",
            "somebody",
            "UPDATE overrides SET source = 'of a newer'".to_owned(),
            "UPDATE overrides SET source = 'fixed'".to_owned(),
        ),
        (
            "overrides",
            experiment.as_str(),
            "UPDATE overrides SET variant = 'no key'".to_owned(),
            "UPDATE overrides SET variant = 'treatment'".to_owned(),
        ),
        (
            "bearers",
            "editor",
            "UPDATE bearers SET roles = '[]' WHERE name = 'editor'".to_owned(),
            String::new(),
        ),
    ] {
        run_sql(dir.path(), broken).await;
        let mut options = options(dir.path());
        options.store = Some(place(dir.path()));
        let error = Server::open(options).await.expect_err("it does not start");
        let told = error.to_string();
        for part in [
            &format!("row of the table `{table}`"),
            which,
            "put the row back from a backup",
            "docs/operators.md",
        ] {
            assert!(told.contains(part), "{part}: {told}");
        }
        if !sound.is_empty() {
            run_sql(dir.path(), sound).await;
        }
    }
}

#[tokio::test]
async fn lock_files_are_their_owners_alone() {
    let server = TestServer::start().await;
    for lock in ["server.lock", "spool/lock"] {
        let path = server.dir.path().join(lock);
        let mode = std::fs::metadata(&path).expect(lock).permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{lock}");
    }
}
