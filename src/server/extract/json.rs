//! Reading JSON so that every field at fault is named, in the words of JSON.

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::api::problem::Code;
use crate::domain::FieldError;
use crate::reading::words;
use crate::server::error::ApiError;

use super::twice::each_name_once;

/// The most refused fields that one answer lists.
pub(super) const MAX_FIELD_ERRORS: usize = 20;

/// Reads the body of a change, of which something is kept: no text that cannot be, no name twice in one object, and no
/// field, however deep, that nobody reads. A misspelled `conditions` would make a rule that catches everybody.
///
/// # Errors
/// [`Code::Malformed`], and [`Code::Invalid`] with every field at fault.
pub fn read_change<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, ApiError> {
    check_change(bytes)?;
    let body = read_json(bytes)?;
    known_only::<T>(&read_json(bytes)?)?;
    Ok(body)
}

/// Refuses what no body of a change may have, whatever is changed: texts that cannot be kept, and names that stand twice in
/// one object.
pub(super) fn check_change(bytes: &[u8]) -> Result<(), ApiError> {
    can_be_kept(bytes)?;
    each_name_once(bytes)
}

/// Refuses every field of a sound body that reading it as `T` passes over.
pub(super) fn known_only<T: DeserializeOwned>(value: &Value) -> Result<(), ApiError> {
    let mut errors = Vec::new();
    // What is not sound is refused by whoever reads it.
    let _: Result<T, _> = serde_ignored::deserialize(value, |path| {
        if errors.len() < MAX_FIELD_ERRORS {
            let field = path_text(&path);
            let given = given(value, &field);
            errors.push(FieldError::new(
                field,
                given,
                "no such field here; see /openapi.json",
            ));
        }
    });
    if errors.is_empty() {
        Ok(())
    } else {
        Err(ApiError::invalid(errors))
    }
}

/// A path as refusals write it: `rules[0].condition`.
fn path_text(path: &serde_ignored::Path<'_>) -> String {
    use serde_ignored::Path;
    match path {
        Path::Root => String::new(),
        Path::Seq { parent, index } => format!("{}[{index}]", path_text(parent)),
        Path::Map { parent, key } => match path_text(parent) {
            parent if parent.is_empty() => key.clone(),
            parent => format!("{parent}.{key}"),
        },
        Path::Some { parent } | Path::NewtypeStruct { parent } | Path::NewtypeVariant { parent } => {
            path_text(parent)
        }
    }
}

/// Refuses texts that Postgres does not keep, on SQLite as well: what one server takes, another takes too.
///
/// # Errors
/// [`Code::Invalid`] with every field whose name or text holds the character U+0000. What is no JSON at all passes.
pub fn can_be_kept(bytes: &[u8]) -> Result<(), ApiError> {
    // In JSON it can stand as an escape only. Hardly any body has one, so that hardly any is read twice.
    let suspected = bytes
        .split(|b| *b == b'\\')
        .skip(1)
        .any(|rest| rest.starts_with(b"u0000"));
    let Some(value) = suspected
        .then(|| serde_json::from_slice::<Value>(without_mark(bytes)).ok())
        .flatten()
    else {
        return Ok(());
    };
    let mut errors = Vec::new();
    find_nul(&mut Vec::new(), &value, &mut errors);
    if errors.is_empty() {
        Ok(())
    } else {
        Err(ApiError::invalid(errors))
    }
}

/// A step into a document.
#[derive(Clone, Copy)]
enum Step<'a> {
    Name(&'a str),
    At(usize),
}

/// Where these steps lead, as refusals write it.
fn steps_text(steps: &[Step<'_>]) -> String {
    let mut text = String::new();
    for step in steps {
        match step {
            Step::At(at) => text.push_str(&format!("[{at}]")),
            Step::Name(name) if text.is_empty() => text.push_str(name),
            Step::Name(name) => text.extend([".", name]),
        }
    }
    text
}

/// A path is written only for what is refused: written for every element it would cost as much as all of a body for
/// each of them.
fn find_nul<'a>(steps: &mut Vec<Step<'a>>, value: &'a Value, errors: &mut Vec<FieldError>) {
    if errors.len() >= MAX_FIELD_ERRORS {
        return;
    }
    let refused = |steps: &[Step<'_>], text: &str| {
        let path = steps_text(steps);
        FieldError::new(
            if path.is_empty() {
                "body".to_owned()
            } else {
                path.replace('\0', "\\u0000")
            },
            text.escape_debug(),
            "a text without the character U+0000",
        )
    };
    match value {
        Value::String(text) if text.contains('\0') => errors.push(refused(steps, text)),
        Value::Array(items) => {
            for (at, item) in items.iter().enumerate() {
                steps.push(Step::At(at));
                find_nul(steps, item, errors);
                steps.pop();
            }
        }
        Value::Object(fields) => {
            for (name, value) in fields {
                steps.push(Step::Name(name));
                if name.contains('\0') {
                    errors.push(refused(steps, name));
                } else {
                    find_nul(steps, value, errors);
                }
                steps.pop();
            }
        }
        _ => {}
    }
}

/// A text without the byte order mark that some programs, those of Windows above all, begin every UTF-8 text with.
pub(super) fn without_mark(bytes: &[u8]) -> &[u8] {
    bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes)
}

/// Reads a JSON text of the form `T`.
///
/// # Errors
/// [`Code::Malformed`] when it is not JSON or not an object at all, [`Code::Invalid`] with every field
/// at fault otherwise.
pub fn read_json<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, ApiError> {
    let bytes = without_mark(bytes);
    if let Err(error) = std::str::from_utf8(bytes) {
        let detail = format!("the body is not UTF-8: {error}");
        return Err(ApiError::new(Code::Malformed, detail));
    }
    // Serde would take a list for an object, its elements for the fields in their order.
    let is_object = bytes.iter().find(|b| !b.is_ascii_whitespace()) == Some(&b'{');
    if !is_object {
        let syntax = serde_json::from_slice::<serde::de::IgnoredAny>(bytes);
        return Err(syntax.map_or_else(
            |error| not_json(bytes, &error),
            |_| ApiError::new(Code::Malformed, "the body is JSON and no object; send {…}"),
        ));
    }
    // Most bodies are sound: the text is read once, and only a faulty one is looked at closely.
    match serde_json::from_slice(bytes) {
        Ok(body) => Ok(body),
        Err(error) => {
            let value: Value = serde_json::from_slice(bytes).map_err(|syntax| not_json(bytes, &syntax))?;
            from_value::<T>(value)?;
            // What only the text shows.
            each_name_once(bytes)?;
            Err(ApiError::new(
                Code::Malformed,
                format!("the body does not have the right form: {error}"),
            ))
        }
    }
}

fn not_json(bytes: &[u8], error: &serde_json::Error) -> ApiError {
    let detail = if bytes.is_empty() {
        "the body is empty; send a JSON text".to_owned()
    } else {
        format!("the body is not JSON: {error}")
    };
    ApiError::new(Code::Malformed, detail)
}

/// Reads a JSON value of the form `T`, collecting the faults of all its fields.
pub(super) fn from_value<T: DeserializeOwned>(mut value: Value) -> Result<T, ApiError> {
    let mut errors: Vec<FieldError> = Vec::new();
    loop {
        let fault = match serde_path_to_error::deserialize::<_, T>(value.clone()) {
            Ok(body) if errors.is_empty() => return Ok(body),
            Ok(_) => break,
            Err(fault) => fault,
        };
        let path = fault.path().to_string();
        let message = fault.inner().to_string();
        let Some(error) = field_error(&path, &message, &value) else {
            if errors.is_empty() {
                return Err(ApiError::new(
                    Code::Malformed,
                    format!("the body does not have the right form: {message}"),
                ));
            }
            break;
        };
        // The field is taken out and the rest is read again, so that one answer names them all.
        let top = error
            .field
            .split(['.', '['])
            .next()
            .unwrap_or_default()
            .to_owned();
        let seen = errors.iter().any(|e| {
            let seen = e.field.split(['.', '[']).next();
            seen == Some(top.as_str())
        });
        // A required field that was taken out is missed by the next reading: it was named already.
        if seen {
            break;
        }
        errors.push(error);
        let removed = value.as_object_mut().and_then(|fields| fields.remove(&top));
        if removed.is_none() || errors.len() >= MAX_FIELD_ERRORS {
            break;
        }
    }
    Err(ApiError::invalid(errors))
}

/// The refusal of one field, from what serde says of it. `None` when no field can be named.
pub(super) fn field_error(path: &str, message: &str, value: &Value) -> Option<FieldError> {
    let path = if path == "." { "" } else { path };
    let join = |name: &str| {
        if path.is_empty() {
            name.to_owned()
        } else {
            format!("{path}.{name}")
        }
    };
    let quoted = |text: &str| text.split('`').nth(1).map(str::to_owned);
    if message.starts_with("missing field") {
        let name = quoted(message)?;
        return Some(FieldError::new(join(&name), "nothing", "a value: it is required"));
    }
    if message.starts_with("unknown field") {
        let name = quoted(message)?;
        // serde_path_to_error already ends the path with the unknown name.
        let field = if path == name || path.ends_with(&format!(".{name}")) {
            path.to_owned()
        } else {
            join(&name)
        };
        let allowed = not_here(&name, message).unwrap_or_else(|| {
            message.split_once("expected ").map_or_else(
                || "no such field".to_owned(),
                |(_, names)| {
                    let names = names.trim_start_matches("one of ").replace('`', "");
                    format!("no other field than {names}")
                },
            )
        });
        return Some(FieldError::new(field, given(value, path), allowed));
    }
    if path.is_empty() {
        return None;
    }
    // The checked types of the model refuse with a `FieldError` of their own, told as text by serde.
    if let Some((_, told)) = message.split_once(": got \"")
        && let Some((was, allowed)) = told.split_once("\", allowed is ")
    {
        // A share of its own limits, of which its type knows nothing.
        let holdout = path == "holdoutPct";
        let allowed = if holdout {
            "a number from 0 to 25 with at most two decimals"
        } else {
            allowed
        };
        return Some(FieldError::new(path, was, allowed));
    }
    let allowed = message
        .rsplit_once("expected ")
        .map_or(message, |(_, expected)| expected);
    Some(FieldError::new(
        path,
        given(value, path),
        words::expected(allowed),
    ))
}

/// What to do with a field of an experiment that is not part of the request on purpose.
fn not_here(name: &str, message: &str) -> Option<String> {
    let of_experiment = message.contains("`hypothesis`");
    let allowed = match name {
        "status" | "winningVariant" | "endedReason" => {
            "nothing here: it is changed by POST /experiments/{idOrKey}/status"
        }
        "key" | "salt" | "id" => "nothing here: it is fixed at creation",
        "cohorts" | "createdAt" | "updatedAt" | "activatedAt" | "statusChangedAt" | "pausedBy" => {
            "nothing here: the server sets it"
        }
        _ => return None,
    };
    of_experiment.then(|| allowed.to_owned())
}

/// What stands at `path`, as JSON.
fn given(value: &Value, path: &str) -> String {
    let mut at = value;
    for part in path.split(['.', '[']).filter(|p| !p.is_empty()) {
        let index = part.trim_end_matches(']').parse::<usize>();
        let next = match (at, index) {
            (Value::Array(items), Ok(index)) => items.get(index),
            (other, _) => other.get(part),
        };
        match next {
            Some(next) => at = next,
            None => return "nothing".to_owned(),
        }
    }
    match at {
        Value::String(text) => text.clone(),
        Value::Array(items) => format!("a list of {}", items.len()),
        Value::Object(_) => "an object".to_owned(),
        scalar => scalar.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::experiments::{ChangeStatus, UpdateExperiment};
    use crate::api::overrides::SetOverrides;

    /// Field and what is allowed there, of a body that must be refused by its fields.
    fn refusals<T: DeserializeOwned>(body: &str) -> Vec<(String, String)> {
        let Err(ApiError::Problem(problem)) = read_json::<T>(body.as_bytes()) else {
            panic!("{body} is taken")
        };
        assert_eq!(problem.code, Code::Invalid, "{problem}");
        let told = problem.errors.into_iter().map(|e| (e.field, e.allowed));
        told.collect()
    }

    #[test]
    fn what_is_allowed_is_said_in_the_words_of_json() {
        for (body, field, allowed) in [
            (
                r#"{"resourceVersion":"1"}"#,
                "resourceVersion",
                "a whole number, 0 or more",
            ),
            (
                r#"{"resourceVersion":-1}"#,
                "resourceVersion",
                "a whole number, 0 or more",
            ),
            (r#"{"resourceVersion":1,"name":[]}"#, "name", "a text"),
            (r#"{"resourceVersion":1,"sticky":0}"#, "sticky", "true or false"),
            (
                r#"{"resourceVersion":1,"holdoutPct":"5"}"#,
                "holdoutPct",
                "a number",
            ),
            (r#"{"resourceVersion":1,"rules":{}}"#, "rules", "a list"),
            (r#"{"resourceVersion":1,"links":7}"#, "links", "an object"),
            (r#"{"resourceVersion":1,"prior":7}"#, "prior", "an object"),
            (
                r#"{"resourceVersion":1,"assignmentMode":"x"}"#,
                "assignmentMode",
                "one of profile, session, event",
            ),
            (
                r#"{"resourceVersion":1,"key":"k"}"#,
                "key",
                "nothing here: it is fixed at creation",
            ),
            (
                r#"{"resourceVersion":1,"cohorts":[]}"#,
                "cohorts",
                "nothing here: the server sets it",
            ),
            (r#"{"name":"x"}"#, "resourceVersion", "a value: it is required"),
        ] {
            let expected = vec![(field.to_owned(), allowed.to_owned())];
            assert_eq!(refusals::<UpdateExperiment>(body), expected, "{body}");
        }
        let told = refusals::<UpdateExperiment>(r#"{"resourceVersion":1,"status":"active"}"#);
        assert!(
            told[0].1.ends_with("POST /experiments/{idOrKey}/status"),
            "{told:?}"
        );
        let told =
            refusals::<SetOverrides>(r#"{"variant":"a","subjectType":"user","subjectIds":[],"key":1}"#);
        assert_eq!(
            told[0].1,
            "no other field than variant, subjectType, subjectIds, source"
        );
    }

    #[test]
    fn what_cannot_be_kept_is_named_wherever_it_stands() {
        let body =
            r#"{"a": "x\u0000y", "b": [1, {"c\u0000": 1, "d": ["\u0000"]}], "e": "\\u0000", "f": "é"}"#;
        let Err(ApiError::Problem(problem)) = can_be_kept(body.as_bytes()) else {
            panic!("it is taken");
        };
        let told: Vec<(&str, &str)> = problem.errors.iter().map(|e| (&*e.field, &*e.given)).collect();
        assert_eq!(
            told,
            [("a", "x\\0y"), ("b[1].c\\u0000", "c\\0"), ("b[1].d[0]", "\\0")]
        );
        assert!(can_be_kept("\u{feff}{\"a\": \"\\u0000\"}".as_bytes()).is_err());
        for sound in [
            r#"{"a": "\\u0000"}"#,
            r#"{"a": "\u0001"}"#,
            "",
            r#"{"a": "\u0000"#,
            "{}",
        ] {
            assert!(can_be_kept(sound.as_bytes()).is_ok(), "{sound}");
        }
        let long = "n".repeat(100_000);
        let deep = serde_json::json!({ long: [0, "\0"] }).to_string();
        let Err(ApiError::Problem(problem)) = can_be_kept(deep.as_bytes()) else {
            panic!("it is taken");
        };
        assert_eq!(problem.errors[0].field, format!("{}…", "n".repeat(200)));
        let many = serde_json::json!(vec!["\0"; 100]).to_string();
        let Err(ApiError::Problem(problem)) = can_be_kept(many.as_bytes()) else {
            panic!("it is taken");
        };
        assert_eq!(problem.errors.len(), MAX_FIELD_ERRORS);
    }

    #[test]
    fn a_field_that_nobody_reads_is_refused_however_deep() {
        let fields = |body: Value| -> Vec<(String, String)> {
            match read_change::<UpdateExperiment>(body.to_string().as_bytes()) {
                Ok(_) => Vec::new(),
                Err(ApiError::Problem(problem)) => {
                    let told = problem.errors.into_iter().map(|e| (e.field, e.given));
                    told.collect()
                }
                Err(other) => panic!("{other:?}"),
            }
        };
        let rule = |conditions: &str| {
            serde_json::json!({ "resourceVersion": 1, "rules": [{ "variant": "a",
                conditions: [{ "scope": "profile", "field": "f", "operator": "is", "value": "x" }] }] })
        };
        assert_eq!(fields(rule("conditions")), []);
        let told = |field: &str, given: &str| vec![(field.to_owned(), given.to_owned())];
        assert_eq!(
            fields(rule("condition")),
            told("rules[0].condition", "a list of 1")
        );
        let with = |field: &str, value: Value| {
            let mut body = serde_json::json!({ "resourceVersion": 1 });
            body[field] = value;
            fields(body)
        };
        let filter = serde_json::json!([{ "field": "f", "operator": "is", "valu": 3 }]);
        let metric = serde_json::json!({ "event": "buy", "filters": filter, "enabled": true });
        let deep = "secondaryEvent.filters[0].valu";
        assert_eq!(with("secondaryEvent", metric), told(deep, "3"));
        let metric = serde_json::json!({ "event": "buy", "filter": [] });
        assert_eq!(
            with("primaryMetric", metric),
            told("primaryMetric.filter", "a list of 0")
        );
        let variants = serde_json::json!([{ "key": "a", "trafficPercent": 50, "payload": { "any": [1] } }]);
        assert_eq!(
            with("variants", variants),
            told("variants[0].trafficPercent", "50")
        );
        // As with the version in the header.
        let value = serde_json::json!({ "resourceVersion": 1, "variants": [{ "key": "a", "x": 1 }] });
        assert!(known_only::<UpdateExperiment>(&value).is_err());
    }

    #[test]
    fn refusals_of_checked_types_say_what_is_allowed_there() {
        for (body, field, allowed) in [
            (
                r#"{"holdoutPct":-1}"#,
                "holdoutPct",
                "a number from 0 to 25 with at most two decimals",
            ),
            (r#"{"deployments":["x"]}"#, "deployments[0]", "an id (a UUID)"),
            (
                r#"{"rules":[{"variant":"a","conditions":[{"scope":"profile","field":"f","operator":"is","value":[]}]}]}"#,
                "rules[0].conditions[0].value",
                "a text, a number, true or false",
            ),
        ] {
            let body = body.replacen('{', r#"{"resourceVersion":1,"#, 1);
            let expected = vec![(field.to_owned(), allowed.to_owned())];
            assert_eq!(refusals::<UpdateExperiment>(&body), expected, "{body}");
        }
    }

    #[test]
    fn every_faulty_field_is_named_once() {
        let body = r#"{"to":"gone","resourceVersion":[],"comment":1,"x":1,"y":2}"#;
        let fields: Vec<String> = refusals::<ChangeStatus>(body)
            .into_iter()
            .map(|(f, _)| f)
            .collect();
        let mut sorted = fields.clone();
        sorted.sort();
        assert_eq!(sorted, ["comment", "resourceVersion", "to", "x", "y"]);
    }

    #[test]
    fn what_was_given_is_shown_short() {
        let value = serde_json::json!({ "a": [{ "b": "text" }, [1, 2]], "c": null });
        for (path, shown) in [
            ("a[0].b", "text"),
            ("a[1]", "a list of 2"),
            ("a[0]", "an object"),
            ("c", "null"),
            ("a[7].b", "nothing"),
        ] {
            assert_eq!(given(&value, path), shown);
        }
    }
}
