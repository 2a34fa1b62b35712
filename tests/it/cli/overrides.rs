//! `splitdeck overrides`.

use serde_json::json;

use crate::support::server::TestServer;
use crate::support::store::each_store;

use super::{on, with_input};

each_store!(set_list_and_delete);
async fn set_list_and_delete() {
    let server = TestServer::start().await;
    server.active("exp").await;
    let set = ["overrides", "set", "exp", "--variant", "treatment"];
    let some = [&set[..], &["--user", "alice", "--user", "bob", "--device", "d1"]].concat();
    assert_eq!(
        on(&server, &some).await.ok(),
        "treatment: 3 added, 0 changed, 0 as they were\n"
    );
    let again = on(&server, &[&some[..], &["--json"]].concat()).await.json();
    assert_eq!(again, json!({"added": 0, "changed": 0, "unchanged": 3}));
    let unknown = on(
        &server,
        &["overrides", "set", "exp", "--variant", "nobody", "--user", "x"],
    )
    .await
    .failed(2);
    assert!(unknown.contains("variant"), "{unknown}");
    assert!(on(&server, &set).await.failed(2).contains("--users-from"));

    let list = on(&server, &["overrides", "list", "exp"]).await.ok();
    assert!(list.contains("user     alice  treatment  fixed"), "{list}");
    assert!(
        list.ends_with("3 overrides in all: 3 fixed, 0 manual\n"),
        "{list}"
    );
    let json = on(&server, &["overrides", "list", "exp", "--search", "ob", "--json"])
        .await
        .json();
    assert_eq!(json["overrides"].as_array().map(Vec::len), Some(1));

    let text = on(&server, &["explain", "exp", "--user", "bob"]).await.ok();
    assert!(text.starts_with("treatment (override, cohort 1)\n"), "{text}");
    let delete = ["overrides", "delete", "exp", "--user", "bob"];
    assert_eq!(on(&server, &delete).await.ok(), "1 override deleted\n");
    // One that has none does not keep the others.
    let two = [&delete[..3], &["--user", "bob", "--user", "alice"]].concat();
    let message = on(&server, &two).await.failed(1);
    assert!(
        message.contains("1 of 2 are deleted, not found: bob; the first: Not found"),
        "{message}"
    );
    assert!(
        on(&server, &delete[..3])
            .await
            .failed(2)
            .contains("--user or --device")
    );
}

#[tokio::test]
async fn a_file_that_takes_several_requests_and_pages() {
    let server = TestServer::start().await;
    server.active("exp").await;
    let ids: String = (0..50_001).map(|id| format!("user-{id:05}\n")).collect();
    let set = [
        "overrides",
        "set",
        "exp",
        "--variant",
        "control",
        "--users-from",
        "-",
    ];
    let done = with_input(&server, &set, &ids).await.ok();
    assert_eq!(done, "control: 50,001 added, 0 changed, 0 as they were\n");

    let some = on(
        &server,
        &["overrides", "list", "exp", "--limit", "1500", "--json"],
    )
    .await
    .json();
    assert_eq!(some["overrides"].as_array().map(Vec::len), Some(1_500));
    assert_eq!(
        (&some["manual"], &some["nextAfter"]),
        (&json!(50_001), &json!("user:user-01499"))
    );
    let few = on(&server, &["overrides", "list", "exp", "--limit", "2"])
        .await
        .ok();
    assert_eq!(few.lines().count(), 6, "{few}");
    assert!(few.contains("more than these"), "{few}");
    let all = on(
        &server,
        &[
            "overrides",
            "list",
            "exp",
            "--search",
            "user-000",
            "--all",
            "--json",
        ],
    )
    .await
    .json();
    assert_eq!(all["overrides"].as_array().map(Vec::len), Some(100));
    assert_eq!(all["nextAfter"], json!(null));
}

each_store!(of_a_flag);
async fn of_a_flag() {
    let server = TestServer::start().await;
    // An experiment of the same key is another matter.
    server.active("dark").await;
    on(&server, &["flags", "create", "dark-2"]).await.ok();
    let dark = ["overrides", "--flag"];
    let run = async |args: &[&str]| on(&server, &[&dark[..], args].concat()).await;
    let set = run(&[
        "set",
        "dark-2",
        "--variant",
        "on",
        "--user",
        "alice",
        "--device",
        "d1",
    ])
    .await
    .ok();
    assert_eq!(set, "on: 2 added, 0 changed, 0 as they were\n");
    let file = tempfile::NamedTempFile::new().expect("a file");
    let ids: String = (0..12_000).map(|n| format!("u{n:05}\n")).collect();
    std::fs::write(file.path(), ids).expect("written");
    let path = file.path().to_str().expect("text");
    let import = ["import", "dark-2", path, "--variant", "on"];
    let text = run(&[&import[..], &["--yes"]].concat()).await.ok();
    assert!(
        text.contains("applied: 2 of 2 chunks are in force: 12,000 added"),
        "{text}"
    );
    let list = run(&["list", "dark-2", "--search", "u1199"]).await.ok();
    assert!(list.contains("user     u11990  on       manual"), "{list}");
    assert!(
        list.ends_with("12,002 overrides in all: 2 fixed, 12,000 manual\n"),
        "{list}"
    );

    // What it says to go on with goes on.
    let refused = with_input(&server, &[&dark[..], &import].concat(), "n\n").await;
    assert_eq!(refused.code, 1);
    let said = refused.err.split('`').nth(1).expect("a command").to_owned();
    let args: Vec<&str> = said.split(' ').skip(1).collect();
    assert_eq!(args[..4], ["overrides", "import", "--flag", "dark-2"]);
    on(&server, &[&args[..], &["--yes"]].concat()).await.ok();
    let imports = server.get("/flags/dark-2/override-imports").await.expect(200);
    let first = imports["imports"][1]["id"].as_str().expect("an id");
    let undone = run(&["import", "dark-2", "--undo", first, "--yes"]).await.ok();
    assert!(
        undone.contains("taken back: 12,000 have what they had before"),
        "{undone}"
    );
    run(&["delete", "dark-2", "--user", "alice"]).await.ok();
    let left = server.get("/flags/dark-2/overrides").await.expect(200);
    assert_eq!((&left["fixed"], &left["manual"]), (&json!(1), &json!(0)));
    let others = server.get("/experiments/dark/overrides").await.expect(200);
    assert_eq!(others["fixed"], 0, "the experiment's are left alone");
    let missing = run(&["list", "nowhere"]).await.failed(1);
    assert!(missing.contains("no flag `nowhere`"), "{missing}");
}
