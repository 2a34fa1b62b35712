//! The cockpit's reader of numbers, with a token to which ClickHouse is not opened.

use std::sync::Arc;

use jiff::Timestamp;
use splitdeck::api::results::{Results, ResultsQuery};
use splitdeck::client::{Client, Options};
use splitdeck::cockpit::ports::{FailureKind, Service, Suggest};
use splitdeck::domain::Experiment;
use splitdeck::runtime::reader::Reader;
use splitdeck::server::link::Whereabouts;

use crate::support::projects::{SECOND, TwoProjects, expose_in};
use crate::support::warehouse::{drained, until};

/// The project's only experiment.
async fn only(client: &Client) -> Arc<Experiment> {
    let list = client.experiments(false).await.expect("a list").experiments;
    let [only] = <[Experiment; 1]>::try_from(list).expect("one experiment");
    Arc::new(only)
}

/// Both ways lead to the same numbers: that of the administrator goes to ClickHouse itself.
#[tokio::test]
async fn what_clickhouse_would_say_is_asked_of_the_server() {
    let two = TwoProjects::start().await;
    let direct = two.server.client().in_project(Some(SECOND)).expect("a project");
    direct.warehouse().await.expect("opened to the administrator");
    let client = Client::new(&two.server.base, &two.viewer, Options::default()).expect("a client");
    client.warehouse().await.expect_err("not opened to the viewer");
    let theirs = only(&client).await;
    let (ours, now) = (only(&two.server.client()).await, Timestamp::now());
    let (direct, asking) = (Reader::new(direct, false), Reader::new(client, false));

    let list = [Arc::clone(&theirs)];
    let overview = asking.overview(&list, now).await.expect("numbers");
    assert_eq!((overview.len(), overview[0].subjects), (1, 6));
    let straight = direct.overview(&list, now).await.expect("numbers");
    assert_eq!(
        (overview[0].experiment_id, overview[0].last_event_at),
        (straight[0].experiment_id, straight[0].last_event_at)
    );
    assert_eq!(overview[0].subjects, straight[0].subjects);
    // No other project's.
    assert_eq!(asking.overview(&[ours], now).await, Ok(Vec::new()));

    let query = ResultsQuery::default();
    let results = asking.results(&theirs, &query, now).await.expect("results");
    let straight = direct.results(&theirs, &query, now).await.expect("results");
    // Counts only: fractions may lose their last bit on the wire.
    let counts = |results: &Results| -> Vec<_> {
        let arms = results.arms.iter();
        arms.map(|arm| (arm.variant.clone(), arm.subjects, arm.conversions, arm.exposures))
            .collect()
    };
    assert_eq!(counts(&results), counts(&straight));
    assert_eq!(results.arms.iter().map(|arm| arm.subjects).sum::<u64>(), 6);

    for what in [
        Suggest::Events,
        Suggest::Fields,
        Suggest::Values("category".to_owned()),
    ] {
        let me = two.server.client().in_project(Some(SECOND)).expect("a project");
        let project = me.me().await.expect("known").project.id;
        let names = asking.names(project, &what, now).await.expect("names");
        assert!(!names.is_empty(), "{what:?}");
        assert_eq!(direct.names(project, &what, now).await, Ok(names), "{what:?}");
    }

    let mark = asking.mark(&theirs).await.expect("a mark");
    assert_eq!(asking.mark(&theirs).await, Ok(mark), "nothing happened");
    expose_in(&two.server, SECOND, &two.theirs, 6..8).await;
    drained(&two.server).await;
    until("the mark is another one", async || {
        asking.mark(&theirs).await.expect("a mark") != mark
    })
    .await;
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
