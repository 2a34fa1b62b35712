//! `/experiments/{idOrKey}/override-imports`.

use reqwest::Method;
use serde_json::{Value, json};
use splitdeck::server::imports;
use splitdeck::server::registry::Registry;
use splitdeck::server::store::Store;

use crate::support::server::{ADMIN, Answer, EDITOR, TestServer, VIEWER, send};
use crate::support::store::{each_store, place, run_sql};
use crate::support::warehouse::{drained, exposure, server_with_clickhouse};

const PATH: &str = "/experiments/x/override-imports";

/// The ids `u00000`, `u00001`, …
fn ids(range: std::ops::Range<u32>) -> String {
    range.map(|n| format!("u{n:05}\n")).collect()
}

async fn upload(
    server: &TestServer,
    query: &str,
    key: Option<&str>,
    body: impl Into<reqwest::Body>,
) -> Answer {
    let mut request = server
        .request(Method::POST, &format!("{PATH}?{query}"), EDITOR)
        .body(body);
    if let Some(key) = key {
        request = request.header("idempotency-key", key);
    }
    send(request).await
}

async fn stage(server: &TestServer, variant: &str, body: String) -> Value {
    let query = format!("variant={variant}&subjectType=user");
    upload(server, &query, None, body).await.expect(201)
}

async fn step(server: &TestServer, import: &Value, way: &str, chunks: Option<u32>) -> Answer {
    let path = format!("{PATH}/{}", import["id"].as_str().expect("an id"));
    step_at(server, &path, way, chunks).await
}

/// Like [`step`], for an import at any path. One request goes on for ten seconds at most, which may be less than all
/// chunks on a busy machine: a client that wants all of them asks again, and so does this.
async fn step_at(server: &TestServer, path: &str, way: &str, chunks: Option<u32>) -> Answer {
    loop {
        let answer = server
            .post(&format!("{path}/{way}"), &json!({ "chunks": chunks }))
            .await;
        let is_over = !matches!(answer.body["state"].as_str(), Some("applying" | "undoing"));
        if is_over || chunks.is_some() {
            return answer;
        }
    }
}

async fn effect(server: &TestServer, import: &Value) -> Value {
    let path = format!("{PATH}/{}", import["id"].as_str().expect("an id"));
    server.get(&path).await.expect(200)["effect"].clone()
}

fn counted(added: u32, changed: Value, unchanged: u32) -> Value {
    let sum: u64 = changed
        .as_object()
        .expect("counts")
        .values()
        .filter_map(Value::as_u64)
        .sum();
    json!({ "added": added, "changed": sum, "changedFrom": changed, "unchanged": unchanged })
}

async fn set(server: &TestServer, variant: &str, ids: &[&str]) {
    let body = json!({ "variant": variant, "subjectType": "user", "subjectIds": ids });
    server.put("/experiments/x/overrides", &body).await.expect(200);
}

/// Variant and reason that a user gets.
async fn served(server: &TestServer, user: &str) -> (String, String) {
    let ask = json!({ "experimentId": "x", "user_id": user });
    let answer = server.post("/experiments/assign", &ask).await.expect(200);
    let text = |name: &str| answer[name].as_str().expect("a text").to_owned();
    (text("variantId"), text("reason"))
}

async fn totals(server: &TestServer) -> (Value, Value) {
    let page = server.get("/experiments/x/overrides?limit=1").await.expect(200);
    (page["fixed"].clone(), page["manual"].clone())
}

each_store!(nothing_is_in_force_until_it_is_applied_and_everything_can_be_taken_back);
async fn nothing_is_in_force_until_it_is_applied_and_everything_can_be_taken_back() {
    let server = TestServer::start().await;
    server.active("x").await;
    set(&server, "control", &["u00000", "u00001", "u24999"]).await;
    set(&server, "treatment", &["u00002"]).await;
    let body = format!("\u{feff}{}u00000,\"u00001\"\r\n\r\nbad\u{7}id\n", ids(0..25_000));
    let import = stage(&server, "TREATMENT", body).await;
    let expected = json!({
        "experiment": "x", "variant": "treatment", "subjectType": "user", "state": "staged",
        "received": 25_003, "unique": 25_000, "duplicates": 2, "malformed": 1,
        "malformedLines": [{"line": 25_003, "given": "bad\\u{7}id", "allowed": "no control characters"}],
        "first": ["u00000", "u00001", "u00002"], "last": ["u24999", "u00000", "u00001"],
        "effect": counted(24_996, json!({"control": 3}), 1), "chunks": 3, "appliedChunks": 0,
        "undone": 0, "kept": 0, "actor": "editor", "exposedElsewhere": null,
        "exposedUnknown": "ClickHouse is not available: ClickHouse is not part of this test",
    });
    for (name, value) in expected.as_object().expect("an object") {
        assert_eq!(&import[name], value, "{name}");
    }
    assert_eq!(served(&server, "u00000").await.0, "control");
    assert_eq!(totals(&server).await, (4.into(), 0.into()));

    // The dry run is of now.
    set(&server, "control", &["u00003"]).await;
    assert_eq!(
        effect(&server, &import).await,
        counted(24_995, json!({"control": 4}), 1)
    );

    let one = step(&server, &import, "apply", Some(1)).await.expect(200);
    assert_eq!(
        (&one["state"], &one["appliedChunks"]),
        (&"applying".into(), &1.into())
    );
    assert_eq!(one["effect"], counted(9_996, json!({"control": 3}), 1));
    assert_eq!(
        served(&server, "u00000").await,
        ("treatment".into(), "override".into())
    );
    assert_eq!(served(&server, "u24999").await.0, "control");
    let problem = server
        .delete(&format!("{PATH}/{}", import["id"].as_str().expect("an id")))
        .await;
    problem.problem(409, "bad_transition");

    let all = step(&server, &import, "apply", None).await.expect(200);
    assert_eq!(
        (&all["state"], &all["appliedChunks"]),
        (&"applied".into(), &3.into())
    );
    assert_eq!(all["effect"], counted(24_995, json!({"control": 4}), 1));
    assert_eq!(served(&server, "u24999").await.0, "treatment");
    assert_eq!(totals(&server).await, (1.into(), 24_999.into()));
    // Once more does nothing.
    assert_eq!(step(&server, &import, "apply", None).await.expect(200), all);

    // Somebody changes one and removes another meanwhile.
    set(&server, "control", &["u00004"]).await;
    let remove = "/experiments/x/overrides?subjectType=user&subjectId=u00005";
    server.delete(remove).await.expect(204);
    let undone = step(&server, &import, "undo", Some(1)).await.expect(200);
    assert_eq!(
        (&undone["state"], &undone["appliedChunks"]),
        (&"undoing".into(), &2.into())
    );
    assert_eq!((&undone["undone"], &undone["kept"]), (&5_000.into(), &0.into()));
    step(&server, &import, "apply", None)
        .await
        .problem(409, "bad_transition");
    let undone = step(&server, &import, "undo", None).await.expect(200);
    assert_eq!(
        (&undone["state"], &undone["appliedChunks"]),
        (&"undone".into(), &0.into())
    );
    assert_eq!((&undone["undone"], &undone["kept"]), (&24_997.into(), &2.into()));
    assert_eq!(undone["effect"], counted(0, json!({}), 0));
    assert_eq!(step(&server, &import, "undo", None).await.expect(200), undone);
    assert_eq!(totals(&server).await, (6.into(), 0.into()));
    for (user, variant) in [
        ("u00000", "control"),
        ("u00002", "treatment"),
        ("u00003", "control"),
        ("u00004", "control"),
        ("u24999", "control"),
    ] {
        assert_eq!(
            served(&server, user).await,
            (variant.into(), "override".into()),
            "{user}"
        );
    }
    assert_ne!(served(&server, "u00005").await.1, "override");

    // The log agrees, with one entry for each way.
    let log = server.get("/experiments/x/history").await.expect(200);
    let entries = log["entries"].as_array().expect("entries");
    let of_import: Vec<&Value> = entries
        .iter()
        .filter(|e| e["evidence"]["import"] == import["id"])
        .collect();
    let [undo, apply] = of_import[..] else {
        panic!("{of_import:?}")
    };
    assert_eq!(
        (&undo["action"], &undo["actor"]),
        (&"experiment.overrides_imported".into(), &"admin".into())
    );
    let said = |entry: &Value, names: &[&str]| -> Vec<Value> {
        names.iter().map(|n| entry["evidence"][*n].clone()).collect()
    };
    assert_eq!(
        said(undo, &["undone", "kept", "chunks"]),
        [json!(24_997), json!(2), json!(3)]
    );
    assert_eq!(
        said(
            apply,
            &[
                "added",
                "changed",
                "unchanged",
                "changedFrom",
                "chunks",
                "ofChunks"
            ]
        ),
        [
            json!(24_995),
            json!(4),
            json!(1),
            json!({"control": 4}),
            json!(3),
            json!(3)
        ]
    );
    assert_eq!(apply["changes"].as_array().map(Vec::len), Some(100));
    assert_eq!(
        apply["changes"][0],
        json!({"field": "overrides.user:u00000", "from": "control", "to": "treatment"})
    );

    let taken_back = undo["changes"].as_array().expect("changes");
    assert_eq!(taken_back.len(), 100);
    assert!(
        taken_back.iter().all(|change| change["from"] == "treatment"),
        "{undo}"
    );
    let first = json!({"field": "overrides.user:u20000", "from": "treatment", "to": null});
    assert!(taken_back.contains(&first), "{undo}");

    // And so does what is loaded at the next start.
    let dir = server.stop().await;
    let server = TestServer::start_in(dir, |_| {}).await;
    assert_eq!(totals(&server).await, (6.into(), 0.into()));
    let path = format!("{PATH}/{}", import["id"].as_str().expect("an id"));
    assert_eq!(server.get(&path).await.expect(200), undone);
    server.delete(&path).await.expect(204);
    server.get(&path).await.problem(404, "not_found");
    assert_eq!(server.get(PATH).await.expect(200), json!({ "imports": [] }));
}

#[tokio::test]
async fn a_list_as_json_is_refused_with_what_to_send() {
    let server = TestServer::start().await;
    server.active("x").await;
    let path = format!("{PATH}?variant=treatment&subjectType=user");
    let said = || server.request(Method::POST, &path, EDITOR);
    let json = said().header("content-type", "Application/JSON; charset=utf-8");
    for request in [json.body("a\nb"), said().body("[\"a\", \"b\"]")] {
        let problem = send(request).await.problem(400, "malformed");
        assert!(
            problem["detail"]
                .as_str()
                .is_some_and(|d| d.contains("one a line")),
            "{problem}"
        );
    }
    assert_eq!(server.get(PATH).await.expect(200)["imports"], json!([]));
    let text = said().header("content-type", "text/plain").body("{a}\n{b}");
    assert_eq!(send(text).await.expect(201)["unique"], 2);
}

#[tokio::test]
async fn the_key_of_an_import_that_is_taken_back_in_part_says_so() {
    let server = TestServer::start().await;
    server.active("x").await;
    let query = "variant=treatment&subjectType=user";
    let upload = || upload(&server, query, Some("k"), ids(0..25_000));
    let import = upload().await.expect(201);
    let import = step(&server, &import, "apply", None).await.expect(200);
    let import = step(&server, &import, "undo", Some(1)).await.expect(200);
    let problem = upload().await.problem(409, "idempotency_conflict");
    let left = format!(
        "taken back in part: {} of its {} chunks are in force",
        import["appliedChunks"], import["chunks"]
    );
    assert_ne!(import["appliedChunks"], 0);
    assert!(
        problem["detail"].as_str().is_some_and(|d| d.contains(&left)),
        "{problem}"
    );
}

each_store!(the_same_upload_is_the_same_import);
async fn the_same_upload_is_the_same_import() {
    let server = TestServer::start().await;
    server.active("x").await;
    let query = "variant=treatment&subjectType=user&sourceName=list.txt";
    let first = upload(&server, query, Some("k1"), "a\nb\n").await.expect(201);
    let again = upload(&server, query, Some("k1"), "a\nb\n").await.expect(200);
    assert_eq!(again, first);
    for (query, body, differs) in [
        (query, "a\nb", "body"),
        (
            "variant=control&subjectType=user&sourceName=list.txt",
            "a\nb\n",
            "variant",
        ),
        (
            "variant=treatment&subjectType=device&sourceName=list.txt",
            "a\nb\n",
            "subjectType",
        ),
        ("variant=treatment&subjectType=user", "a\nb\n", "sourceName"),
    ] {
        let refused = upload(&server, query, Some("k1"), body).await;
        let problem = refused.problem(409, "idempotency_conflict");
        assert!(
            problem["detail"].as_str().is_some_and(|d| d.contains(differs)),
            "{problem}"
        );
    }
    let other = upload(&server, query, Some("k2"), "a\nb\n").await.expect(201);
    assert_ne!(other["id"], first["id"]);
    // It stays the same while it is applied.
    step(&server, &first, "apply", None).await.expect(200);
    let again = upload(&server, query, Some("k1"), "a\nb\n").await.expect(200);
    assert_eq!((&again["id"], &again["state"]), (&first["id"], &"applied".into()));
    let list = server.get(PATH).await.expect(200);
    let listed: Vec<&Value> = list["imports"]
        .as_array()
        .expect("imports")
        .iter()
        .map(|i| &i["id"])
        .collect();
    assert_eq!(listed, [&other["id"], &first["id"]], "the newest first");

    // What was taken back is not put in force by being sent again.
    step(&server, &first, "undo", None).await.expect(200);
    let refused = upload(&server, query, Some("k1"), "a\nb\n").await;
    let problem = refused.problem(409, "idempotency_conflict");
    let detail = problem["detail"].as_str().expect("text");
    assert!(
        detail.contains("taken back") && detail.contains("another key"),
        "{problem}"
    );

    // Many at once: one is new, the others are the same.
    let uploads = (0..6).map(|_| upload(&server, query, Some("k3"), ids(0..3_000)));
    let answers = futures_util::future::join_all(uploads).await;
    assert_eq!(answers.iter().filter(|a| a.status == 201).count(), 1);
    assert!(answers.iter().all(|a| a.body["id"] == answers[0].body["id"]));
}

each_store!(several_clients_may_apply_the_same_import);
async fn several_clients_may_apply_the_same_import() {
    let server = TestServer::start().await;
    server.active("x").await;
    let import = stage(&server, "treatment", ids(0..45_000)).await;
    let clients = (0..4).map(|n| step(&server, &import, "apply", Some(1 + n)));
    let answers = futures_util::future::join_all(clients).await;
    assert!(answers.iter().all(|a| a.status == 200));
    let all = step(&server, &import, "apply", None).await.expect(200);
    assert_eq!(all["effect"], counted(45_000, json!({}), 0));
    assert_eq!(totals(&server).await, (0.into(), 45_000.into()));
    // One by an editor, after the administrator's: each has an entry of its own.
    let other = stage(&server, "control", ids(0..25_000)).await;
    step(&server, &other, "apply", Some(1)).await.expect(200);
    let path = format!("{PATH}/{}/apply", other["id"].as_str().expect("an id"));
    send(server.request(Method::POST, &path, EDITOR))
        .await
        .expect(200);
    let log = server.get("/experiments/x/history").await.expect(200);
    let entries = log["entries"].as_array().expect("entries");
    let of_import = entries.iter().filter(|e| e["evidence"]["import"] == other["id"]);
    let told: Vec<(&Value, &Value)> = of_import
        .map(|e| (&e["actor"], &e["evidence"]["changed"]))
        .collect();
    assert_eq!(
        told,
        [
            (&"editor".into(), &15_000.into()),
            (&"admin".into(), &10_000.into())
        ]
    );
    // The first import has nothing left of the first 25,000.
    let undone = step(&server, &import, "undo", None).await.expect(200);
    assert_eq!(
        (&undone["undone"], &undone["kept"]),
        (&20_000.into(), &25_000.into())
    );
    assert_eq!(totals(&server).await, (0.into(), 25_000.into()));
}

each_store!(the_difference_can_be_browsed);
async fn the_difference_can_be_browsed() {
    let server = TestServer::start().await;
    server.active("x").await;
    set(&server, "control", &["u00007", "u12345"]).await;
    set(&server, "treatment", &["u00009", "u19999"]).await;
    let import = stage(&server, "treatment", ids(0..20_001)).await;
    let path = format!("{PATH}/{}/rows", import["id"].as_str().expect("an id"));
    let rows = async |query: &str| server.get(&format!("{path}?{query}")).await.expect(200);
    let all_as_planned = async || {
        let changed = rows("effect=changed").await;
        let expected = json!([
            {"subjectId": "u00007", "effect": "changed", "from": "control"},
            {"subjectId": "u12345", "effect": "changed", "from": "control"},
        ]);
        assert_eq!(changed["rows"], expected);
        assert_eq!(changed["nextAfter"], Value::Null);
        let unchanged = rows("effect=unchanged&limit=1").await;
        assert_eq!(
            unchanged["rows"],
            json!([{"subjectId": "u00009", "effect": "unchanged", "from": "treatment"}])
        );
        let next = rows(&format!("effect=unchanged&after={}", unchanged["nextAfter"])).await;
        assert_eq!(next["rows"][0]["subjectId"], "u19999");
        assert_eq!(next["nextAfter"], Value::Null);
        let found = rows("search=999&limit=1000&effect=added").await;
        // 999, 1999, …, 18999; 9990 … 9999; 19990 … 19998.
        assert_eq!(found["rows"].as_array().map(Vec::len), Some(19 + 9 + 9));
        let (mut after, mut seen) = (json!(0), 0);
        while after != Value::Null {
            let page = rows(&format!("limit=999&after={after}")).await;
            for row in page["rows"].as_array().expect("rows") {
                assert_eq!(row["subjectId"], format!("u{seen:05}"));
                seen += 1;
            }
            after = page["nextAfter"].clone();
        }
        assert_eq!(seen, 20_001);
    };
    all_as_planned().await;
    // In part, and all in force: then it says what was done.
    step(&server, &import, "apply", Some(1)).await.expect(200);
    all_as_planned().await;
    step(&server, &import, "apply", None).await.expect(200);
    all_as_planned().await;
    for query in ["limit=0", "limit=1001", "effect=none", "after=-1", "sort=up"] {
        let refused = server
            .get(&format!("{path}?{query}"))
            .await
            .refused(400, "invalid");
        assert_eq!(refused, [query.split('=').next().expect("a name")]);
    }
}

#[tokio::test]
async fn every_refusal_says_what_to_do() {
    let server = TestServer::start_with(|options| {
        options.import_limits.ids = 1_000;
        options.import_limits.bytes = 20_000;
    })
    .await;
    server.draft("x").await;
    for (query, fields) in [
        ("subjectType=user", &["variant"][..]),
        ("variant=nobody&subjectType=user", &["variant"]),
        ("variant=control&subjectType=team", &["subjectType"]),
        ("variant=control&subjectType=user&more=1", &["more"]),
        ("variant=control&subjectType=user&sourceName=", &["sourceName"]),
    ] {
        assert_eq!(
            upload(&server, query, None, "a").await.refused(400, "invalid"),
            fields,
            "{query}"
        );
    }
    let query = "variant=control&subjectType=user";
    let long = "k".repeat(201);
    for key in ["", &long] {
        let refused = upload(&server, query, Some(key), "a").await;
        assert_eq!(refused.refused(400, "invalid"), ["idempotency-key"]);
    }
    for (body, named) in [("", "body"), (" \n,,\n\"\"\n", "body"), ("a\u{1}\n", "line 1")] {
        assert_eq!(
            upload(&server, query, None, body).await.refused(400, "invalid"),
            [named]
        );
    }
    let utf16 = upload(&server, query, None, &b"\xff\xfea\0"[..])
        .await
        .problem(400, "malformed");
    assert!(
        utf16["detail"].as_str().is_some_and(|d| d.contains("UTF-8")),
        "{utf16}"
    );
    for (body, told) in [
        (ids(0..1_001), "more than 1000 ids"),
        ("x".repeat(20_001), "larger than 20000 bytes"),
    ] {
        let problem = upload(&server, query, None, body).await.problem(413, "too_large");
        assert!(
            problem["detail"].as_str().is_some_and(|d| d.contains(told)),
            "{problem}"
        );
    }
    assert_eq!(server.get(PATH).await.expect(200), json!({ "imports": [] }));

    let import = stage(&server, "control", ids(0..1_000)).await;
    let id = import["id"].as_str().expect("an id");
    step(&server, &import, "undo", None)
        .await
        .problem(409, "bad_transition");
    assert_eq!(
        step(&server, &import, "apply", Some(0))
            .await
            .refused(400, "invalid"),
        ["chunks"]
    );
    for path in [
        format!("{PATH}/nonsense"),
        format!("{PATH}/{}", uuid::Uuid::nil()),
        format!("{PATH}/nonsense/rows"),
    ] {
        server.get(&path).await.problem(404, "not_found");
    }
    server.draft("y").await;
    let elsewhere = format!("/experiments/y/override-imports/{id}");
    server.get(&elsewhere).await.problem(404, "not_found");
    server.delete(&elsewhere).await.problem(404, "not_found");
    server
        .post(&format!("{elsewhere}/apply"), &json!({}))
        .await
        .problem(404, "not_found");
    for (method, path) in [
        (Method::POST, format!("{PATH}?{query}")),
        (Method::POST, format!("{PATH}/{id}/apply")),
        (Method::POST, format!("{PATH}/{id}/undo")),
        (Method::DELETE, format!("{PATH}/{id}")),
    ] {
        send(server.request(method, &path, VIEWER))
            .await
            .problem(403, "forbidden");
    }
    send(server.request(Method::GET, &format!("{PATH}/{id}/rows"), VIEWER))
        .await
        .expect(200);
    assert_eq!(totals(&server).await, (0.into(), 0.into()));

    // A variant that is gone by the time the chunks land.
    let mut other = server.get("/experiments/y").await.expect(200);
    other["variants"]
        .as_array_mut()
        .expect("variants")
        .push(json!({"key": "extra", "name": "Extra", "trafficPct": 0, "orderIndex": 2}));
    let body = json!({ "resourceVersion": other["resourceVersion"], "variants": other["variants"] });
    let with_extra = server.patch("/experiments/y", &body).await.expect(200);
    let path = "/experiments/y/override-imports";
    let request = server.request(
        Method::POST,
        &format!("{path}?variant=extra&subjectType=user"),
        ADMIN,
    );
    let import = send(request.body("a")).await.expect(201);
    let mut variants = with_extra["variants"].as_array().expect("variants").clone();
    variants.pop();
    let body = json!({ "resourceVersion": with_extra["resourceVersion"], "variants": variants });
    server.patch("/experiments/y", &body).await.expect(200);
    let apply = format!("{path}/{}/apply", import["id"].as_str().expect("an id"));
    assert_eq!(
        server.post(&apply, &json!({})).await.refused(400, "invalid"),
        ["variant"]
    );
}

/// A body that breaks off leaves nothing behind.
#[tokio::test]
async fn an_upload_that_breaks_off_leaves_nothing() {
    let server = TestServer::start().await;
    server.draft("x").await;
    use tokio::io::AsyncWriteExt as _;
    let address = server.base.trim_start_matches("http://");
    let mut stream = tokio::net::TcpStream::connect(address).await.expect("connects");
    let head = format!(
        "POST {PATH}?variant=control&subjectType=user HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {ADMIN}\r\n\
         content-length: 100000\r\nidempotency-key: k\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.expect("written");
    stream.write_all(ids(0..1_000).as_bytes()).await.expect("written");
    drop(stream);
    let whole = upload(&server, "variant=control&subjectType=user", Some("k"), ids(0..10))
        .await
        .expect(201);
    assert_eq!(whole["unique"], 10);
    let list = server.get(PATH).await.expect(200);
    assert_eq!(list["imports"].as_array().map(Vec::len), Some(1));
}

/// Few ids are named in the query, many are compared by their hash.
#[tokio::test]
async fn who_was_exposed_to_another_variant_is_counted() {
    let server = server_with_clickhouse().await;
    let live = server.active("x").await;
    let at = "2026-01-05T10:00:00Z";
    let events = [
        exposure(&live, "u00001", "control", at),
        exposure(&live, "u00001", "control", "2026-01-06T10:00:00Z"),
        exposure(&live, "u00002", "CONTROL", at),
        exposure(&live, "u00003", "Treatment", at),
        exposure(&live, "nobody", "control", at),
    ];
    server.post("/track", &json!(events)).await.expect(200);
    drained(&server).await;
    for count in [100, 30_000, 60_000] {
        let import = stage(&server, "treatment", ids(0..count)).await;
        assert_eq!(import["exposedElsewhere"], 2, "{import:#}");
        assert_eq!(import["exposedUnknown"], Value::Null);
        let import = stage(&server, "control", ids(0..count)).await;
        assert_eq!(import["exposedElsewhere"], 1);
    }
    let query = "variant=treatment&subjectType=device";
    assert_eq!(
        upload(&server, query, None, "u00001").await.expect(201)["exposedElsewhere"],
        0
    );
}

each_store!(a_flag_takes_lists_as_an_experiment_does);
async fn a_flag_takes_lists_as_an_experiment_does() {
    let server = TestServer::start().await;
    let flag = json!({ "name": "dark", "key": "dark" });
    server.post("/flags", &flag).await.expect(201);
    let path = "/flags/dark/override-imports";
    let request = server.request(
        Method::POST,
        &format!("{path}?variant=on&subjectType=user"),
        EDITOR,
    );
    let import = send(request.body(ids(0..12_000))).await.expect(201);
    assert_eq!(
        (&import["experiment"], &import["chunks"]),
        (&"dark".into(), &2.into())
    );
    let one = format!("{path}/{}", import["id"].as_str().expect("an id"));
    let applied = step_at(&server, &one, "apply", None).await.expect(200);
    assert_eq!(applied["effect"]["added"], 12_000);
    let overrides = server.get("/flags/dark/overrides?limit=1").await.expect(200);
    assert_eq!(overrides["manual"], 12_000);
    let rows = server
        .get(&format!("{one}/rows?effect=added&limit=1"))
        .await
        .expect(200);
    assert_eq!(rows["rows"][0]["subjectId"], "u00000");
    let log = server.get("/flags/dark/history").await.expect(200);
    assert_eq!(log["entries"][0]["action"], "flag.overrides_imported");
    // It is the flag's, not that of an experiment of the same key.
    server.draft("dark").await;
    let elsewhere = one.replace("/flags/", "/experiments/");
    server.get(&elsewhere).await.problem(404, "not_found");
    step_at(&server, &one, "undo", None).await.expect(200);
    let overrides = server.get("/flags/dark/overrides?limit=1").await.expect(200);
    assert_eq!(overrides["manual"], 0);
}

each_store!(long_after_it_was_applied_an_import_cannot_be_undone_and_says_so);
async fn long_after_it_was_applied_an_import_cannot_be_undone_and_says_so() {
    let server = TestServer::start().await;
    server.active("x").await;
    let old = stage(&server, "treatment", ids(0..12_000)).await;
    step(&server, &old, "apply", None).await.expect(200);
    let half = stage(&server, "treatment", ids(12_000..24_000)).await;
    step(&server, &half, "apply", Some(1)).await.expect(200);
    let long_ago = "UPDATE override_imports SET updated_at = 0";
    run_sql(server.dir.path(), long_ago).await;
    let recent = stage(&server, "control", ids(0..10)).await;
    step(&server, &recent, "apply", None).await.expect(200);

    // For ever, where nothing else is said. It is looked for at each start.
    let dir = server.stop().await;
    let server = TestServer::start_in(dir, |options| options.undo_imports_for = None).await;
    let store = Store::open(&place(server.dir.path())).await.expect("a store");
    let registry = Registry::load(store, 4).await.expect("loads");
    let swept = imports::sweep_once(&registry, None, jiff::Timestamp::now())
        .await
        .expect("swept");
    assert_eq!(swept, imports::Swept::default());
    let month = Some(imports::UNDO_FOR);
    let swept = imports::sweep_once(&registry, month, jiff::Timestamp::now())
        .await
        .expect("swept");
    assert_eq!(
        (swept.forgotten, swept.expired),
        (0, 1),
        "neither a recent one nor one that is applied in part"
    );
    let swept = imports::sweep_once(&registry, month, jiff::Timestamp::now())
        .await
        .expect("swept");
    assert_eq!(swept, imports::Swept::default(), "once");
    registry.close().await;

    let path = format!("{PATH}/{}", old["id"].as_str().expect("an id"));
    let told = server.get(&path).await.expect(200);
    assert_eq!(
        (&told["state"], told["expiredAt"].is_string()),
        (&json!("applied"), true)
    );
    assert_eq!(
        told["effect"],
        counted(12_000, json!({}), 0),
        "what it did is known still"
    );
    for answer in [
        step(&server, &old, "undo", None).await,
        server.get(&format!("{path}/rows")).await,
    ] {
        let problem = answer.problem(410, "import_expired");
        let detail = problem["detail"].as_str().expect("text");
        assert!(
            detail.contains("neither be undone") && detail.contains("import a list"),
            "{detail}"
        );
    }
    // Its overrides stay, and to apply it again is no news.
    assert_eq!(totals(&server).await, (0.into(), 22_000.into()));
    assert_eq!(
        step(&server, &old, "apply", None).await.expect(200)["state"],
        "applied"
    );
    // The others can be undone.
    let undone = step(&server, &recent, "undo", None).await.expect(200);
    assert_eq!((&undone["undone"], &undone["kept"]), (&10.into(), &0.into()));
    let undone = step(&server, &half, "undo", None).await.expect(200);
    assert_eq!((&undone["undone"], &undone["kept"]), (&10_000.into(), &0.into()));
    assert_eq!(server.delete(&path).await.status, 204);
    server.get(&path).await.problem(404, "not_found");
}

each_store!(who_gave_up_the_way_back_is_in_the_log);
async fn who_gave_up_the_way_back_is_in_the_log() {
    let server = TestServer::start().await;
    server.active("x").await;
    let staged = stage(&server, "treatment", "a\n".to_owned()).await;
    let import = stage(&server, "treatment", "b\n".to_owned()).await;
    step(&server, &import, "apply", None).await.expect(200);
    for import in [&staged, &import] {
        let path = format!("{PATH}/{}", import["id"].as_str().expect("an id"));
        server.delete(&path).await.expect(204);
    }
    let history = server
        .get("/experiments/x/history?action=experiment.overrides_imported")
        .await
        .expect(200);
    let told = history["entries"].as_array().expect("entries");
    assert_eq!(
        told.len(),
        2,
        "the apply, and that it cannot be undone any more: {history}"
    );
    assert_eq!(
        (&told[0]["evidence"]["forgotten"], &told[0]["actor"]),
        (&json!(true), &json!("admin"))
    );
    assert_eq!(told[0]["evidence"]["import"], import["id"]);
}
