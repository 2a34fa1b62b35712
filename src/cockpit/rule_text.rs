//! The conditions of a rule as one line of text: `profile.country is TH and event.plan contains "pro plus"`.

use crate::domain::{Condition, Operator, Scope};

/// What is allowed, for messages.
pub const FORM: &str = "field operator value, joined by \"and\", such as: country is TH and age gte 18";

/// The conditions in one line; [`parse`] reads it.
#[must_use]
pub fn write(conditions: &[Condition]) -> String {
    let texts: Vec<String> = conditions.iter().map(condition).collect();
    texts.join(" and ")
}

fn condition(condition: &Condition) -> String {
    let scope = condition.scope.as_str();
    let named = format!("{scope}.");
    let field = if condition.field.starts_with(&named) {
        condition.field.clone()
    } else {
        format!("{scope}.{}", condition.field)
    };
    let field = word(&field);
    if condition.operator.takes_value() {
        format!("{field} {} {}", condition.operator, word(&condition.value))
    } else {
        format!("{field} {}", condition.operator)
    }
}

/// A word, in quotes where it could be read otherwise.
fn word(text: &str) -> String {
    let plain = !text.is_empty()
        && text != "and"
        && !text.contains(|c: char| c.is_whitespace() || c == '"' || c == '\\');
    if plain {
        return text.to_owned();
    }
    let mut quoted = String::from("\"");
    for c in text.chars() {
        if matches!(c, '"' | '\\') {
            quoted.push('\\');
        }
        quoted.push(c);
    }
    quoted.push('"');
    quoted
}

/// Reads conditions; no text means none. A field without a scope is one of the profile.
///
/// # Errors
/// What cannot be read, and what is allowed.
pub fn parse(text: &str) -> Result<Vec<Condition>, String> {
    let words = words(text)?;
    if words.is_empty() {
        return Ok(Vec::new());
    }
    words
        .split(|w| *w == Word::Bare("and".to_owned()))
        .map(one)
        .collect()
}

#[derive(Debug, Clone, Eq, PartialEq)]
enum Word {
    Bare(String),
    Quoted(String),
}

impl Word {
    fn text(&self) -> &str {
        match self {
            Self::Bare(text) | Self::Quoted(text) => text,
        }
    }
}

fn words(text: &str) -> Result<Vec<Word>, String> {
    let mut words = Vec::new();
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.peek().copied() {
        if c.is_whitespace() {
            chars.next();
        } else if c == '"' {
            chars.next();
            let mut quoted = String::new();
            loop {
                match chars.next() {
                    None => return Err("a quote is not closed".to_owned()),
                    Some('"') => break,
                    Some('\\') => quoted.extend(chars.next()),
                    Some(c) => quoted.push(c),
                }
            }
            words.push(Word::Quoted(quoted));
        } else {
            let mut bare = String::new();
            while let Some(c) = chars.next_if(|c| !c.is_whitespace()) {
                bare.push(c);
            }
            words.push(Word::Bare(bare));
        }
    }
    Ok(words)
}

fn one(words: &[Word]) -> Result<Condition, String> {
    let [field, operator, value @ ..] = words else {
        let given: Vec<&str> = words.iter().map(Word::text).collect();
        return Err(format!("\"{}\" is no condition; write {FORM}", given.join(" ")));
    };
    let operator = Operator::ALL
        .into_iter()
        .find(|o| o.as_str().eq_ignore_ascii_case(operator.text()))
        .ok_or_else(|| {
            let all: Vec<&str> = Operator::ALL.iter().map(|o| o.as_str()).collect();
            format!("\"{}\" is no operator; use {}", operator.text(), all.join(", "))
        })?;
    let value = match (operator.takes_value(), value) {
        (true, [value]) => value.text().to_owned(),
        (true, []) => return Err(format!("a value is missing after {operator}")),
        (true, _) => return Err("a value of several words needs quotes around it".to_owned()),
        (false, []) => String::new(),
        (false, _) => return Err(format!("{operator} takes no value")),
    };
    let scoped = [Scope::Profile, Scope::Session, Scope::Event]
        .into_iter()
        .find_map(|scope| {
            Some((
                scope,
                field.text().strip_prefix(scope.as_str())?.strip_prefix('.')?,
            ))
        });
    let (scope, field) = scoped.unwrap_or((Scope::Profile, field.text()));
    if field.trim().is_empty() {
        return Err(format!("a field is missing before {operator}"));
    }
    Ok(Condition {
        scope,
        field: field.to_owned(),
        operator,
        value,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn reads_what_people_write() {
        let read = parse("country is TH and event.plan CONTAINS \"pro \\\"plus\\\"\" and bot isNull")
            .expect("reads");
        assert_eq!(
            write(&read),
            "profile.country is TH and event.plan contains \"pro \\\"plus\\\"\" and profile.bot isNull"
        );
        assert_eq!(parse("  "), Ok(Vec::new()));
        for (text, says) in [
            ("country", "is no condition"),
            ("country equals TH", "is no operator"),
            ("country is", "a value is missing"),
            ("plan is pro plus", "needs quotes"),
            ("bot isNull yes", "takes no value"),
            ("plan is \"pro", "not closed"),
            ("country is TH and", "is no condition"),
            ("profile. is TH", "a field is missing"),
        ] {
            let error = parse(text).expect_err(text);
            assert!(error.contains(says), "{text}: {error}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again(
            fields in proptest::collection::vec(("[a-zA-Z \"\\\\.é]{1,12}", 0_usize..12, "[a-z \"\\\\,and]{0,12}", 0_usize..3), 0..4),
        ) {
            let conditions: Vec<Condition> = fields
                .into_iter()
                .filter(|(field, ..)| !field.trim().is_empty())
                .map(|(field, operator, value, scope)| {
                    let operator = Operator::ALL[operator];
                    Condition {
                        scope: [Scope::Profile, Scope::Session, Scope::Event][scope],
                        field: field.replace("profile.", "").replace("session.", "").replace("event.", ""),
                        operator,
                        value: if operator.takes_value() { value } else { String::new() },
                    }
                })
                .collect();
            prop_assert_eq!(parse(&write(&conditions)), Ok(conditions));
        }
    }
}
