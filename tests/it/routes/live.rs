//! `GET /warehouse` for tokens of some projects, `GET /overview` and `GET /names`.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::projects::{SECOND, TwoProjects, expose_in, posted};
use crate::support::server::{ADMIN, TestServer, VIEWER, fields, send};
use crate::support::store::each_store;
use crate::support::warehouse::{drained, until};

fn numbers(answer: &Value) -> Vec<(&Value, &Value)> {
    let overviews = answer["overviews"].as_array().expect("overviews");
    let both = overviews.iter().map(|o| (&o["experimentId"], &o["subjects"]));
    both.collect()
}

each_store!(clickhouse_is_opened_to_those_who_may_read_every_project);
async fn clickhouse_is_opened_to_those_who_may_read_every_project() {
    let two = TwoProjects::start().await;
    let problem = two.seen("/warehouse").await.problem(403, "forbidden");
    let detail = problem["detail"].as_str().expect("words");
    assert!(
        detail.contains("all projects") && detail.contains("GET /overview"),
        "{detail}"
    );
    assert!(
        !problem.to_string().contains("password") && !problem.to_string().contains("http://"),
        "{problem}"
    );
    // A viewer of the first project alone is refused since there is a second one.
    let request = two.server.request(Method::GET, "/warehouse", VIEWER);
    send(request).await.problem(403, "forbidden");
    // Whoever administers both is not, nor is a viewer of both, whichever project is meant.
    let body = json!({ "name": "everywhere", "roles": { "default": "viewer", SECOND: "viewer" } });
    let both = two.server.post("/tokens", &body).await.expect(201);
    let both = both["token"].as_str().expect("a token");
    for token in [ADMIN, both] {
        for project in ["default", SECOND] {
            let request = two.server.request(Method::GET, "/warehouse", token);
            let login = send(request.header("x-splitdeck-project", project))
                .await
                .expect(200);
            assert!(login["password"].is_string(), "{login}");
        }
    }
}

each_store!(live_numbers_are_those_of_the_project);
async fn live_numbers_are_those_of_the_project() {
    let two = TwoProjects::start().await;
    let (ours, theirs) = (&two.ours["id"], &two.theirs["id"]);
    let answer = two.seen("/overview").await.expect(200);
    assert_eq!(numbers(&answer), [(theirs, &json!(6))]);
    let marks = answer["marks"].as_object().expect("marks");
    assert_eq!(
        marks.keys().collect::<Vec<_>>(),
        [theirs.as_str().expect("an id")]
    );
    assert_eq!(
        answer["overviews"][0]["perMinute"].as_array().map(Vec::len),
        Some(30)
    );

    // By id as well, and no other project's.
    let text = |id: &Value| id.as_str().expect("an id").to_owned();
    let of = async |ids: &str| two.seen(&format!("/overview?experiments={ids}")).await;
    let both = of(&format!("{},{}", text(ours), text(theirs))).await.expect(200);
    assert_eq!(numbers(&both), [(theirs, &json!(6))]);
    assert_eq!(
        of(&text(ours)).await.expect(200),
        json!({ "overviews": [], "marks": {} })
    );
    let admin = two.server.get("/overview").await.expect(200);
    assert_eq!(numbers(&admin), [(ours, &json!(4))]);
    let refused = two.seen("/experiments/ours/results").await;
    refused.problem(404, "not_found");

    // What arrives is seen, and only there.
    let mark = |answer: &Value| answer["marks"][text(theirs)].clone();
    expose_in(&two.server, SECOND, &two.theirs, 6..10).await;
    drained(&two.server).await;
    until("the new people are counted", async || {
        let later = two.seen("/overview").await.expect(200);
        numbers(&later) == [(theirs, &json!(10))] && mark(&later) != mark(&answer)
    })
    .await;
    // A conversion changes no number of the list, and the results all the same.
    let before = two.seen("/overview").await.expect(200);
    let buy = json!([{ "name": "buy", "profileId": "p0" }]);
    posted(&two.server, SECOND, "/track", &buy).await;
    drained(&two.server).await;
    until("the conversion is noticed", async || {
        let later = two.seen("/overview").await.expect(200);
        assert_eq!(numbers(&later), numbers(&before));
        mark(&later) != mark(&before)
    })
    .await;
    assert_eq!(
        numbers(&two.server.get("/overview").await.expect(200)),
        [(ours, &json!(4))]
    );

    // Archived ones are told of when they are named.
    let live = send(
        two.server
            .request(Method::GET, "/experiments/theirs", &two.viewer),
    )
    .await;
    let mut version = live.expect(200)["resourceVersion"].clone();
    for status in ["completed", "archived"] {
        let body = json!({ "to": status, "resourceVersion": version });
        let next = posted(&two.server, SECOND, "/experiments/theirs/status", &body).await;
        version = next["resourceVersion"].clone();
    }
    assert_eq!(numbers(&two.seen("/overview").await.expect(200)), []);
    let named = of(&text(theirs)).await.expect(200);
    assert_eq!(numbers(&named), [(theirs, &json!(10))]);
}

each_store!(names_are_those_of_the_project);
async fn names_are_those_of_the_project() {
    let two = TwoProjects::start().await;
    let names = async |query: &str, token: &str| {
        let path = format!("/names?{query}");
        let answer = send(two.server.request(Method::GET, &path, token)).await;
        answer.expect(200)["names"].clone()
    };
    assert_eq!(names("of=events", &two.viewer).await, json!(["view"]));
    assert_eq!(names("of=events", ADMIN).await, json!(["view", "secret-view"]));
    let properties = names("of=properties", &two.viewer).await;
    let properties = properties.as_array().expect("names");
    assert!(
        properties.contains(&json!("category")) && !properties.contains(&json!("secret-property")),
        "{properties:?}"
    );
    let values = async |property: &str, token: &str| {
        let query = format!("of=values&property={property}");
        names(&query, token).await
    };
    assert_eq!(values("category", &two.viewer).await, json!(["shoes"]));
    assert_eq!(values("country", &two.viewer).await, json!(["TH"]));
    assert_eq!(values("secret-property", &two.viewer).await, json!([]));
    assert_eq!(values("secret-property", ADMIN).await, json!(["secret-value"]));
    // Columns of exposures are nothing that every event has.
    for property in ["variant", "reason", "cohort"] {
        assert_eq!(values(property, &two.viewer).await, json!([]), "{property}");
    }
}

each_store!(what_is_asked_wrongly_is_refused_by_its_field);
async fn what_is_asked_wrongly_is_refused_by_its_field() {
    let server = TestServer::start().await;
    let id = "0190d5a4-7a6e-7c3e-8d7e-000000000000";
    let many = vec![id; 101].join(",");
    for (path, field) in [
        ("/overview?experiments=".to_owned(), "experiments"),
        ("/overview?experiments=checkout".to_owned(), "experiments"),
        (format!("/overview?experiments={many}"), "experiments"),
        (format!("/overview?ids={id}"), "ids"),
        ("/names".to_owned(), "of"),
        ("/names?of=everything".to_owned(), "of"),
        ("/names?of=values".to_owned(), "property"),
        ("/names?of=values&property=".to_owned(), "property"),
        ("/names?of=events&property=country".to_owned(), "property"),
    ] {
        // Without ClickHouse, the numbers that are asked for rightly would be a 503.
        let answer = server.get(&path).await;
        assert_eq!(answer.refused(400, "invalid"), [field], "{path}");
    }
    for path in [
        "/overview",
        "/names?of=events",
        &format!("/overview?experiments={id}"),
    ] {
        let problem = server.get(path).await.problem(503, "warehouse_unavailable");
        assert!(problem["detail"].as_str().expect("words").contains("ClickHouse"));
        assert!(fields(&problem).is_empty());
    }
}
