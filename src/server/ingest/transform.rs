//! An event as it was sent → a record, with everything decided: its id, its time, the text of its
//! properties, the experiments it counts for.

use jiff::Timestamp;
use serde_json::{Map, Value};
use uuid::Uuid;

use super::attribution::{
    EXPOSURE, EXPOSURE_EXPERIMENT, EXPOSURE_FLAG, EXPOSURE_VARIANT, ExperimentIndex, Ids, attribute,
};
use super::record::EventRecord;
use super::visits::Visits;
use crate::api::track::{EventTime, TrackEvent, Tracked};
use crate::domain::filter::property_text;
use crate::warehouse::WellKnown;

/// How old an event may be: five years, in milliseconds. ClickHouse keeps one partition for each month, and
/// a few bogus times would make many.
pub const MAX_AGE_MS: i64 = 1_827 * 24 * 3_600 * 1_000;
/// How far ahead of the server's clock an event may be: an hour, in milliseconds.
pub const MAX_AHEAD_MS: i64 = 3_600 * 1_000;
/// Where the time that a client sent is kept when it lies outside of the window.
pub const CLIENT_TIMESTAMP: &str = "__clientTimestamp";
/// A value longer than this, in bytes, is cut in the columns for well-known properties, and ends in [`CUT`]: their
/// dictionaries are made for few short values. It is whole in the properties like any other.
const MAX_WELL_KNOWN: usize = 100;
/// The end of a value that was cut.
const CUT: char = '…';
/// Property of an event that holds the user properties it sets.
pub const SET: &str = "$set";
/// Property of an event that holds the user properties it takes away, each with [`NOTHING`].
pub const UNSET: &str = "$unset";
/// What stands for the value of a user property that is taken away.
pub const NOTHING: &str = "-";
/// The exposure event of Amplitude's SDKs: it becomes `[Experiment] Exposure`, and sets the user property of its flag.
pub const AMPLITUDE_EXPOSURE: &str = "$exposure";

/// What events are decided by, beside themselves.
pub struct Context<'a> {
    /// The project of the token.
    pub project_id: Uuid,
    /// When the request came in.
    pub now: Timestamp,
    /// The project's experiments.
    pub experiments: &'a dyn ExperimentIndex,
    /// Where the request came from, if its client leaves it to the server to tell devices and visits apart.
    pub sender: Option<Sender<'a>>,
}

/// Who sent a request, and what their devices were doing.
#[derive(Debug, Clone, Copy)]
pub struct Sender<'a> {
    /// Where it came from.
    pub origin: &'a Origin,
    /// The visits that may go on.
    pub visits: &'a Visits,
}

impl Sender<'_> {
    /// A stand-in for the device; that of the day before while a visit goes on that it began.
    fn device(self, project: Uuid, profile: &str, ts: i64) -> String {
        let today = self.origin.device(project, profile, ts);
        let yesterday = self.origin.device(project, profile, ts.saturating_sub(DAY_MS));
        let over_midnight = yesterday != today
            && !self.visits.goes_on(project, &today, ts)
            && self.visits.goes_on(project, &yesterday, ts);
        if over_midnight { yesterday } else { today }
    }
}

/// Where a request came from.
#[derive(Debug, Clone, Default, Eq, PartialEq)]
pub struct Origin {
    /// The address of the client, or what a proxy says that it is.
    pub address: String,
    /// Its header `User-Agent`.
    pub user_agent: String,
}

const DAY_MS: i64 = 24 * 3_600 * 1_000;

impl Origin {
    /// A stand-in for the device. A browser, or somebody unknown: the address and the user agent, for one day
    /// (UTC). A program that speaks for a person: that person.
    ///
    /// A function of its arguments alone, so that every server finds the same.
    fn device(&self, project: Uuid, profile: &str, ts: i64) -> String {
        let said = if profile.is_empty() || self.user_agent.starts_with("Mozilla/") {
            let day = ts.div_euclid(DAY_MS);
            format!("device\n{}\n{}\n{day}", self.address, self.user_agent)
        } else {
            format!("device of\n{profile}")
        };
        Uuid::new_v5(&project, said.as_bytes()).to_string()
    }
}

/// The ids that a request's anonymous events get: neither a person nor a device was sent with them.
///
/// They are the same for a whole request, so that its anonymous events belong together; and where one of these has an
/// id, they follow from it, so that a request that is sent again brings nobody new.
#[derive(Debug)]
struct Anonymous {
    device: String,
    session: String,
}

impl Anonymous {
    /// Of events that came together.
    fn of(project: Uuid, events: &[TrackEvent]) -> Self {
        let missing = |id: &Option<String>| id.as_deref().is_none_or(str::is_empty);
        let nobodys = events
            .iter()
            .filter(|event| missing(&event.profile_id) && missing(&event.device_id));
        let known = nobodys
            .filter_map(|event| event.id.as_deref())
            .find(|id| !id.is_empty());
        let made = |what: &str| match known {
            Some(id) => Uuid::new_v5(&project, format!("anonymous {what}\n{id}").as_bytes()),
            None => Uuid::new_v4(),
        };
        Self {
            device: made("device").to_string(),
            session: made("session").to_string(),
        }
    }
}

/// Decides everything about the checked events of one request; the answer to it, once they are stored.
pub fn decide(events: Vec<TrackEvent>, context: &Context<'_>) -> (Vec<EventRecord>, Tracked) {
    let anonymous = Anonymous::of(context.project_id, &events);
    let mut answer = Tracked {
        accepted: events.len() as u64,
        ..Tracked::default()
    };
    let records: Vec<EventRecord> = events
        .into_iter()
        .map(|event| transform(event, context, &anonymous, &mut answer))
        .collect();
    if let Some(first) = records.first() {
        let given = |id: &String| (!id.is_empty()).then(|| id.clone());
        answer.device_id = given(&first.device_id);
        answer.session_id = given(&first.session_id);
    }
    (records, answer)
}

/// Where an event says which groups it belongs to.
const GROUPS: [&str; 2] = ["groups", "$groups"];

/// Writes the numbers among ids of groups as texts. ClickHouse would write a number anew when it reads one, `1042.0` as
/// `1042`, and find other ids in the events than those that were exposed.
fn ids_as_texts(groups: &mut Value) {
    let write = |id: &mut Value| {
        if id.is_number() {
            *id = property_text(id).into();
        }
    };
    let Value::Object(groups) = groups else {
        return;
    };
    for id in groups.values_mut() {
        match id {
            Value::Array(several) => several.iter_mut().for_each(write),
            one => write(one),
        }
    }
}

/// Decides everything about one checked event.
fn transform(
    event: TrackEvent,
    context: &Context<'_>,
    anonymous: &Anonymous,
    answer: &mut Tracked,
) -> EventRecord {
    let TrackEvent {
        mut name,
        mut properties,
        profile_id,
        device_id,
        session_id,
        timestamp,
        id,
    } = event;
    let profile_id = profile_id.unwrap_or_default();
    let mut device_id = device_id.unwrap_or_default();
    let mut session_id = session_id.unwrap_or_default();
    let now = context.now.as_millisecond();
    let (ts, impossible) = possible(timestamp, now);
    answer.timestamps_replaced += u64::from(impossible.is_some());
    if let Some(sender) = context.sender {
        if device_id.is_empty() {
            device_id = sender.device(context.project_id, &profile_id, ts);
        }
        if session_id.is_empty() {
            session_id = sender.visits.of(context.project_id, &device_id, ts, now);
        }
    }
    if profile_id.is_empty() && device_id.is_empty() {
        device_id.clone_from(&anonymous.device);
        if session_id.is_empty() {
            session_id.clone_from(&anonymous.session);
        }
    }
    if name == AMPLITUDE_EXPOSURE {
        EXPOSURE.clone_into(&mut name);
        rename_exposure(&mut properties);
    }
    let event_id = event_id(context.project_id, id.as_deref());
    let ids = Ids {
        profile: &profile_id,
        device: &device_id,
        session: &session_id,
        event: event_id,
    };
    let attributions = attribute(
        &name,
        &properties,
        &ids,
        ts,
        context.experiments,
        &mut answer.unattributed,
    );
    let well_known = well_known(&properties);
    let mut props: std::collections::BTreeMap<String, String> = properties
        .into_iter()
        .filter_map(|(key, mut value)| {
            if GROUPS.contains(&key.as_str()) {
                ids_as_texts(&mut value);
            }
            let text = match value {
                Value::String(text) => Some(text),
                other => property_text(&other),
            };
            text.map(|text| (key, text))
        })
        .collect();
    if let Some(sent) = impossible {
        props.insert(CLIENT_TIMESTAMP.to_owned(), sent.to_string());
    }
    EventRecord {
        project_id: context.project_id,
        event_id,
        name,
        ts,
        ingested_at: now,
        profile_id,
        session_id,
        device_id,
        well_known,
        props,
        attributions,
    }
}

/// The id under which an event counts: the client's where it is a UUID, one made of the client's for the
/// project where it is any other text, a new one where there is none.
fn event_id(project: Uuid, client: Option<&str>) -> Uuid {
    match client {
        None | Some("") => Uuid::now_v7(),
        Some(text) => Uuid::parse_str(text).unwrap_or_else(|_| Uuid::new_v5(&project, text.as_bytes())),
    }
}

/// The time of an event, and what was sent where that cannot be: outside of the window around `now` a clock is
/// wrong, or seconds were sent for milliseconds, and `now` is nearer to the truth than an edge of the window, which
/// would stretch every series by years.
fn possible(sent: Option<EventTime>, now: i64) -> (i64, Option<EventTime>) {
    let Some(sent) = sent else {
        return (now, None);
    };
    let window = now.saturating_sub(MAX_AGE_MS)..=now.saturating_add(MAX_AHEAD_MS);
    match sent.as_millisecond().filter(|millis| window.contains(millis)) {
        Some(millis) => (millis, None),
        None => (now, Some(sent)),
    }
}

/// Gives the properties of Amplitude's `$exposure` the names they have on `[Experiment] Exposure`, and sets or
/// unsets the user property of its flag.
fn rename_exposure(properties: &mut Map<String, Value>) {
    for (from, to) in [
        ("flag_key", EXPOSURE_FLAG),
        ("variant", EXPOSURE_VARIANT),
        ("experiment_key", EXPOSURE_EXPERIMENT),
    ] {
        if let Some(value) = properties.remove(from) {
            properties.entry(to).or_insert(value);
        }
    }
    let Some(flag) = properties.get(EXPOSURE_FLAG).and_then(property_text) else {
        return;
    };
    let variant = properties.get(EXPOSURE_VARIANT).and_then(property_text);
    let (operation, value) = match variant.filter(|variant| !variant.is_empty()) {
        Some(variant) => (SET, variant),
        None => (UNSET, NOTHING.to_owned()),
    };
    let values = properties
        .entry(operation)
        .or_insert_with(|| Value::Object(Map::new()));
    if let Value::Object(values) = values {
        values.insert(user_property(&flag), value.into());
    }
}

/// The user property that says which variant of a flag the user is in.
#[must_use]
pub fn user_property(flag: &str) -> String {
    format!("[Experiment] {flag}")
}

/// A value as it stands in the columns for well-known properties.
fn cut(text: String) -> String {
    if text.len() <= MAX_WELL_KNOWN {
        return text;
    }
    let end = text.floor_char_boundary(MAX_WELL_KNOWN - CUT.len_utf8());
    format!("{}{CUT}", &text[..end])
}

fn well_known(properties: &Map<String, Value>) -> WellKnown {
    let first = |names: &[&str]| {
        let texts = names
            .iter()
            .filter_map(|name| properties.get(*name))
            .filter_map(property_text);
        let mut there = texts.filter(|text| !text.is_empty());
        there.next().map(cut).unwrap_or_default()
    };
    WellKnown {
        country: first(&["country", "$country"]),
        region: first(&["region", "$region"]),
        os: first(&["os", "$os"]),
        browser: first(&["browser", "$browser"]),
        device: first(&["device", "$device"]),
        platform: first(&["platform", "$platform"]),
        app_version: first(&["app_version", "appVersion", "$app_version"]),
        sdk: first(&["sdk", "$sdk", "$lib"]),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::domain::Experiment;

    struct Nothing;

    impl ExperimentIndex for Nothing {
        fn by_id_or_key(&self, _: &str) -> Option<&Experiment> {
            None
        }

        fn by_flag_key(&self, _: &str, _: i64) -> Option<&Experiment> {
            None
        }
    }

    const PROJECT: Uuid = Uuid::from_u128(0xABC);

    fn now() -> Timestamp {
        "2026-07-01T12:00:00.123456Z".parse().expect("a time")
    }

    fn record(event: Value) -> EventRecord {
        let context = Context {
            project_id: PROJECT,
            now: now(),
            experiments: &Nothing,
            sender: None,
        };
        let event = serde_json::from_value(event).expect("an event");
        transform(
            event,
            &context,
            &Anonymous::of(PROJECT, &[]),
            &mut Tracked::default(),
        )
    }

    #[test]
    fn the_same_client_id_is_the_same_event() {
        let id = |id: Value| record(json!({"name": "a", "id": id})).event_id;
        let uuid = Uuid::from_u128(77);
        assert_eq!(id(json!(uuid)), uuid);
        assert_eq!(id(json!(uuid.simple().to_string().to_uppercase())), uuid);
        let named = id(json!("order-17"));
        assert_eq!(named, id(json!("order-17")));
        assert_eq!(named, Uuid::new_v5(&PROJECT, b"order-17"));
        assert_ne!(named, id(json!("order-18")));
        assert_ne!(id(json!("")), id(json!("")), "an empty id is none");
    }

    #[test]
    fn times_that_cannot_be_are_those_of_arrival_and_what_was_sent_is_kept() {
        let now = now().as_millisecond();
        for (sent, ts, kept) in [
            (json!(null), now, None),
            (json!(now - 1000), now - 1000, None),
            (json!("2026-07-01T13:59:00+02:00"), now - 60_123, None),
            (json!(now + MAX_AHEAD_MS), now + MAX_AHEAD_MS, None),
            (json!(now - MAX_AGE_MS), now - MAX_AGE_MS, None),
            (
                json!(now + MAX_AHEAD_MS + 1),
                now,
                Some((now + MAX_AHEAD_MS + 1).to_string()),
            ),
            // Seconds where milliseconds are meant.
            (json!(now / 1000), now, Some((now / 1000).to_string())),
            (json!(0), now, Some("0".to_owned())),
            (json!(i64::MIN), now, Some(i64::MIN.to_string())),
            (json!(i64::MAX), now, Some(i64::MAX.to_string())),
            (
                json!("2126-07-01T12:00:00Z"),
                now,
                Some("2126-07-01T12:00:00Z".to_owned()),
            ),
        ] {
            let record = record(json!({"name": "a", "timestamp": sent}));
            assert_eq!(record.ts, ts, "{sent}");
            assert_eq!(record.props.get(CLIENT_TIMESTAMP), kept.as_ref(), "{sent}");
            assert_eq!(record.ingested_at, now);
        }
    }

    #[test]
    fn properties_become_text_and_null_is_missing() {
        let record = record(json!({"name": "a", "properties": {
            "text": "é", "number": 1.50, "yes": true, "void": null, "list": [1, "b"], "object": {"k": null},
        }}));
        let props: Vec<(&str, &str)> = record
            .props
            .iter()
            .map(|(k, v)| (k.as_str(), v.as_str()))
            .collect();
        assert_eq!(
            props,
            [
                ("list", "[1,\"b\"]"),
                ("number", "1.5"),
                ("object", "{\"k\":null}"),
                ("text", "é"),
                ("yes", "true")
            ]
        );
    }

    #[test]
    fn well_known_properties_get_their_columns_and_stay_in_props() {
        let long = "x".repeat(MAX_WELL_KNOWN + 1);
        let record = record(json!({"name": "a", "properties": {
            "$country": "TH", "os": "", "$os": "Linux", "browser": long, "appVersion": 3, "$lib": "web",
            "region": "é".repeat(MAX_WELL_KNOWN), "platform": "y".repeat(MAX_WELL_KNOWN),
        }}));
        let expected = WellKnown {
            country: "TH".into(),
            // Longer ones are values too, of which the beginning stands.
            browser: "x".repeat(97) + "…",
            region: "é".repeat(48) + "…",
            platform: "y".repeat(MAX_WELL_KNOWN),
            os: "Linux".into(),
            app_version: "3".into(),
            sdk: "web".into(),
            ..WellKnown::default()
        };
        assert_eq!(record.well_known, expected);
        assert_eq!(record.props["$country"], "TH");
        assert_eq!(record.props["browser"], long);
    }

    #[test]
    fn amplitudes_exposure_is_renamed() {
        let record = record(json!({"name": "$exposure", "properties": {
            "flag_key": "f", "variant": "on", "experiment_key": "e", "other": 1,
        }}));
        assert_eq!(record.name, EXPOSURE);
        let keys: Vec<&str> = record.props.keys().map(String::as_str).collect();
        assert_eq!(
            keys,
            [SET, EXPOSURE_EXPERIMENT, EXPOSURE_FLAG, EXPOSURE_VARIANT, "other"]
        );
        assert_eq!(record.props[SET], r#"{"[Experiment] f":"on"}"#);
    }

    #[test]
    fn an_exposure_without_a_variant_takes_the_user_property_away() {
        let exposure = json!({"name": "$exposure", "properties": {"flag_key": "f", "$set": {"plan": "pro"}}});
        let record = record(exposure);
        assert_eq!(record.props[UNSET], r#"{"[Experiment] f":"-"}"#);
        assert_eq!(record.props[SET], r#"{"plan":"pro"}"#);
    }

    #[test]
    fn devices_and_visits_that_no_client_names_are_told_apart() {
        let browser = Origin {
            address: "192.0.2.1".into(),
            user_agent: "Mozilla/5.0 (X11)".into(),
        };
        let program = Origin {
            user_agent: "node".into(),
            ..browser.clone()
        };
        let noon = 1_767_268_800_000;
        let hour = 3_600_000;
        let device = |origin: &Origin, profile: &str, ts| origin.device(PROJECT, profile, ts);
        // A browser keeps its device through a login, until the day ends.
        assert_eq!(
            device(&browser, "", noon),
            device(&browser, "u", noon + 11 * hour)
        );
        assert_ne!(device(&browser, "", noon), device(&browser, "", noon + 12 * hour));
        // A program speaks for many: each person is a device.
        assert_ne!(device(&program, "u", noon), device(&program, "v", noon));
        assert_eq!(
            device(&program, "u", noon),
            device(&program, "u", noon + 48 * hour)
        );
    }

    #[test]
    fn a_visit_over_midnight_stays_with_its_device() {
        let origin = Origin {
            address: "192.0.2.1".into(),
            user_agent: "Mozilla/5.0 (X11)".into(),
        };
        let visits = Visits::default();
        let midnight = 1_767_312_000_000;
        let minute = 60_000;
        let at = |ts: i64| {
            let context = Context {
                project_id: PROJECT,
                now: Timestamp::from_millisecond(ts).expect("a time"),
                experiments: &Nothing,
                sender: Some(Sender {
                    origin: &origin,
                    visits: &visits,
                }),
            };
            let event = serde_json::from_value(json!({"name": "a"})).expect("an event");
            let record = transform(
                event,
                &context,
                &Anonymous::of(PROJECT, &[]),
                &mut Tracked::default(),
            );
            (record.device_id, record.session_id)
        };
        let evening = at(midnight - 10 * minute);
        assert_eq!(at(midnight + 10 * minute), evening);
        assert_eq!(
            at(midnight + 35 * minute),
            evening,
            "for as long as it is heard of"
        );
        let morning = at(midnight + 70 * minute);
        assert!(morning.0 != evening.0 && morning.1 != evening.1);
        assert_eq!(at(midnight + 80 * minute), morning);
    }

    #[test]
    fn the_answer_echoes_the_first_events_ids_or_the_new_ones() {
        let context = Context {
            project_id: PROJECT,
            now: now(),
            experiments: &Nothing,
            sender: None,
        };
        let answer = |events: Value| {
            let events = serde_json::from_value(events).expect("events");
            decide(events, &context).1
        };
        let sent = answer(json!([
            {"name": "a", "deviceId": "d", "sessionId": "s"},
            {"name": "b", "deviceId": "e"},
        ]));
        let expected = Tracked {
            accepted: 2,
            device_id: Some("d".into()),
            session_id: Some("s".into()),
            ..Tracked::default()
        };
        assert_eq!(sent, expected);
        let new = answer(json!([{"name": "a"}]));
        assert!(new.device_id.is_some() && new.session_id.is_some() && new.device_id != new.session_id);
        let known = answer(json!([{"name": "a", "profileId": "p"}]));
        assert!(known.device_id.is_none() && known.session_id.is_none());
        let lost = answer(json!([{"name": "a", "properties": {"__experimentId": "x", "__variantId": "y"}}]));
        assert_eq!(lost.unattributed.unknown_experiment, 1);
        assert_eq!(answer(json!([])), Tracked::default());
    }

    #[test]
    fn anonymous_events_of_a_request_belong_together() {
        let context = Context {
            project_id: PROJECT,
            now: now(),
            experiments: &Nothing,
            sender: None,
        };
        let anonymous = Anonymous::of(PROJECT, &[]);
        let decide = |event: Value| {
            let event = serde_json::from_value(event).expect("an event");
            let record = transform(event, &context, &anonymous, &mut Tracked::default());
            (record.profile_id, record.device_id, record.session_id)
        };
        let first = decide(json!({"name": "a"}));
        assert!(first.0.is_empty() && !first.1.is_empty() && !first.2.is_empty());
        assert_eq!(decide(json!({"name": "b"})), first);
        let known = decide(json!({"name": "c", "profileId": "p"}));
        assert_eq!(
            known,
            ("p".into(), String::new(), String::new()),
            "nothing is made up"
        );
        let device = decide(json!({"name": "d", "deviceId": "d"}));
        assert_eq!(device, (String::new(), "d".into(), String::new()));
        let visit = decide(json!({"name": "e", "sessionId": "s"}));
        assert_eq!(visit, (String::new(), first.1.clone(), "s".into()));
    }

    #[test]
    fn a_request_that_is_sent_again_brings_nobody_new() {
        let context = Context {
            project_id: PROJECT,
            now: now(),
            experiments: &Nothing,
            sender: None,
        };
        let ids = |events: Value| {
            let events = serde_json::from_value(events).expect("events");
            let (records, _) = decide(events, &context);
            let ids = records.into_iter().map(|r| (r.device_id, r.session_id));
            ids.collect::<Vec<_>>()
        };
        // The id may stand with any of the anonymous events; that of somebody known says nothing of the others.
        let body = json!([
            {"name": "a", "deviceId": "d", "id": "known"}, {"name": "b"}, {"name": "c", "id": "e-1"}
        ]);
        let sent = ids(body.clone());
        assert_eq!(ids(body), sent);
        assert_eq!(sent[1], sent[2]);
        assert_ne!(sent[1].0, sent[1].1);
        assert_ne!(
            ids(json!([{"name": "c", "id": "e-2"}]))[0],
            sent[1],
            "another event, another person"
        );
        let untold = json!([{"name": "a"}, {"name": "b", "id": ""}]);
        assert_ne!(
            ids(untold.clone()),
            ids(untold),
            "nothing says that it is the same"
        );
    }
}
