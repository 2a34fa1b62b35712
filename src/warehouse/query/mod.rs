//! What the results need of ClickHouse, one panel a file.
//!
//! | file | what it counts |
//! |---|---|
//! | `window` | the days asked for, as instants |
//! | `exposures` | events, profiles, sessions, devices of each variant |
//! | `subjects` | each subject once: variant, cohort, how it was assigned, whether it started and converted |
//! | `series` | events over time, and the buckets |
//! | `tracked` | the tracked events, at or after a subject's first exposure |
//! | `breakdown` | events and subjects by value of a property |
//! | `unknown` | subjects of variants that are not configured |
//! | `exposed` | who of many was exposed to another variant: for imports of overrides |
//! | `names` | what recent events carry, to be suggested |
//! | `activity` | what has arrived: for the list, and to see whether anything changed |
//!
//! # What the queries have in common
//!
//! - They run as a user who may do no more than `SELECT` on the two tables.
//! - They are exact. A row that was sent twice is there twice until ClickHouse has merged its parts; so
//!   events are counted by distinct id, and subjects by minima and maxima, which a repeated row does not
//!   move. `FINAL` is not needed for that, and it would not see a retry that was given another day.
//! - Subjects are told apart by the 64-bit hash that the tables hold (among ten million the chance that any
//!   two share one is 3 in a million).
//! - A subject is reduced to scalars in one pass: its first exposure with the variant, the kind of
//!   assignment and the cohort is **one** `UInt64` ([`FIRST`]) whose minimum is taken. A minimum over tuples
//!   or `argMin` says the same at six times the cost.
//! - Rows that take no part ([`OUTSIDE`]) are in no arm, whatever variant they name.

mod activity;
mod breakdown;
mod exposed;
mod exposures;
mod names;
mod series;
mod subjects;
mod tracked;
mod unknown;
mod window;

use clickhouse::query::Query;
use clickhouse::{RowOwned, RowRead};

use super::sql::Args;
use super::{EXPERIMENT_EVENTS, Warehouse, WarehouseError};
use crate::api::results::MultiVariant;
use crate::domain::{Experiment, FieldError, Reason};

pub use activity::DataVersion;
pub(super) use activity::per_minute;
pub(super) use breakdown::{By, breakdown};
pub(super) use exposures::{EventCount, ExposureRow, exposures};
pub use names::Names;
pub(super) use series::{Bucketed, Buckets, choose_interval, series};
pub(super) use subjects::many::{Asked, Part, subjects_of_part};
pub(super) use subjects::{Assigned, SubjectRow, first_exposures, subjects};
pub(super) use tracked::{TrackedRow, latest_tracked, tracked};
pub(super) use unknown::unknown;
pub(super) use window::Window;

/// Reasons of assignments that took no part in the experiment: their subjects saw the default variant (or
/// the winner), whether or not it carries the name of an arm.
pub(super) const OUTSIDE: [Reason; 5] = [
    Reason::Unallocated,
    Reason::ExperimentInactive,
    Reason::ExperimentEnded,
    Reason::Winner,
    Reason::FlagDisabled,
];

/// The code of a variant that is not configured; those that are have their position.
pub(super) const UNKNOWN: u8 = 63;

/// How a subject's first exposure is packed, from the highest bit: milliseconds since 1970 (42 bits, until
/// the year 2109), code of the variant (6), kind of assignment (2), cohort (14).
///
/// The smallest one is the first exposure. Of several in the same millisecond it is the one of the variant
/// that stands first, which is arbitrary and always the same.
const FIRST: &str = "bitShiftLeft(t, 22) + bitShiftLeft(toUInt64(c), 16) + bitShiftLeft(toUInt64(assigned), 14) \
     + least(toUInt64(cohort), 16383)";

/// The moment of a packed first exposure.
const FIRST_AT: &str = "bitShiftRight(first, 22)";
/// The code of its variant.
const FIRST_VARIANT: &str = "toUInt8(bitAnd(bitShiftRight(first, 16), 63))";

/// `UInt64`'s largest value: no first exposure, no starter.
const NEVER: &str = "18446744073709551615";

/// What the queries of one experiment share.
#[derive(Debug)]
pub(super) struct Scope<'a> {
    pub experiment: &'a Experiment,
    pub window: Window,
    pub multi: MultiVariant,
    /// Exposures that arrived later than this (milliseconds since 1970) are not counted, so that all panels count
    /// the same ones.
    pub as_of: Option<i64>,
    /// Who was exposed first at this time or later is recent; milliseconds since 1970.
    pub recent_since: i64,
}

impl<'a> Scope<'a> {
    /// Checks that the experiment can be counted.
    ///
    /// # Errors
    /// Names `variants` when there are more than the codes can tell apart.
    pub(super) fn new(
        experiment: &'a Experiment,
        window: Window,
        multi: MultiVariant,
    ) -> Result<Self, FieldError> {
        if experiment.variants.len() >= usize::from(UNKNOWN) {
            return Err(FieldError::new(
                "variants",
                format!("{} variants", experiment.variants.len()),
                format!("at most {} for results", UNKNOWN - 1),
            ));
        }
        Ok(Self {
            experiment,
            window,
            multi,
            as_of: None,
            recent_since: 0,
        })
    }

    /// How many arms there are.
    pub(super) fn arms(&self) -> usize {
        self.experiment.variants.len()
    }

    /// `FROM … WHERE …` of the experiment's own rows in the window. What is not a constant is a parameter.
    fn rows(&self, args: &mut Args) -> String {
        let experiment = args.uuid(self.experiment.id);
        let window = self.window.condition(args);
        let arrived = self.as_of.map_or_else(String::new, |millis| {
            let millis = args.int(millis);
            format!(" AND ingested_at <= fromUnixTimestamp64Milli({millis}, 'UTC')")
        });
        format!("FROM {EXPERIMENT_EVENTS} WHERE experiment_id = {experiment}{window}{arrived}")
    }

    /// The code of a row's variant: its position, or [`UNKNOWN`].
    ///
    /// Keys match whatever their case; they are ASCII, and `lower` folds no more than that.
    fn code(&self, args: &mut Args) -> String {
        let keys = args.texts(self.experiment.variants.iter().map(|v| v.key.folded()));
        let codes = args.unsigneds((0..self.arms() as u64).collect());
        format!("toUInt8(transform(lower(variant), {keys}, {codes}, {UNKNOWN}))")
    }
}

/// Whether a row takes part in the experiment.
fn inside() -> String {
    format!("reason NOT IN ({})", words(&OUTSIDE))
}

/// The words of reasons, as SQL; they are this crate's own.
fn words(reasons: &[Reason]) -> String {
    let quoted: Vec<String> = reasons.iter().map(|r| format!("'{}'", r.as_str())).collect();
    quoted.join(", ")
}

impl Warehouse {
    /// Runs one statement with its values.
    ///
    /// ClickHouse ends it a little before nobody waits for it any more, and says what took too long.
    async fn select<T: RowOwned + RowRead>(
        &self,
        doing: &str,
        sql: &str,
        args: &Args,
    ) -> Result<Vec<T>, WarehouseError> {
        self.timed(doing, self.bound(sql, args).fetch_all::<T>()).await
    }

    /// As [`Self::select`], for more rows than should be held.
    async fn each<T: RowOwned + RowRead>(
        &self,
        doing: &str,
        sql: &str,
        args: &Args,
        mut take: impl FnMut(T),
    ) -> Result<(), WarehouseError> {
        let all = async {
            let mut rows = self.bound(sql, args).fetch::<T>()?;
            while let Some(row) = rows.next().await? {
                take(row);
            }
            Ok(())
        };
        self.timed(doing, all).await
    }

    fn bound(&self, sql: &str, args: &Args) -> Query {
        let limit = self.query_timeout.as_secs().saturating_sub(1).max(1);
        let query = self.client.query_raw(sql);
        let query = query.with_setting("max_execution_time", limit.to_string());
        args.named()
            .fold(query, |query, (name, value)| query.param(&name, value))
    }
}
