//! Filters, metrics and subjects as SQL.
//!
//! No text that comes from a person is ever part of a statement: values **and** the keys of properties are
//! bound as server-side parameters (`props[{p0:String}]`). What stands in the statement is written in this
//! crate.
//!
//! # Where a property is read
//!
//! | who asks | name | read from |
//! |---|---|---|
//! | a filter of a metric | any | `props`, which holds every property under the name it was sent with |
//! | a breakdown | `country`, `region`, `os`, `browser`, `device`, `platform`, `app_version`, `sdk` | the column of that name, which also gathers the `$country` … of other SDKs; empty is missing |
//! | a breakdown | `event`, `variant`, `reason`, `cohort` | what the event is, and what its attribution says |
//! | a breakdown | anything else, and everything behind `properties.` | `props` |
//!
//! `properties.plan` and `plan` are the same property. Filters do not read the columns: those cannot tell
//! an empty text from a missing one, and [`Operator::matches`] does.

use serde::Serialize;

use crate::domain::filter::number;
use crate::domain::{AssignmentMode, Experiment, Filter, Metric, Operator, SubjectType};

/// A value for a server-side parameter.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub(super) enum Value {
    Text(String),
    Texts(Vec<String>),
    Int(i64),
    Unsigned(u64),
    Unsigneds(Vec<u64>),
    Lists(Vec<Vec<u64>>),
    Uuids(Vec<String>),
}

impl Value {
    /// The ClickHouse type it is read as.
    fn kind(&self) -> &'static str {
        match self {
            Self::Text(_) => "String",
            Self::Texts(_) => "Array(String)",
            Self::Int(_) => "Int64",
            Self::Unsigned(_) => "UInt64",
            Self::Unsigneds(_) => "Array(UInt64)",
            Self::Lists(_) => "Array(Array(UInt64))",
            Self::Uuids(_) => "Array(UUID)",
        }
    }
}

/// The bound values of one statement.
///
/// Each method takes a value and gives back the placeholder that stands for it in the statement.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Args {
    values: Vec<Value>,
}

impl Args {
    /// A text.
    pub(super) fn text(&mut self, value: &str) -> String {
        self.bind(Value::Text(value.to_owned()))
    }

    /// A list of texts.
    pub(super) fn texts<T: AsRef<str>>(&mut self, values: impl IntoIterator<Item = T>) -> String {
        self.bind(Value::Texts(
            values.into_iter().map(|v| v.as_ref().to_owned()).collect(),
        ))
    }

    /// A whole number.
    pub(super) fn int(&mut self, value: i64) -> String {
        self.bind(Value::Int(value))
    }

    /// A list of whole numbers that are not negative.
    pub(super) fn unsigneds(&mut self, values: Vec<u64>) -> String {
        self.bind(Value::Unsigneds(values))
    }

    /// A list of such lists.
    pub(super) fn lists(&mut self, values: Vec<Vec<u64>>) -> String {
        self.bind(Value::Lists(values))
    }

    /// A UUID.
    pub(super) fn uuid(&mut self, value: uuid::Uuid) -> String {
        format!("toUUID({})", self.text(&value.to_string()))
    }

    /// A list of UUIDs.
    pub(super) fn uuids(&mut self, values: impl IntoIterator<Item = uuid::Uuid>) -> String {
        self.bind(Value::Uuids(values.into_iter().map(|v| v.to_string()).collect()))
    }

    /// A number, bit for bit: no decimal text lies between the two sides.
    fn float(&mut self, value: f64) -> String {
        let bits = self.bind(Value::Unsigned(value.to_bits()));
        format!("reinterpretAsFloat64({bits})")
    }

    /// The values with the names that their placeholders have.
    pub(super) fn named(&self) -> impl Iterator<Item = (String, &Value)> {
        self.values
            .iter()
            .enumerate()
            .map(|(at, value)| (format!("p{at}"), value))
    }

    fn bind(&mut self, value: Value) -> String {
        let at = match self.values.iter().position(|known| *known == value) {
            Some(at) => at,
            None => {
                self.values.push(value);
                self.values.len() - 1
            }
        };
        let kind = self.values[at].kind();
        format!("{{p{at}:{kind}}}")
    }
}

/// The key in `props` that a filter's field means.
fn property_key(field: &str) -> &str {
    match field.strip_prefix("properties.") {
        Some(key) if !key.is_empty() => key,
        _ => field,
    }
}

/// The text forms that [`number`] takes, as an RE2 expression over the whole text.
///
/// `toFloat64OrNull` alone would also read `inf`, `nan`, hexadecimal and surrounding blanks.
const NUMBER: &str = r"^[+-]?([0-9]+\\.?[0-9]*|\\.[0-9]+)([eE][+-]?[0-9]+)?$";

/// Whether a row passes, exactly as [`Operator::matches`] says; an expression over `props`, 0 or 1.
pub(super) fn filter(filter: &Filter, args: &mut Args) -> String {
    let key = args.text(property_key(&filter.field));
    let there = format!("mapContains(props, {key})");
    // The value of a missing key is ''; `there` tells it from an empty text.
    let field = format!("props[{key}]");
    let value = |args: &mut Args| args.text(&filter.value);
    match filter.operator {
        Operator::Is => format!("({there} AND {field} = {})", value(args)),
        Operator::IsNot => format!("NOT ({there} AND {field} = {})", value(args)),
        // Positions are of bytes, as the comparison is; `LIKE` would give `%` and `_` a meaning.
        Operator::Contains => format!("({there} AND position({field}, {}) > 0)", value(args)),
        Operator::DoesNotContain => format!("NOT ({there} AND position({field}, {}) > 0)", value(args)),
        Operator::StartsWith => format!("({there} AND startsWith({field}, {}))", value(args)),
        Operator::EndsWith => format!("({there} AND endsWith({field}, {}))", value(args)),
        Operator::Gt => ordering(&there, &field, ">", &filter.value, args),
        Operator::Gte => ordering(&there, &field, ">=", &filter.value, args),
        Operator::Lt => ordering(&there, &field, "<", &filter.value, args),
        Operator::Lte => ordering(&there, &field, "<=", &filter.value, args),
        Operator::IsNull => format!("NOT {there}"),
        Operator::IsNotNull => there,
    }
}

fn ordering(there: &str, field: &str, sign: &str, value: &str, args: &mut Args) -> String {
    let Some(value) = number(value) else {
        return "0".to_owned();
    };
    let value = args.float(value);
    // `match` is asked first; where it fails the parsed number is not looked at. What overflows is
    // infinite and no number. A missing key is '' and no number either.
    format!(
        "({there} AND match({field}, '{NUMBER}') AND isFinite(toFloat64OrZero({field})) \
         AND toFloat64OrZero({field}) {sign} {value})"
    )
}

/// Whether a row is an event of the metric; an expression over `name` and `props`.
pub(super) fn metric(metric: &Metric, args: &mut Args) -> String {
    let mut all = vec![format!("name = {}", args.text(&metric.event))];
    all.extend(metric.filters.iter().map(|f| filter(f, args)));
    format!("({})", all.join(" AND "))
}

/// What a breakdown groups by; an expression of type `Nullable(String)` over `experiment_events`.
pub(super) fn breakdown(key: &str, args: &mut Args) -> String {
    let column = match key {
        "country" | "region" | "os" | "browser" | "device" | "platform" | "app_version" | "sdk" => key,
        "event" => "name",
        "variant" => "variant",
        "reason" => "reason",
        "cohort" => return "CAST(nullIf(toString(cohort), '0') AS Nullable(String))".to_owned(),
        _ => {
            let key = args.text(property_key(key));
            return format!("if(mapContains(props, {key}), CAST(props[{key}] AS Nullable(String)), NULL)");
        }
    };
    format!("nullIf(CAST({column} AS String), '')")
}

/// Who a row of `events` belongs to, in the terms of an experiment.
#[derive(Debug, Clone, Eq, PartialEq)]
pub(super) struct EventSubject {
    /// The subject's hash, as in `experiment_events.subject_hash`.
    pub hash: String,
    /// Whether the row has such a subject at all.
    pub there: String,
}

impl EventSubject {
    fn new(hash: &str, there: &str) -> Self {
        Self {
            hash: hash.to_owned(),
            there: there.to_owned(),
        }
    }

    /// An id that is not a column: an expression for its text.
    fn of_text(text: &str) -> Self {
        Self {
            hash: format!("cityHash64({text})"),
            there: format!("({text}) != ''"),
        }
    }
}

/// The subject of a row of `events`: the same id that the experiment's own rows carry in `subject` (see
/// `server::ingest`'s attribution, which this follows).
///
/// `None` in event mode, where only the attributed event itself counts.
pub(super) fn event_subject(experiment: &Experiment, args: &mut Args) -> Option<EventSubject> {
    let profile = || EventSubject::new("profile_hash", "profile_id != ''");
    let session = || EventSubject::new("session_hash", "session_id != ''");
    Some(match (experiment.assignment_mode, &experiment.subject_type) {
        (AssignmentMode::Event, _) => return None,
        (AssignmentMode::Profile, SubjectType::Any) => EventSubject::new(
            "if(profile_id != '', profile_hash, device_hash)",
            "(profile_id != '' OR device_id != '')",
        ),
        (AssignmentMode::Session, SubjectType::Any) => session(),
        (_, SubjectType::Named(name)) => match name.as_str() {
            "user_id" | "userId" | "profile_id" | "profileId" => profile(),
            "device_id" | "deviceId" => EventSubject::new("device_hash", "device_id != ''"),
            "session_id" | "sessionId" => session(),
            "event_id" | "eventId" => EventSubject::new("cityHash64(toString(event_id))", "1"),
            name => {
                let (whole, bare) = (args.text(name), args.text(property_key(name)));
                EventSubject::of_text(&format!(
                    "if(mapContains(props, {whole}), props[{whole}], props[{bare}])"
                ))
            }
        },
        (_, SubjectType::Group(kind)) => {
            let kind = args.text(kind);
            EventSubject::of_text(&group_id(&kind))
        }
    })
}

/// A JSON text with its numbers as texts, letter by letter: ClickHouse writes a number anew when it reads one, `1042.0`
/// as `1042`, and would find other ids in lists than those that were exposed. (In `groups` they are texts already.)
///
/// Texts are passed over as a whole, so that no number inside of one is met. `\x01` stands for the quotes at first: no
/// JSON text has it, and twice in a row it stands only behind a text.
fn numbers_as_texts(json: &str) -> String {
    const TOKENS: &str = r#"("(?:[^"\\\\]|\\\\.)*")|(-?[0-9][0-9.eE+-]*)"#;
    format!(
        r"replaceAll(replaceAll(replaceRegexpAll({json}, '{TOKENS}', '\\1\x01\\2\x01'), '\x01\x01', ''), '\x01', '\x22')"
    )
}

/// The id of the event's group of a type: `groups.<type>`, else the property with the type's name; of
/// several the first. Texts and numbers are ids, other JSON is not.
fn group_id(kind: &str) -> String {
    let groups = "if(mapContains(props, 'groups'), props['groups'], props['$groups'])";
    let numbers = "('Int64', 'UInt64', 'Double')";
    let first = |list: &str| {
        format!(
            "arrayFirst(id -> id != '', arrayMap(raw -> multiIf(JSONType(raw) = 'String', JSONExtractString(raw), \
             JSONType(raw) IN {numbers}, raw, ''), {list}))"
        )
    };
    let listed = first(&format!("JSONExtractArrayRaw({groups}, {kind})"));
    let property = first(&format!(
        "JSONExtractArrayRaw({})",
        numbers_as_texts(&format!("props[{kind}]"))
    ));
    format!(
        "multiIf(JSONType({groups}, {kind}) = 'String', JSONExtractString({groups}, {kind}), \
         JSONType({groups}, {kind}) IN {numbers}, JSONExtractRaw({groups}, {kind}), \
         JSONType({groups}, {kind}) = 'Array', {listed}, \
         JSONHas({groups}, {kind}), '', \
         JSONType(props[{kind}]) = 'Array', {property}, \
         props[{kind}])"
    )
}
