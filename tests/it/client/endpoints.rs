//! Every endpoint of the configuration through the client, on a real server.

use serde_json::{Map, json};
use splitdeck::api::assign::AssignRequest;
use splitdeck::api::experiments::{ChangeStatus, CreateExperiment, HistoryQuery, SetRules, UpdateExperiment};
use splitdeck::api::overrides::{DeleteOverride, ListOverrides, SetOverrides};
use splitdeck::api::problem::Code;
use splitdeck::api::system::Role;
use splitdeck::client::{Client, Options};
use splitdeck::domain::{
    AuditAction, Experiment, Key, OverrideSource, OverrideSubject, Reason, Status, User,
};

use crate::support::server::{TestServer, VIEWER};
use crate::support::store::each_store;

fn to(status: Status, experiment: &Experiment) -> ChangeStatus {
    ChangeStatus {
        comment: Some("a test".to_owned()),
        ..ChangeStatus::new(status, experiment.resource_version)
    }
}

fn key(text: &str) -> Key {
    Key::new(text).expect("a key")
}

fn create(name: &str) -> CreateExperiment {
    CreateExperiment {
        name: name.to_owned(),
        ..CreateExperiment::default()
    }
}

each_store!(the_server_about_itself);
async fn the_server_about_itself() {
    let server = TestServer::start().await;
    let client = server.client();
    assert_eq!(client.health().await.expect("healthy").status, "ok");
    client.readiness().await.expect("an answer");
    assert_eq!(client.me().await.expect("known").role, Role::Admin);
    // No ClickHouse is there.
    let error = client.warehouse().await.expect_err("no ClickHouse");
    assert_eq!(error.code(), Some(Code::WarehouseUnavailable));
}

each_store!(a_wrong_token_and_a_role_that_may_not);
async fn a_wrong_token_and_a_role_that_may_not() {
    let server = TestServer::start().await;
    let wrong = Client::new(&server.base, "wrong", Options::default()).expect("a client");
    assert_eq!(
        wrong.me().await.expect_err("refused").code(),
        Some(Code::Unauthorized)
    );
    let viewer = Client::new(&server.base, VIEWER, Options::default()).expect("a client");
    let error = viewer
        .create_experiment(&create("Mine"))
        .await
        .expect_err("refused");
    assert_eq!(error.code(), Some(Code::Forbidden));
    assert_eq!(viewer.experiments(false).await.expect("a list").experiments, []);
}

each_store!(an_experiment_s_life);
async fn an_experiment_s_life() {
    let server = TestServer::start().await;
    let client = server.client();
    let draft = client
        .create_experiment(&create("My Test"))
        .await
        .expect("created");
    assert_eq!(draft.key.as_str(), "my-test");
    let change = UpdateExperiment {
        resource_version: draft.resource_version,
        hypothesis: Some("It helps".to_owned()),
        ..UpdateExperiment::default()
    };
    let changed = client
        .update_experiment("MY-TEST", &change)
        .await
        .expect("changed");
    assert_eq!(changed.hypothesis, "It helps");
    let conflict = client
        .update_experiment("my-test", &change)
        .await
        .expect_err("stale");
    assert_eq!(conflict.code(), Some(Code::VersionConflict));
    assert!(conflict.problem().expect("a problem").current.is_some());

    let active = client
        .change_status("my-test", &to(Status::Active, &changed))
        .await
        .expect("active");
    assert_eq!((active.status, active.cohorts.len()), (Status::Active, 1));
    let rules = SetRules {
        resource_version: active.resource_version,
        rules: serde_json::from_value(json!([{"variant": "treatment", "conditions":
            [{"scope": "profile", "field": "country", "operator": "is", "value": "TH"}]}]))
        .expect("rules"),
    };
    let ruled = client.set_rules("my-test", &rules).await.expect("ruled");
    assert_eq!(
        client.experiment(&ruled.id.to_string()).await.expect("there"),
        ruled
    );

    let id = ruled.id.to_string();
    let mut asked = User::with_user_id("u-1");
    asked.user_properties = Map::from_iter([("country".to_owned(), json!("TH"))]);
    let request = AssignRequest {
        experiment_id: id.clone(),
        inline: asked.clone(),
        ..AssignRequest::default()
    };
    let assignment = client.assign(&request).await.expect("assigned");
    assert_eq!(
        (assignment.reason, assignment.rule_id),
        (Reason::Rule, Some(ruled.rules[0].id))
    );
    let explanation = client.explain("my-test", &asked).await.expect("explained");
    assert_eq!(explanation.assignment, assignment);
    let unknown = AssignRequest {
        experiment_id: "nowhere".to_owned(),
        user: Some(asked),
        ..AssignRequest::default()
    };
    let answers = client.assign_many(&[unknown, request]).await.expect("answered");
    assert_eq!(answers[0].as_ref().expect_err("refused").code, Code::NotFound);
    assert_eq!(answers[1].as_ref().expect("assigned"), &assignment);

    let completed = ChangeStatus {
        winning_variant: Some(key("treatment")),
        ..to(Status::Completed, &ruled)
    };
    let completed = client
        .change_status("my-test", &completed)
        .await
        .expect("completed");
    let ended = client
        .change_status("my-test", &to(Status::Ended, &completed))
        .await
        .expect("ended");
    client
        .change_status("my-test", &to(Status::Archived, &ended))
        .await
        .expect("archived");
    assert_eq!(
        client.experiments(false).await.expect("a list").experiments.len(),
        0
    );
    assert_eq!(
        client.experiments(true).await.expect("a list").experiments.len(),
        1
    );

    let history = client
        .history("my-test", &HistoryQuery::default())
        .await
        .expect("a page");
    assert_eq!(history.entries.len(), 7);
    assert_eq!(history.next_before, None);
    let only = HistoryQuery {
        action: Some(AuditAction::StatusChanged),
        before: Some(history.entries[0].id),
        actor: Some("admin".to_owned()),
    };
    let statuses = client.history("my-test", &only).await.expect("a page");
    assert_eq!(statuses.entries.len(), 3);
}

each_store!(overrides_are_set_listed_and_taken_back);
async fn overrides_are_set_listed_and_taken_back() {
    let server = TestServer::start().await;
    let client = server.client();
    server.active("exp").await;
    let set = SetOverrides {
        variant: key("treatment"),
        subject_type: OverrideSubject::User,
        subject_ids: vec!["alice".into(), "bob".into(), "söhne/& co".into()],
        source: OverrideSource::Fixed,
    };
    assert_eq!(client.set_overrides("exp", &set).await.expect("set").added, 3);
    assert_eq!(client.set_overrides("exp", &set).await.expect("set").unchanged, 3);

    let query = ListOverrides {
        limit: Some(2),
        ..ListOverrides::default()
    };
    let page = client.overrides("exp", &query).await.expect("a page");
    assert_eq!((page.overrides.len(), page.fixed, page.manual), (2, 3, 0));
    let query = ListOverrides {
        after: page.next_after,
        ..query
    };
    let rest = client.overrides("exp", &query).await.expect("a page");
    assert_eq!(
        (rest.overrides[0].subject_id.as_str(), rest.next_after),
        ("söhne/& co", None)
    );

    let query = DeleteOverride {
        subject_type: OverrideSubject::User,
        subject_id: "söhne/& co".to_owned(),
    };
    client.delete_override("exp", &query).await.expect("taken back");
    let all = client
        .overrides("exp", &ListOverrides::default())
        .await
        .expect("a page");
    assert_eq!(all.overrides.len(), 2);
    let error = client
        .delete_override("exp", &query)
        .await
        .expect_err("gone already");
    assert_eq!(error.code(), Some(Code::NotFound));
}
