//! Names that stand twice in one object of a JSON text: of their values only one would be taken.

use std::collections::HashSet;
use std::fmt::{self, Write as _};

use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};

use crate::domain::FieldError;
use crate::server::error::ApiError;

use super::json::{MAX_FIELD_ERRORS, without_mark};

/// Refuses names that stand twice in an object, however deep.
///
/// # Errors
/// [`Code::Invalid`](crate::api::problem::Code::Invalid) with each of them. What is no JSON passes.
pub(super) fn each_name_once(bytes: &[u8]) -> Result<(), ApiError> {
    let mut found = Found::default();
    let mut text = serde_json::Deserializer::from_slice(without_mark(bytes));
    let read = Look(&mut found).deserialize(&mut text).and_then(|()| text.end());
    if read.is_err() || found.errors.is_empty() {
        return Ok(());
    }
    Err(ApiError::invalid(found.errors))
}

/// What was found so far.
#[derive(Default)]
struct Found {
    /// Where the reader is, as refusals write it.
    path: String,
    errors: Vec<FieldError>,
}

impl Found {
    /// Goes one step further; the length of the path up to here, to come back to.
    fn step(&mut self, step: impl fmt::Display) -> usize {
        let length = self.path.len();
        // Writing to a text does not fail.
        let _ = write!(self.path, "{step}");
        length
    }

    fn back(&mut self, length: usize) {
        self.path.truncate(length);
    }

    /// The name that the path ends with was there before.
    fn twice(&mut self) {
        let once = "one value: a name stands once in an object";
        let error = FieldError::new(&*self.path, "more than one value", once);
        if self.errors.len() < MAX_FIELD_ERRORS && !self.errors.contains(&error) {
            self.errors.push(error);
        }
    }
}

/// Reads a value and looks at its names.
struct Look<'f>(&'f mut Found);

impl<'de> DeserializeSeed<'de> for Look<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<(), D::Error> {
        from.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Look<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let Self(found) = self;
        for at in 0_usize.. {
            let before = found.step(format_args!("[{at}]"));
            let item = items.next_element_seed(Look(&mut *found))?;
            found.back(before);
            if item.is_none() {
                break;
            }
        }
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<(), A::Error> {
        let Self(found) = self;
        let mut names: HashSet<String> = HashSet::new();
        while let Some(name) = fields.next_key::<String>()? {
            let dot = if found.path.is_empty() { "" } else { "." };
            let before = found.step(format_args!("{dot}{name}"));
            if names.contains(&name) {
                found.twice();
            }
            fields.next_value_seed(Look(&mut *found))?;
            found.back(before);
            names.insert(name);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn twice(body: &str) -> Vec<String> {
        match each_name_once(body.as_bytes()) {
            Ok(()) => Vec::new(),
            Err(ApiError::Problem(problem)) => problem.errors.into_iter().map(|e| e.field).collect(),
            Err(other) => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_name_that_stands_twice_is_told_wherever_it_is() {
        for (body, fields) in [
            (r#"{"a": 1, "b": {"a": 2}, "c": [{"a": 3}, {"a": 4}]}"#, &[][..]),
            (r#"{"a": 1, "a": 1, "a": 2}"#, &["a"]),
            (r#"{"a": null, "\u0061": -1.5}"#, &["a"]),
            ("\u{feff}{\"a\": 1, \"a\": true}", &["a"]),
            (
                r#"{"a": [0, {"b": {"c": "x", "d": [], "c": {}}}], "a": {}, "e": 1e9}"#,
                &["a[1].b.c", "a"],
            ),
            (r#"[{"a": 1, "a": 2}]"#, &["[0].a"]),
            // Whoever reads it says what it is not.
            (r#"{"a": 1, "a": 2"#, &[]),
            (r#"{"a": 1, "a": 2} {}"#, &[]),
            ("", &[]),
        ] {
            assert_eq!(twice(body), fields, "{body}");
        }
        let deep = format!("{}1{}", "[".repeat(100_000), "]".repeat(100_000));
        assert_eq!(twice(&deep), [""; 0], "nor does it run out of stack");
        let many: Vec<String> = (0..100).map(|n| format!(r#""{n}": 1, "{n}": 2"#)).collect();
        assert_eq!(twice(&format!("{{{}}}", many.join(", "))).len(), MAX_FIELD_ERRORS);
    }
}
