//! What the audit log recorded, in words: names and values, with numbers as they stand everywhere else.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::{Map, Value};

use crate::cockpit::format;

/// The value of a field before or after a change; `field` is its path, such as `variants.treatment.trafficPct`.
pub fn side(field: &str, value: &Value) -> String {
    match value {
        Value::Null => "nothing".to_owned(),
        value => text(last(field), value, (0, "none")),
    }
}

/// What was recorded as evidence: a name and a value each.
pub fn evidence(value: &Value) -> String {
    text("", value, (0, "unknown"))
}

/// The last part of a path.
fn last(path: &str) -> &str {
    let part = path.rsplit('.').next().unwrap_or(path);
    part.split('[').next().unwrap_or(part)
}

/// A value in words, `depth` objects below the outermost one; `absent` is what is said of one that is not there.
fn text(name: &str, value: &Value, (depth, absent): (usize, &str)) -> String {
    match value {
        Value::Null => absent.to_owned(),
        Value::Bool(true) => "yes".to_owned(),
        Value::Bool(false) => "no".to_owned(),
        Value::String(said) if said.is_empty() && depth > 0 => "none".to_owned(),
        Value::String(said) => moment(said).unwrap_or_else(|| said.clone()),
        Value::Number(number) => match (number.as_u64(), number.as_f64()) {
            (whole, Some(f)) => figure(name, f, whole),
            (..) => number.to_string(),
        },
        Value::Array(all) if all.is_empty() => "none".to_owned(),
        Value::Array(all) => {
            let parts: Vec<String> = all
                .iter()
                .map(|value| text(name, value, (depth + 1, absent)))
                .collect();
            let whole = all.iter().any(|value| value.is_object() || value.is_array());
            parts.join(if whole { "; " } else { ", " })
        }
        Value::Object(fields) => object(name, fields, (depth, absent)),
    }
}

/// The fields of an object, what it is called before the others.
fn object(of: &str, fields: &Map<String, Value>, (depth, absent): (usize, &str)) -> String {
    if let Some(range) = range(fields) {
        return range;
    }
    // Names of people's own stay as they are written.
    let own = matches!(of, "observed" | "expected" | "changedFrom" | "payload" | "links")
        || (of == "variants" && fields.values().all(Value::is_number));
    let titles = ["variant", "key", "name"];
    let title = titles
        .into_iter()
        .find(|title| depth > 0 && !own && fields.get(*title).is_some_and(Value::is_string));
    let titled = title
        .and_then(|title| fields.get(title)?.as_str())
        .map(str::to_owned);
    let others = fields.iter().filter(|(name, _)| Some(name.as_str()) != title);
    let parts: Vec<String> = others
        .map(|(name, value)| match own {
            true => format!("{name} {}", text(of, value, (depth + 1, absent))),
            false => format!("{} {}", words_of(name), text(name, value, (depth + 1, absent))),
        })
        .collect();
    let parts = parts.join(if depth == 0 { ", " } else { " · " });
    match (titled, parts.is_empty()) {
        (Some(title), true) => title,
        (Some(title), false) => format!("{title} {parts}"),
        (None, true) => "none".to_owned(),
        (None, false) => parts,
    }
}

/// `0 – 2,146`: a range of slots.
fn range(fields: &Map<String, Value>) -> Option<String> {
    let (start, end) = (fields.get("start")?.as_u64()?, fields.get("end")?.as_u64()?);
    (fields.len() == 2).then(|| format!("{} – {}", format::count(start), format::count(end)))
}

/// A moment, as it stands in the heading of an entry.
fn moment(said: &str) -> Option<String> {
    let at: Timestamp = said.parse().ok()?;
    Some(format!("{} UTC", format::moment(at, &TimeZone::UTC)))
}

/// A number by what it is called.
fn figure(name: &str, number: f64, whole: Option<u64>) -> String {
    match name {
        "pBest" | "probBest" => format::prob_best(number),
        "p" | "alwaysValidP" => format::p_value(number),
        // On the wire a fraction.
        "split" | "variants" => format!("{} %", plain(number * 100.0)),
        name if name.ends_with("Pct") => format!("{} %", plain(number)),
        _ => match whole {
            Some(n) => format::count(n),
            None => measured(number),
        },
    }
}

/// A number that was computed: two significant digits of what is smaller than one, two decimals of what is not, with
/// its thousands set apart.
fn measured(number: f64) -> String {
    let size = number.abs();
    if size >= 1e9 {
        return format!("{number:.1e}");
    }
    if size > 0.0 && size < 1.0 {
        let sign = if number < 0.0 { "-" } else { "" };
        return format!("{sign}{}", format::p_value(size));
    }
    plain(number)
}

/// At most two decimals, and the thousands set apart.
fn plain(number: f64) -> String {
    let sign = if number < 0.0 { "-" } else { "" };
    let text = format!("{:.2}", number.abs());
    let (whole, decimals) = text.split_once('.').unwrap_or((&text, "00"));
    let whole = whole.parse().map_or_else(|_| whole.to_owned(), format::count);
    match decimals {
        "00" => format!("{sign}{whole}"),
        _ => format!("{sign}{whole}.{decimals}"),
    }
}

/// `alwaysValidP` as a person writes it: `always valid p`.
fn words_of(name: &str) -> String {
    if matches!(name, "pBest" | "probBest") {
        return "P(best)".to_owned();
    }
    let mut words = String::new();
    for c in name.strip_suffix("Pct").unwrap_or(name).chars() {
        if c.is_ascii_uppercase() {
            words.push(' ');
        }
        words.push(c.to_ascii_lowercase());
    }
    words
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn evidence_reads_as_words_and_numbers() {
        let recorded = json!({
            "p": 9.1e-20, "chiSquare": 96.674_150_996_351_4, "df": 1, "alwaysValidP": 5.964e-20,
            "observed": {"control": 1000, "myArm": 2000}, "eValue": null,
            "expected": {"control": 2374.0, "myArm": 2374.5}, "share": 0.0049, "srmAlarm": false,
        });
        let text = evidence(&recorded);
        for part in [
            "p 9.1e-20",
            "chi square 96.67",
            "df 1",
            "always valid p 6.0e-20",
            "observed control 1,000 · myArm 2,000",
            "e value unknown",
            "expected control 2,374 · myArm 2,374.50",
            "share 0.0049",
            "srm alarm no",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
    }

    #[test]
    fn what_a_winner_was_applied_by_is_no_json() {
        let recorded = json!({
            "winner": "treatment", "pBest": 1.0, "computedAt": "2026-11-21T15:02:03.123456Z",
            "arms": [
                {"conversions": 924, "n": 8732, "probBest": 5.898_591_263_120_489e-16, "variant": "control"},
                {"conversions": 1100, "n": 8800, "probBest": 0.972_4, "variant": "treatment"},
            ],
        });
        let text = evidence(&recorded);
        for part in [
            "P(best) >99.9 %",
            "computed at 2026-11-21 15:02:03 UTC",
            "arms control conversions 924 · n 8,732 · P(best) <0.1 %; treatment conversions 1,100 · n 8,800 · P(best) 97.2 %",
            "winner treatment",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
        assert!(!text.contains(['{', '"', '[']), "{text}");
    }

    #[test]
    fn what_changed_is_no_json_either() {
        let cohorts = json!([{
            "index": 1, "createdAt": "2026-11-21T15:02:03.5Z",
            "variants": [
                {"variant": "gate_30", "split": 0.3, "slots": [{"start": 0, "end": 12_884_901}]},
                {"variant": "gate_40", "split": 0.7, "slots": [{"start": 12_884_901, "end": 42_949_673}]},
            ],
        }]);
        let text = side("cohorts", &cohorts);
        for part in [
            "index 1",
            "created at 2026-11-21 15:02:03 UTC",
            "gate_30 slots 0 – 12,884,901 · split 30 %; gate_40",
            "split 70 %",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
        assert!(!text.contains(['{', '"', '[']), "{text}");
        assert_eq!(side("variants.treatment.trafficPct", &json!(33.33)), "33.33 %");
        assert_eq!(side("holdoutPct", &json!(5.0)), "5 %");
        // As the log of a flag has them: shares by variant, and what was left empty.
        let shares = json!([{"index": 1, "variants": {"gate_30": 0.25, "myGate": 0.25}}]);
        assert_eq!(
            side("cohorts", &shares),
            "index 1 · variants gate_30 25 % · myGate 25 %"
        );
        let variant = json!([{"key": "gate_30", "description": "", "payload": null, "trafficPct": 50}]);
        assert_eq!(
            side("variants", &variant),
            "gate_30 description none · payload none · traffic 50 %"
        );
        assert_eq!(side("rules", &json!([])), "none");
        assert_eq!(side("description", &Value::Null), "nothing");
        assert_eq!(side("enabled", &json!(true)), "yes");
        assert_eq!(side("delta", &json!(-0.25)), "-0.25");
    }
}
