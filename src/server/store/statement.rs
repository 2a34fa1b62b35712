//! Statements that are put together from parts.

use sqlx::AssertSqlSafe;
use sqlx::any::{Any, AnyArguments};
use sqlx::query::Query;

/// A statement that grows with what is asked for. Values are bound, never written into the text.
#[derive(Debug)]
pub struct Statement {
    text: String,
    values: Vec<Value>,
}

#[derive(Debug)]
enum Value {
    Int(i64),
    Text(String),
}

impl Statement {
    /// Begins with fixed text.
    #[must_use]
    pub fn new(text: &'static str) -> Self {
        Self {
            text: text.to_owned(),
            values: Vec::new(),
        }
    }

    /// Goes on with fixed text.
    pub fn push(&mut self, text: &'static str) -> &mut Self {
        self.text.push_str(text);
        self
    }

    /// Goes on with the placeholder of a number.
    pub fn bind_int(&mut self, value: i64) -> &mut Self {
        self.bind(Value::Int(value))
    }

    /// Goes on with the placeholder of a text.
    pub fn bind_text(&mut self, value: impl Into<String>) -> &mut Self {
        self.bind(Value::Text(value.into()))
    }

    fn bind(&mut self, value: Value) -> &mut Self {
        self.values.push(value);
        // Both databases know `$1`; the one of sqlx's own builder is `?`, which Postgres does not.
        self.text.push_str(&format!("${}", self.values.len()));
        self
    }

    /// The query, to be run once.
    pub fn build(self) -> Query<'static, Any, AnyArguments> {
        let query = sqlx::query(AssertSqlSafe(self.text));
        self.values.into_iter().fold(query, |query, value| match value {
            Value::Int(value) => query.bind(value),
            Value::Text(value) => query.bind(value),
        })
    }
}
