//! The cockpit's reader of numbers, with a token to which ClickHouse is not opened.

use std::sync::Arc;

use jiff::Timestamp;
use splitdeck::api::results::ResultsQuery;
use splitdeck::client::{Client, Options};
use splitdeck::cockpit::ports::{FailureKind, Service};
use splitdeck::domain::Experiment;
use splitdeck::runtime::reader::Reader;
use splitdeck::server::link::Whereabouts;

use crate::support::projects::TwoProjects;
use crate::support::warehouse::until;

/// The project's only experiment.
async fn only(client: &Client) -> Arc<Experiment> {
    let list = client.experiments(false).await.expect("a list").experiments;
    let [only] = <[Experiment; 1]>::try_from(list).expect("one experiment");
    Arc::new(only)
}

/// A ClickHouse that is away is ClickHouse's failure, whoever says so.
#[tokio::test]
async fn without_clickhouse_the_failure_is_clickhouse_s() {
    let two = TwoProjects::start().await;
    let client = Client::new(&two.server.base, &two.viewer, Options::default()).expect("a client");
    let theirs = only(&client).await;
    let reader = Reader::new(client, false);
    let list = [Arc::clone(&theirs)];
    reader.overview(&list, Timestamp::now()).await.expect("numbers");
    let away = "somebody pulled the plug";
    two.server
        .warehouse
        .send_replace(Whereabouts::Nowhere(away.to_owned()));
    until("the numbers are gone", async || {
        reader.overview(&list, Timestamp::now()).await.is_err()
    })
    .await;
    let failures = [
        reader.overview(&list, Timestamp::now()).await.err(),
        reader
            .results(&theirs, &ResultsQuery::default(), Timestamp::now())
            .await
            .err(),
        reader.mark(&theirs).await.err(),
    ];
    for failure in failures {
        let failure = failure.expect("a failure");
        assert_eq!(
            (failure.service, failure.kind),
            (Service::Warehouse, FailureKind::Lost)
        );
        assert!(failure.message.contains(away), "{}", failure.message);
    }
    two.server.stop().await;
    let lost = reader.mark(&theirs).await.expect_err("no server");
    assert_eq!((lost.service, lost.kind), (Service::Api, FailureKind::Lost));
}
