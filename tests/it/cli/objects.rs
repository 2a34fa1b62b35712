//! `splitdeck flags`, `deployments`, `projects`, `labs`, `tokens`, `audit`, and what experiments are turned into.

use serde_json::{Value, json};

use crate::support::server::TestServer;
use crate::support::store::each_store;

use super::on;

each_store!(a_flag_from_the_command_line);
async fn a_flag_from_the_command_line() {
    let server = TestServer::start().await;
    let flags = async |args: &[&str]| on(&server, &[&["flags"], args].concat()).await;
    assert!(flags(&["list"]).await.ok().contains("flags create KEY"));
    let made = flags(&["create", "new-checkout", "--rollout", "12.5"]).await.ok();
    assert_eq!(
        made,
        "new-checkout is off now, rolled out to 12.5 % (version 1)\n"
    );
    let on_now = flags(&["enable", "new-checkout", "--comment", "go"]).await.ok();
    assert_eq!(
        on_now,
        "new-checkout is on now, rolled out to 12.5 % (version 2)\n"
    );
    flags(&["rollout", "new-checkout", "100"]).await.ok();
    assert!(
        flags(&["rollout", "new-checkout", "101"])
            .await
            .failed(2)
            .contains("100")
    );
    let list = flags(&["list"]).await.ok();
    assert!(list.contains("new-checkout  on"), "{list}");
    let shown = flags(&["show", "NEW-checkout", "--json"]).await.json();
    assert_eq!(shown["rolloutPct"], 100.0);
    let converted = flags(&["convert", "new-checkout", "--as", "exp"]).await.ok();
    assert_eq!(converted, "exp is a draft now, linked to the flag new-checkout\n");
    flags(&["disable", "new-checkout"]).await.ok();
    flags(&["archive", "new-checkout"]).await.ok();
    let history = on(
        &server,
        &[
            "audit",
            "--key",
            "new-checkout",
            "--action",
            "flag.status_changed",
        ],
    )
    .await
    .ok();
    assert!(
        history.contains("\"go\"") && history.contains("enabled: false → true"),
        "{history}"
    );
    let message = on(&server, &["audit", "--action", "flag.exploded"])
        .await
        .failed(2);
    assert!(message.contains("flag.status_changed"), "{message}");
}

each_store!(projects_tokens_and_deployments_from_the_command_line);
async fn projects_tokens_and_deployments_from_the_command_line() {
    let server = TestServer::start().await;
    let made = on(
        &server,
        &[
            "projects",
            "create",
            "shop-prod",
            "--environment",
            "production",
            "--protected",
        ],
    )
    .await
    .ok();
    assert_eq!(
        made,
        "shop-prod is a project of production, protected (version 1)\n"
    );
    let list = on(&server, &["projects", "list"]).await.ok();
    assert!(
        list.contains("shop-prod  production") && list.contains("default"),
        "{list}"
    );
    on(
        &server,
        &["projects", "update", "shop-prod", "--protected", "false"],
    )
    .await
    .ok();
    let token = on(
        &server,
        &["tokens", "create", "ci", "--role", "shop-prod=viewer", "--json"],
    )
    .await
    .json();
    let secret = token["token"].as_str().expect("told once");
    let listed = on(&server, &["tokens", "list"]).await.ok();
    assert!(
        listed.contains("shop-prod=viewer") && !listed.contains(secret),
        "{listed}"
    );
    let message = on(&server, &["tokens", "create", "x", "--role", "shop-prod"])
        .await
        .failed(2);
    assert!(message.contains("PROJECT=ROLE"), "{message}");
    let twice = [
        "tokens",
        "create",
        "y",
        "--role",
        "shop-prod=viewer",
        "--role",
        "SHOP-PROD=admin",
    ];
    let message = on(&server, &twice).await.failed(2);
    assert!(message.contains("more than once"), "{message}");
    let message = on(&server, &["tokens", "revoke", "nobody"]).await.failed(1);
    assert!(
        message.contains("`nobody`") && message.contains("tokens list"),
        "{message}"
    );
    on(&server, &["tokens", "revoke", "ci"]).await.ok();
    let id = token["id"].as_str().expect("an id");
    let message = on(&server, &["tokens", "revoke", id]).await.failed(1);
    assert!(message.contains("not revoked"), "{message}");
    assert!(on(&server, &["tokens", "list"]).await.ok().contains("revoked"));
    let key = on(
        &server,
        &["deployments", "create", "backend", "--kind", "server", "--json"],
    )
    .await
    .json();
    assert!(key["key"].as_str().is_some_and(|key| key.starts_with("server-")));
    let rotated = on(&server, &["deployments", "rotate", "BACKEND", "--grace", "60"])
        .await
        .ok();
    assert!(rotated.contains("not told again"), "{rotated}");
    on(
        &server,
        &["deployments", "revoke", "backend", "--comment", "leaked"],
    )
    .await
    .ok();
    let listed = on(&server, &["deployments", "list"]).await.ok();
    assert!(listed.contains("revoked"), "{listed}");
    let message = on(&server, &["deployments", "rotate", "nobody"]).await.failed(1);
    assert!(message.contains("deployments list"), "{message}");
    on(&server, &["labs", "create", "growth", "--name", "Growth"])
        .await
        .ok();
    on(&server, &["labs", "archive", "growth"]).await.ok();
    assert!(on(&server, &["labs", "list"]).await.ok().contains("archived"));
}

each_store!(experiments_are_copied_converted_and_deleted);
async fn experiments_are_copied_converted_and_deleted() {
    let server = TestServer::start().await;
    server
        .post("/projects", &json!({ "key": "prod" }))
        .await
        .expect(201);
    server.draft("x").await;
    let experiments = async |args: &[&str]| on(&server, &[&["experiments"], args].concat()).await;
    let copied = experiments(&["copy", "x", "--to", "prod", "--as", "y"])
        .await
        .ok();
    assert_eq!(copied, "y is a draft in prod now\n");
    let there = experiments(&["show", "y", "--project", "prod", "--json"])
        .await
        .json();
    assert_eq!(there["linkedFlag"], "x");
    let converted = experiments(&["convert", "x"]).await.ok();
    assert_eq!(converted, "the flag x stands for x now, which is archived\n");
    let history = experiments(&["history", "x"]).await.ok();
    assert!(
        history.contains("experiment.converted") && history.contains("experiment.created"),
        "{history}"
    );
    server.draft("z").await;
    assert_eq!(experiments(&["delete", "z"]).await.ok(), "z is deleted\n");
    server.active("live").await;
    assert!(
        experiments(&["delete", "live"])
            .await
            .failed(1)
            .contains("archive it")
    );
    let message = experiments(&["apply-winner", "live", "--winner", "control"])
        .await
        .failed(1);
    assert!(message.contains("ClickHouse"), "{message}");
    let none: Value = experiments(&["history", "live", "--before", "0", "--json"])
        .await
        .json();
    assert_eq!(none["entries"], json!([]));
}
