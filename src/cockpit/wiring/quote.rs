//! Texts of people as each language writes them.

use serde_json::Value;

/// In single quotes, for JavaScript.
pub fn js(text: &str) -> String {
    let json = Value::from(text).to_string();
    let inside = json.trim_start_matches('"');
    let inside = inside.strip_suffix('"').unwrap_or(inside);
    format!("'{}'", inside.replace("\\\"", "\"").replace('\'', "\\'"))
}

/// In double quotes with the escapes of JSON, which Python and Go read as well.
pub fn json(text: &str) -> String {
    Value::from(text).to_string()
}

/// Inside of single quotes of a shell.
pub fn shell(text: &str) -> String {
    text.replace('\'', "'\\''")
}

/// The name of a field of an object in JavaScript.
pub fn js_name(name: &str) -> String {
    if is_identifier(name) {
        name.to_owned()
    } else {
        js(name)
    }
}

/// A field of an object in JavaScript.
pub fn js_field(object: &str, name: &str) -> String {
    if is_identifier(name) {
        format!("{object}.{name}")
    } else {
        format!("{object}[{}]", js(name))
    }
}

fn is_identifier(name: &str) -> bool {
    let mut chars = name.chars();
    let first = |c: char| c.is_ascii_alphabetic() || c == '_' || c == '$';
    chars.next().is_some_and(first) && chars.all(|c| first(c) || c.is_ascii_digit())
}

/// A text, a list or an object in JavaScript.
pub fn js_value(value: &Value) -> String {
    match value {
        Value::String(text) => js(text),
        Value::Array(list) => format!("[{}]", list.iter().map(js_value).collect::<Vec<_>>().join(", ")),
        Value::Object(fields) => {
            let field = |(name, inner): (&String, &Value)| format!("{}: {}", js_name(name), js_value(inner));
            let fields: Vec<String> = fields.iter().map(field).collect();
            format!("{{ {} }}", fields.join(", "))
        }
        other => other.to_string(),
    }
}

/// JSON, as Python reads it too, with blanks where people write them.
pub fn json_value(value: &Value) -> String {
    match value {
        Value::Object(inner) => object(inner.iter().map(|(name, inner)| (name.as_str(), inner))),
        other => other.to_string(),
    }
}

/// An object of JSON, as Python reads it too, with its fields in this order.
pub fn object<'a>(fields: impl IntoIterator<Item = (&'a str, &'a Value)>) -> String {
    let field = |(name, value): (&str, &Value)| format!("{}: {}", json(name), json_value(value));
    let fields: Vec<String> = fields.into_iter().map(field).collect();
    format!("{{{}}}", fields.join(", "))
}

/// A text or an object in Go.
pub fn go_value(value: &Value) -> String {
    match value {
        Value::Object(fields) => {
            let field = |(name, inner): (&String, &Value)| format!("{}: {}", json(name), go_value(inner));
            let fields: Vec<String> = fields.iter().map(field).collect();
            format!("map[string]any{{{}}}", fields.join(", "))
        }
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_written_as_people_write_them() {
        let (text, nested) = (Value::from("x"), serde_json::json!({"c-d": ["d"]}));
        assert_eq!(
            object([("b", &text), ("a", &nested)]),
            r#"{"b": "x", "a": {"c-d": ["d"]}}"#
        );
        assert_eq!(js_value(&nested), "{ 'c-d': ['d'] }");
        assert_eq!(
            go_value(&serde_json::json!({"a": {"b": "x"}})),
            r#"map[string]any{"a": map[string]any{"b": "x"}}"#
        );
    }

    #[test]
    fn quotes_of_a_text_stay_inside_of_it() {
        assert_eq!(js(r#"it's "a" \ b"#), r#"'it\'s "a" \\ b'"#);
        assert_eq!(js("\"\""), "'\"\"'");
        assert_eq!(json(r#"it's "a""#), r#""it's \"a\"""#);
        assert_eq!(shell("it's $a"), r"it'\''s $a");
        assert_eq!(
            (js_name("a_1"), js_name("a-1"), js_name("")),
            ("a_1".into(), "'a-1'".into(), "''".into())
        );
        assert_eq!(
            (js_field("user", "a"), js_field("user", "a.b")),
            ("user.a".into(), "user['a.b']".into())
        );
    }
}
