//! `GET /healthz`, `/readyz` and `/warehouse`.

use reqwest::Method;
use splitdeck::api::system::WarehouseLogin;
use splitdeck::server::link::{Access, Whereabouts};
use splitdeck::warehouse::Login;

use crate::support::server::{TestServer, VIEWER, send};
use crate::support::store::each_store;

each_store!(health_needs_no_token);
async fn health_needs_no_token() {
    let server = TestServer::start().await;
    let health = send(server.anonymous(Method::GET, "/healthz")).await.expect(200);
    assert_eq!(health["status"], "ok");
    assert_eq!(health["version"], env!("CARGO_PKG_VERSION"));
}

each_store!(without_clickhouse_the_server_is_ready_and_says_what_is_missing);
async fn without_clickhouse_the_server_is_ready_and_says_what_is_missing() {
    let server = TestServer::start().await;
    let ready = send(server.anonymous(Method::GET, "/readyz")).await.expect(200);
    assert_eq!(
        (&ready["ready"], &ready["warehouse"]),
        (&true.into(), &false.into())
    );
    assert!(
        ready["warehouseError"]
            .as_str()
            .expect("a reason")
            .contains("ClickHouse")
    );
    server
        .get("/warehouse")
        .await
        .problem(503, "warehouse_unavailable");
    server.active("x").await;
}

each_store!(a_server_that_cannot_write_events_is_not_ready_and_says_why);
async fn a_server_that_cannot_write_events_is_not_ready_and_says_why() {
    let server = TestServer::start().await;
    let spool = server.dir.path().join("spool");
    std::fs::remove_dir_all(&spool).expect("taken away");
    std::fs::write(&spool, "something else").expect("in its place");
    let event = serde_json::json!({"name": "view"});
    server
        .post("/track", &event)
        .await
        .problem(503, "spool_unavailable");
    let answer = send(server.anonymous(Method::GET, "/readyz")).await.expect(503);
    assert_eq!(
        (&answer["ready"], &answer["store"]),
        (&false.into(), &true.into())
    );
    assert!(
        answer["spoolError"]
            .as_str()
            .is_some_and(|why| why.contains("Not a directory")),
        "{answer}"
    );
    // Once it can be made again, it is.
    std::fs::remove_file(&spool).expect("out of the way");
    server.post("/track", &event).await.expect(200);
    let answer = send(server.anonymous(Method::GET, "/readyz")).await;
    assert_eq!(answer.expect(200)["ready"], true);
}

each_store!(the_cockpits_login_follows_clickhouse);
async fn the_cockpits_login_follows_clickhouse() {
    let server = TestServer::start().await;
    let cockpit = |port: u16| WarehouseLogin {
        url: format!("http://127.0.0.1:{port}"),
        database: "splitdeck".into(),
        user: "reader".into(),
        password: "only-reads".into(),
    };
    for port in [1, 2] {
        let cockpit = cockpit(port);
        server.warehouse.send_replace(Whereabouts::At(Box::new(Access {
            server: Login::new(cockpit.url.clone(), "splitdeck", "writer", "secret-of-the-writer"),
            cockpit: Some(cockpit.clone()),
        })));
        let told = send(server.request(Method::GET, "/warehouse", VIEWER))
            .await
            .expect(200);
        assert_eq!(told, serde_json::to_value(cockpit).expect("writes"));
    }
    server.warehouse.send_replace(Whereabouts::At(Box::new(Access {
        server: Login::new("http://127.0.0.1:1", "splitdeck", "writer", "secret"),
        cockpit: None,
    })));
    let problem = server
        .get("/warehouse")
        .await
        .problem(503, "warehouse_unavailable");
    assert!(problem["detail"].as_str().expect("text").contains("read_user"));
}
