//! What ClickHouse says, sorted by what is to be done about it.

use std::fmt;
use std::time::Duration;

/// What to do about an error of ClickHouse.
#[derive(Debug, Clone, Copy, Eq, Hash, PartialEq)]
pub enum Class {
    /// Nothing was done and the next attempt may succeed: connection lost while reading, 202, 209, 210,
    /// 279. Retry with back-off; keep the last good result and mark it stale.
    Retry,
    /// The answer of an insert was lost: it may or may not be stored. Send the same bytes under the same
    /// token again.
    OutcomeUnknown,
    /// ClickHouse cannot take writes now (252 too many parts, 242 read-only table, 243 disk full): the
    /// writer holds back and keeps the token.
    HoldBack,
    /// Rights, users, tables or settings are not as they must be (47, 60, 164, 452, 497, 516 and their
    /// kin): retrying is no use until a person changes it. [`WarehouseError::advice`] says what.
    Configuration,
    /// A limit of time (159) or memory (241) was hit: no blind retry; a narrower window or fewer threads.
    Limit,
    /// ClickHouse cannot read the rows that were sent: sending them again cannot help.
    Content,
    /// Any other refusal.
    Other,
}

/// A failed request to ClickHouse.
#[derive(Debug, Clone, thiserror::Error)]
pub struct WarehouseError {
    /// What to do about it.
    pub class: Class,
    /// The error code that ClickHouse gave, if it was ClickHouse that answered.
    pub code: Option<u32>,
    /// What was being done, such as `insert into events`.
    pub doing: String,
    /// What was said about it.
    pub message: String,
}

/// How much of ClickHouse's own words a message repeats, in characters.
const MAX_MESSAGE: usize = 600;

impl WarehouseError {
    /// Sorts an error of the `clickhouse` crate that came up while `doing`.
    pub(super) fn new(doing: impl Into<String>, error: &clickhouse::error::Error) -> Self {
        use clickhouse::error::Error as E;
        let message = full_message(error);
        let code = match error {
            E::BadResponse(text) => code_of(text),
            _ => None,
        };
        let class = match (code, error) {
            (Some(code), _) => class_of(code),
            // Without a code it was not ClickHouse that answered: a proxy, or an answer cut short.
            (None, E::BadResponse(_) | E::Network(_) | E::TimedOut | E::Decompression(_)) => Class::Retry,
            (None, E::SchemaMismatch(_) | E::InvalidColumnsHeader(_)) => Class::Configuration,
            (None, E::Unsupported(_) | E::InvalidParams(_)) => Class::Configuration,
            (None, _) => Class::Other,
        };
        Self {
            class,
            code,
            doing: doing.into(),
            message: shortened(&message),
        }
    }

    /// A request that was not answered within `limit`.
    pub(super) fn timed_out(doing: impl Into<String>, limit: Duration) -> Self {
        Self {
            class: Class::Retry,
            code: None,
            doing: doing.into(),
            message: format!("no answer within {:.1} s", limit.as_secs_f64()),
        }
    }

    /// Something that only one can do at a time, and that others did first at each of some `attempts`.
    pub(super) fn contended(doing: impl Into<String>, attempts: u32) -> Self {
        Self {
            class: Class::Retry,
            code: None,
            doing: doing.into(),
            message: format!("no turn to be had in {attempts} attempts: others were faster"),
        }
    }

    /// A login, a schema or a setting that cannot work; found before ClickHouse was asked.
    pub(super) fn configuration(doing: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            class: Class::Configuration,
            code: None,
            doing: doing.into(),
            message: message.into(),
        }
    }

    /// The same error for an insert: where no answer came, the rows may be stored all the same.
    #[must_use]
    pub(super) fn of_insert(mut self) -> Self {
        if self.class == Class::Retry && matches!(self.code, None | Some(209 | 210)) {
            self.class = Class::OutcomeUnknown;
        }
        self
    }

    /// What a person can do about it; empty where waiting is all there is.
    #[must_use]
    pub fn advice(&self) -> &'static str {
        match (self.class, self.code) {
            (_, Some(516 | 192 | 193 | 194)) => "check the user and the password of the ClickHouse login",
            (_, Some(497)) => {
                "grant the rights that the message names: the server's user needs SELECT, INSERT, CREATE and \
                 ALTER on its database, the cockpit's user SELECT on the two tables"
            }
            (_, Some(164)) => {
                "the user may only read: give the server a user whose profile is not readonly, \
                 and the cockpit one with readonly = 2"
            }
            (_, Some(452)) => "the user's profile forbids a setting that is needed: relax its constraint",
            (_, Some(16 | 47 | 60 | 81)) => {
                "tables or columns are missing: start `splitdeck serve` once with a user that may create them"
            }
            (_, Some(252)) => {
                "too many parts: ClickHouse merges more slowly than events come in; inserts wait"
            }
            (_, Some(242)) => "the table is read-only: look at the disks and the replicas of ClickHouse",
            (_, Some(243)) => "the disk of ClickHouse is full: free space",
            (_, Some(159)) => "choose a narrower window, or allow the query more time",
            (_, Some(241)) => "choose a narrower window, or allow the query more memory",
            (Class::Configuration, None) => "check the ClickHouse login and that this program is the newest",
            _ => "",
        }
    }
}

impl fmt::Display for WarehouseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ClickHouse: {} failed: {}", self.doing, self.message)?;
        if self.class == Class::OutcomeUnknown {
            f.write_str(" (the outcome is unknown)")?;
        }
        match self.advice() {
            "" => Ok(()),
            advice => write!(f, "; {advice}"),
        }
    }
}

/// What to do about a code of ClickHouse (`src/Common/ErrorCodes.cpp` there).
fn class_of(code: u32) -> Class {
    match code {
        // TOO_MANY_SIMULTANEOUS_QUERIES, NO_FREE_CONNECTION, SOCKET_TIMEOUT, NETWORK_ERROR,
        // ABORTED (shutting down), ALL_CONNECTION_TRIES_FAILED, CANNOT_SCHEDULE_TASK
        202 | 203 | 209 | 210 | 236 | 279 | 439 => Class::Retry,
        // UNKNOWN_STATUS_OF_INSERT
        319 => Class::OutcomeUnknown,
        // TOO_MANY_PARTS, TABLE_IS_READ_ONLY, NOT_ENOUGH_SPACE
        252 | 242 | 243 => Class::HoldBack,
        // NO_SUCH_COLUMN_IN_TABLE, UNKNOWN_IDENTIFIER, UNKNOWN_TABLE, UNKNOWN_DATABASE, UNKNOWN_SETTING,
        // READONLY, UNKNOWN_USER, WRONG_PASSWORD, REQUIRED_PASSWORD, IP_ADDRESS_NOT_ALLOWED,
        // SETTING_CONSTRAINT_VIOLATION, ACCESS_DENIED, AUTHENTICATION_FAILED
        16 | 47 | 60 | 81 | 115 | 164 | 192 | 193 | 194 | 195 | 452 | 497 | 516 => Class::Configuration,
        // TIMEOUT_EXCEEDED, MEMORY_LIMIT_EXCEEDED
        159 | 241 => Class::Limit,
        // What a parser or a type says about the bytes of a row.
        6 | 26 | 27 | 32 | 33 | 34 | 38 | 41 | 53 | 69 | 70 | 72 | 117 | 128 | 131 | 321 | 349 | 376
        | 469 => Class::Content,
        _ => Class::Other,
    }
}

/// The number behind the first `Code:`.
fn code_of(text: &str) -> Option<u32> {
    let rest = text.split_once("Code:")?.1.trim_start();
    let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    rest.get(..digits)?.parse().ok()
}

/// The error with everything that caused it, outermost first.
fn full_message(error: &clickhouse::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        source = cause.source();
    }
    text
}

fn shortened(text: &str) -> String {
    let mut short: String = text.chars().take(MAX_MESSAGE).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    short
}

#[cfg(test)]
mod tests {
    use super::*;
    use clickhouse::error::Error as E;

    fn classify(text: &str) -> WarehouseError {
        WarehouseError::new("a query", &E::BadResponse(text.to_owned()))
    }

    #[test]
    fn codes_are_read_out_of_the_text() {
        assert_eq!(
            code_of("Code: 60. DB::Exception: Table x does not exist. (UNKNOWN_TABLE)"),
            Some(60)
        );
        assert_eq!(code_of("Code: 497"), Some(497));
        assert_eq!(code_of("502 Bad Gateway"), None);
        assert_eq!(code_of("Code: "), None);
        assert_eq!(code_of("Code: 99999999999999"), None);
    }

    #[test]
    fn each_code_of_the_design_has_its_class() {
        let table = [
            (Class::Retry, &[202_u32, 209, 210, 279][..]),
            (Class::Limit, &[159, 241]),
            (Class::HoldBack, &[252, 242]),
            (Class::Configuration, &[47, 60, 164, 452, 497, 516]),
        ];
        for (class, codes) in table {
            for code in codes {
                let error = classify(&format!("Code: {code}. DB::Exception: x"));
                assert_eq!((error.class, error.code), (class, Some(*code)), "{code}");
                if class != Class::Retry {
                    assert_ne!(error.advice(), "", "{code} says what to do");
                }
            }
        }
    }

    #[test]
    fn a_lost_answer_is_unknown_for_an_insert_and_retried_for_a_query() {
        let lost = || WarehouseError::new("x", &E::Network("connection reset".into()));
        assert_eq!(lost().class, Class::Retry);
        assert_eq!(lost().of_insert().class, Class::OutcomeUnknown);
        let late = WarehouseError::timed_out("x", Duration::from_secs(1));
        assert_eq!(late.of_insert().class, Class::OutcomeUnknown);
        // An answered refusal is certain: nothing was stored.
        let busy = classify("Code: 202. DB::Exception: Too many simultaneous queries").of_insert();
        assert_eq!(busy.class, Class::Retry);
        // A proxy answered, not ClickHouse.
        assert_eq!(
            classify("502 Bad Gateway").of_insert().class,
            Class::OutcomeUnknown
        );
    }

    #[test]
    fn the_message_says_what_failed_and_what_to_do() {
        let text = classify("Code: 516. DB::Exception: server: Authentication failed").to_string();
        assert!(text.contains("a query failed"), "{text}");
        assert!(text.contains("check the user and the password"), "{text}");
        let long = classify(&"x".repeat(5000)).to_string();
        assert!(long.chars().count() < 1000);
    }
}
