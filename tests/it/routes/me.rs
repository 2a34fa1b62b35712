//! `GET /me`, and who may come in at all.

use reqwest::Method;

use crate::support::server::{EDITOR, TestServer, VIEWER, send};
use crate::support::store::each_store;

each_store!(says_who_is_asking_and_where);
async fn says_who_is_asking_and_where() {
    let server = TestServer::start().await;
    let me = server.get("/me").await.expect(200);
    assert_eq!(me["actor"], "admin");
    assert_eq!(me["role"], "admin");
    assert_eq!(me["project"]["key"], "default");
    assert_eq!(me["project"]["environment"], "development");
    assert_eq!(me["project"]["protected"], false);
    assert_eq!(me["demo"], false);
    assert_eq!(me["version"], env!("CARGO_PKG_VERSION"));
    for (token, role) in [(EDITOR, "editor"), (VIEWER, "viewer")] {
        let me = send(server.request(Method::GET, "/me", token)).await.expect(200);
        assert_eq!((&me["actor"], &me["role"]), (&role.into(), &role.into()));
    }
}
