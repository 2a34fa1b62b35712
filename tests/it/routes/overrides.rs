//! `GET|PUT|DELETE /experiments/{idOrKey}/overrides`.

use std::collections::BTreeSet;

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::server::{ADMIN, EDITOR, TestServer, send};
use crate::support::store::each_store;

const PATH: &str = "/experiments/x/overrides";

fn set(variant: &str, subject_type: &str, ids: &[&str]) -> Value {
    json!({ "variant": variant, "subjectType": subject_type, "subjectIds": ids })
}

fn counts(added: u64, changed: u64, unchanged: u64) -> Value {
    json!({ "added": added, "changed": changed, "unchanged": unchanged })
}

async fn served(server: &TestServer, user: Value) -> (String, String) {
    let mut ask = user;
    ask["experimentId"] = "x".into();
    let answer = server.post("/experiments/assign", &ask).await.expect(200);
    let text = |name: &str| answer[name].as_str().expect("text").to_owned();
    (text("variantId"), text("reason"))
}

each_store!(an_override_is_in_force_when_it_is_answered);
async fn an_override_is_in_force_when_it_is_answered() {
    let server = TestServer::start().await;
    server.active("x").await;
    let answer = server
        .put(PATH, &set("TREATMENT", "user", &["a", "b", "a"]))
        .await;
    assert_eq!(answer.expect(200), counts(2, 0, 1));
    let forced = ("treatment".to_owned(), "override".to_owned());
    assert_eq!(served(&server, json!({ "user_id": "a" })).await, forced);
    // The user's own goes before the device's.
    server
        .put(PATH, &set("control", "device", &["d"]))
        .await
        .expect(200);
    let device = ("control".to_owned(), "override".to_owned());
    assert_eq!(served(&server, json!({ "device_id": "d" })).await, device);
    assert_eq!(
        served(&server, json!({ "user_id": "a", "device_id": "d" })).await,
        forced
    );
    assert_eq!(served(&server, json!({ "user_id": "d" })).await.1, "allocation");
    // Again is nothing, another variant a change.
    assert_eq!(
        server
            .put(PATH, &set("treatment", "user", &["a", "b"]))
            .await
            .expect(200),
        counts(0, 0, 2)
    );
    let answer = server.put(PATH, &set("control", "user", &["a", "b", "c"])).await;
    assert_eq!(answer.expect(200), counts(1, 2, 0));
    assert_eq!(served(&server, json!({ "user_id": "a" })).await, device);
    server
        .delete(&format!("{PATH}?subjectType=user&subjectId=a"))
        .await
        .expect(204);
    assert_eq!(served(&server, json!({ "user_id": "a" })).await.1, "allocation");
    server
        .delete(&format!("{PATH}?subjectType=user&subjectId=a"))
        .await
        .problem(404, "not_found");
    // Overrides are no part of the experiment's version.
    assert_eq!(
        server.get("/experiments/x").await.expect(200)["resourceVersion"],
        2
    );
}

each_store!(each_import_is_one_audit_entry_with_from_and_to);
async fn each_import_is_one_audit_entry_with_from_and_to() {
    let server = TestServer::start().await;
    server.draft("x").await;
    server
        .put(PATH, &set("control", "user", &["a"]))
        .await
        .expect(200);
    server
        .put(PATH, &set("control", "user", &["a"]))
        .await
        .expect(200);
    let request = server.request(Method::PUT, PATH, EDITOR);
    send(request.json(&set("treatment", "user", &["a", "b"])))
        .await
        .expect(200);
    server
        .delete(&format!("{PATH}?subjectType=user&subjectId=b"))
        .await
        .expect(204);
    let history = server
        .get("/experiments/x/history?action=experiment.overrides_imported")
        .await
        .expect(200);
    let entries = history["entries"].as_array().expect("entries");
    assert_eq!(entries.len(), 3, "an import of nothing new is none");
    let removed = json!([{ "field": "overrides.user:b", "from": "treatment", "to": null }]);
    assert_eq!(entries[0]["changes"], removed);
    assert_eq!(entries[1]["actor"], "editor");
    assert_eq!(
        entries[1]["changes"],
        json!([
            { "field": "overrides.user:a", "from": "control", "to": "treatment" },
            { "field": "overrides.user:b", "from": null, "to": "treatment" },
        ])
    );
    let evidence = &entries[1]["evidence"];
    assert_eq!((&evidence["added"], &evidence["changed"]), (&1.into(), &1.into()));
    assert_eq!(evidence["changedFrom"], json!({ "control": 1 }));
}

each_store!(the_list_is_paged_searched_and_counted);
async fn the_list_is_paged_searched_and_counted() {
    let server = TestServer::start().await;
    server.draft("x").await;
    let users: Vec<String> = (0..250).map(|n| format!("user-{n:03}")).collect();
    let users: Vec<&str> = users.iter().map(String::as_str).collect();
    let mut import = set("treatment", "user", &users);
    import["source"] = "manual".into();
    server.put(PATH, &import).await.expect(200);
    server
        .put(PATH, &set("control", "device", &["100%_sure", "plain", "a:b"]))
        .await
        .expect(200);

    let first = server.get(PATH).await.expect(200);
    assert_eq!((&first["fixed"], &first["manual"]), (&3.into(), &250.into()));
    assert_eq!(first["overrides"].as_array().map(Vec::len), Some(100));
    let one = &first["overrides"][0];
    assert_eq!(one["subjectType"], "device", "sorted by type, then id");
    assert_eq!(
        (&one["subjectId"], &one["variant"], &one["source"]),
        (&"100%_sure".into(), &"control".into(), &"fixed".into())
    );
    assert!(one["updatedAt"].is_string());

    for limit in [1, 2, 99, 1000] {
        let mut seen = BTreeSet::new();
        let mut after: Option<String> = None;
        loop {
            let mut request = server
                .request(Method::GET, PATH, ADMIN)
                .query(&[("limit", limit)]);
            if let Some(after) = &after {
                request = request.query(&[("after", after)]);
            }
            let page = send(request).await.expect(200);
            for o in page["overrides"].as_array().expect("a page") {
                assert!(seen.insert((o["subjectType"].to_string(), o["subjectId"].to_string())));
            }
            match page["nextAfter"].as_str() {
                Some(next) => after = Some(next.to_owned()),
                None => break,
            }
        }
        assert_eq!(seen.len(), 253);
    }
    for (search, found) in [
        ("%", 1),
        ("_", 1),
        ("user-00", 10),
        ("A", 0),
        ("sure", 1),
        ("", 253),
    ] {
        let request = server
            .request(Method::GET, PATH, ADMIN)
            .query(&[("search", search), ("limit", "1000")]);
        let page = send(request).await.expect(200);
        assert_eq!(
            page["overrides"].as_array().map(Vec::len),
            Some(found),
            "{search:?}"
        );
    }
}

each_store!(the_most_of_one_request_goes_through);
async fn the_most_of_one_request_goes_through() {
    let server = TestServer::start().await;
    server.active("x").await;
    let ids: Vec<String> = (0..50_000)
        .map(|n| format!("account-{n}-{}", "x".repeat(80)))
        .collect();
    let mut import =
        json!({ "variant": "treatment", "subjectType": "user", "subjectIds": ids, "source": "manual" });
    assert_eq!(server.put(PATH, &import).await.expect(200), counts(50_000, 0, 0));
    assert_eq!(
        served(&server, json!({ "user_id": ids[49_999] })).await.1,
        "override"
    );
    import["variant"] = "control".into();
    assert_eq!(server.put(PATH, &import).await.expect(200), counts(0, 50_000, 0));
    let history = server.get("/experiments/x/history").await.expect(200);
    let entry = &history["entries"][0];
    assert_eq!(entry["evidence"]["changedFrom"], json!({ "treatment": 50_000 }));
    assert_eq!(
        entry["changes"].as_array().map(Vec::len),
        Some(100),
        "the first ones by name"
    );
}

each_store!(every_refusal_names_its_field);
async fn every_refusal_names_its_field() {
    let server = TestServer::start().await;
    server.draft("x").await;
    let long = "x".repeat(513);
    let too_many: Vec<String> = (0..50_001).map(|n| n.to_string()).collect();
    for (fields, body) in [
        (vec!["variant"], set("nobody", "user", &["a"])),
        (vec!["variant"], set("no spaces", "user", &["a"])),
        (vec!["subjectType"], set("control", "team", &["a"])),
        (vec!["subjectIds"], set("control", "user", &[])),
        (
            vec!["subjectIds"],
            json!({ "variant": "control", "subjectType": "user", "subjectIds": too_many }),
        ),
        (
            vec!["subjectIds[1]", "subjectIds[2]", "subjectIds[3]"],
            set("control", "user", &["ok", "", &long, "a\nb"]),
        ),
        (
            vec!["subjectIds[1]"],
            json!({ "variant": "control", "subjectType": "user", "subjectIds": ["a", 7] }),
        ),
        (
            vec!["source"],
            json!({ "variant": "control", "subjectType": "user", "subjectIds": ["a"], "source": "x" }),
        ),
        (
            vec!["subjectIds", "subjectType", "variant"],
            json!({ "variant": 1, "subjectType": 2, "subjectIds": 3 }),
        ),
        (
            vec!["reason"],
            json!({ "variant": "control", "subjectType": "user", "subjectIds": ["a"], "reason": "x" }),
        ),
    ] {
        let mut found = server.put(PATH, &body).await.refused(400, "invalid");
        found.sort();
        assert_eq!(found, fields);
    }
    for (field, query) in [
        ("limit", "limit=0"),
        ("limit", "limit=1001"),
        ("limit", "limit=many"),
        ("after", "after=alice"),
        ("after", "after=team:a"),
        ("sort", "sort=up"),
    ] {
        assert_eq!(
            server
                .get(&format!("{PATH}?{query}"))
                .await
                .refused(400, "invalid"),
            [field]
        );
    }
    for (field, query) in [
        ("subjectType", "subjectId=a"),
        ("subjectId", "subjectType=user"),
        ("subjectType", "subjectType=team&subjectId=a"),
    ] {
        assert_eq!(
            server
                .delete(&format!("{PATH}?{query}"))
                .await
                .refused(400, "invalid"),
            [field]
        );
    }
    assert_eq!(server.get(PATH).await.expect(200)["overrides"], json!([]));
}
