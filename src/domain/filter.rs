//! Filters: the twelve operators, shared by metrics and rule conditions.

use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::FieldError;

/// How a field is compared with a value.
#[derive(Debug, Clone, Copy, Eq, Hash, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum Operator {
    /// The same text.
    Is,
    /// Another text, or missing.
    IsNot,
    /// The value occurs in the field.
    Contains,
    /// The value does not occur in the field, or the field is missing.
    DoesNotContain,
    /// The field begins with the value.
    StartsWith,
    /// The field ends with the value.
    EndsWith,
    /// Greater, both sides being numbers.
    Gt,
    /// Greater or equal, both sides being numbers.
    Gte,
    /// Less, both sides being numbers.
    Lt,
    /// Less or equal, both sides being numbers.
    Lte,
    /// The field is missing or null.
    IsNull,
    /// The field is there.
    IsNotNull,
}

impl Operator {
    /// All twelve.
    pub const ALL: [Self; 12] = [
        Self::Is,
        Self::IsNot,
        Self::Contains,
        Self::DoesNotContain,
        Self::StartsWith,
        Self::EndsWith,
        Self::Gt,
        Self::Gte,
        Self::Lt,
        Self::Lte,
        Self::IsNull,
        Self::IsNotNull,
    ];

    /// The word on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Is => "is",
            Self::IsNot => "isNot",
            Self::Contains => "contains",
            Self::DoesNotContain => "doesNotContain",
            Self::StartsWith => "startsWith",
            Self::EndsWith => "endsWith",
            Self::Gt => "gt",
            Self::Gte => "gte",
            Self::Lt => "lt",
            Self::Lte => "lte",
            Self::IsNull => "isNull",
            Self::IsNotNull => "isNotNull",
        }
    }

    /// Whether the operator looks at a value at all.
    #[must_use]
    pub fn takes_value(self) -> bool {
        !matches!(self, Self::IsNull | Self::IsNotNull)
    }

    /// Whether `field` (a missing or null property is `None`) passes against `value`.
    ///
    /// This is the reference of the operators: the SQL of the warehouse is tested against it. Text is
    /// compared byte for byte. The ordering operators match only where both sides are finite numbers,
    /// and then as numbers: `"9" < "10"`.
    #[must_use]
    pub fn matches(self, field: Option<&str>, value: &str) -> bool {
        match self {
            Self::Is => field == Some(value),
            Self::IsNot => field != Some(value),
            Self::Contains => field.is_some_and(|f| f.contains(value)),
            Self::DoesNotContain => !field.is_some_and(|f| f.contains(value)),
            Self::StartsWith => field.is_some_and(|f| f.starts_with(value)),
            Self::EndsWith => field.is_some_and(|f| f.ends_with(value)),
            Self::Gt => compare(field, value, |f, v| f > v),
            Self::Gte => compare(field, value, |f, v| f >= v),
            Self::Lt => compare(field, value, |f, v| f < v),
            Self::Lte => compare(field, value, |f, v| f <= v),
            Self::IsNull => field.is_none(),
            Self::IsNotNull => field.is_some(),
        }
    }
}

impl fmt::Display for Operator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

fn compare(field: Option<&str>, value: &str, holds: impl Fn(f64, f64) -> bool) -> bool {
    match (field.and_then(number), number(value)) {
        (Some(field), Some(value)) => holds(field, value),
        _ => false,
    }
}

/// A plain decimal number: optional sign, digits, optional fraction, optional exponent.
///
/// `inf`, `NaN`, hexadecimal and surrounding blanks are text, here and in the warehouse's SQL.
#[must_use]
pub fn number(text: &str) -> Option<f64> {
    let plain = text
        .bytes()
        .all(|b| b.is_ascii_digit() || matches!(b, b'+' | b'-' | b'.' | b'e' | b'E'));
    if !plain {
        return None;
    }
    text.parse::<f64>().ok().filter(|n| n.is_finite())
}

/// The text of a JSON value as filters see it; `None` for null.
///
/// Strings are themselves, numbers and booleans as JSON writes them, arrays and objects as compact
/// JSON. The warehouse stores properties in the same form.
#[must_use]
pub fn property_text(value: &serde_json::Value) -> Option<String> {
    match value {
        serde_json::Value::Null => None,
        serde_json::Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    }
}

/// One condition on a property of an event.
#[derive(Debug, Clone, Eq, Hash, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Filter {
    /// The property; `properties.plan` and `plan` mean the same.
    pub field: String,
    /// How it is compared.
    pub operator: Operator,
    /// With what; not looked at by `isNull` and `isNotNull`. Numbers and booleans are taken as their
    /// JSON text.
    #[serde(default, deserialize_with = "value_text")]
    #[schema(value_type = String)]
    pub value: String,
}

impl fmt::Display for Filter {
    /// `amount gt 100`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.field, self.operator)?;
        if self.operator.takes_value() {
            write!(f, " {}", quoted(&self.value))?;
        }
        Ok(())
    }
}

/// A value, in quotes where its ends could not be seen otherwise.
#[must_use]
pub fn quoted(value: &str) -> Cow<'_, str> {
    if value.is_empty() || value.contains(char::is_whitespace) {
        format!("\"{value}\"").into()
    } else {
        value.into()
    }
}

/// Reads a filter's value from any scalar.
pub(super) fn value_text<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let value = serde_json::Value::deserialize(deserializer)?;
    match value {
        serde_json::Value::Array(_) | serde_json::Value::Object(_) => Err(serde::de::Error::custom(
            FieldError::new("value", "a list or an object", "a text, a number, true or false"),
        )),
        scalar => Ok(property_text(&scalar).unwrap_or_default()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn truth_table() {
        use Operator as O;
        let rows: &[(O, Option<&str>, &str, bool)] = &[
            (O::Is, Some("TH"), "TH", true),
            (O::Is, Some("th"), "TH", false),
            (O::Is, None, "", false),
            (O::IsNot, Some("TH"), "TH", false),
            (O::IsNot, None, "TH", true),
            (O::Contains, Some("grocery store"), "cery", true),
            (O::Contains, Some("100%_x"), "%_", true),
            (O::Contains, Some("abc"), "%", false),
            (O::Contains, None, "", false),
            (O::DoesNotContain, None, "x", true),
            (O::DoesNotContain, Some("axb"), "x", false),
            (O::StartsWith, Some("été"), "ét", true),
            (O::EndsWith, Some("été"), "té", true),
            (O::EndsWith, None, "", false),
            (O::Gt, Some("10"), "9", true),
            (O::Gt, Some("9"), "10", false),
            (O::Gt, Some("ten"), "9", false),
            (O::Gte, Some("1e3"), "1000.0", true),
            (O::Lt, Some("-1"), "0", true),
            (O::Lt, Some("NaN"), "0", false),
            (O::Lt, Some("inf"), "0", false),
            (O::Lte, Some(" 5"), "5", false),
            (O::Lte, Some("5"), "five", false),
            (O::Lte, None, "5", false),
            (O::IsNull, None, "", true),
            (O::IsNull, Some(""), "", false),
            (O::IsNotNull, Some(""), "", true),
            (O::IsNotNull, None, "", false),
        ];
        for (operator, field, value, expected) in rows {
            assert_eq!(
                operator.matches(*field, value),
                *expected,
                "{field:?} {operator} {value:?}"
            );
        }
    }

    #[test]
    fn the_word_is_the_one_on_the_wire() {
        for operator in Operator::ALL {
            assert_eq!(serde_json::to_value(operator).expect("writes"), operator.as_str());
        }
    }

    #[test]
    fn a_value_may_be_any_scalar() {
        let read = |json: &str| serde_json::from_str::<Filter>(json).map(|f| f.value);
        assert_eq!(
            read(r#"{"field":"a","operator":"gt","value":100}"#).expect("number"),
            "100"
        );
        assert_eq!(
            read(r#"{"field":"a","operator":"is","value":true}"#).expect("boolean"),
            "true"
        );
        assert_eq!(read(r#"{"field":"a","operator":"isNull"}"#).expect("none"), "");
        assert!(read(r#"{"field":"a","operator":"is","value":[1]}"#).is_err());
    }
}
