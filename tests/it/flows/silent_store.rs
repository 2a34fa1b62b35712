//! A connection to Postgres that goes silent and stays open: what was given up on it leaves its place to others.

use std::time::Duration;

use splitdeck::server::store::Store;

use crate::support::front::Front;
use crate::support::store::on_postgres;
use crate::support::warehouse::until;

#[tokio::test]
async fn a_change_that_is_given_up_leaves_its_connection_to_nobody() {
    on_postgres(async {
        let front = Front::new();
        let store = Store::open(&front.url()).await.expect("a store");

        let mut tx = store.begin().await.expect("begins");
        front.fall_silent();
        let asked = sqlx::query("SELECT 1").execute(&mut *tx);
        let answered = tokio::time::timeout(Duration::from_millis(100), asked).await;
        assert!(answered.is_err(), "{answered:?}");
        drop(tx);
        until("the next change begins", async || store.begin().await.is_ok()).await;
        until("it is read", async || store.ping().await.is_ok()).await;
    })
    .await;
}
