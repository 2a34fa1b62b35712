//! What can be wrong with the numbers handed to [`stats`](super).

/// Why a statistic cannot be computed from what was given.
///
/// Arms and cohorts are counted from 0, in the order in which they were given.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum StatsError {
    /// There was nothing to compare.
    #[error("no arms were given; at least one is needed")]
    NoArms,
    /// A comparison needs two arms.
    #[error("{arms} arms with a positive weight were given; a comparison needs at least two")]
    TooFewArms {
        /// How many there were.
        arms: usize,
    },
    /// An arm has more conversions than subjects.
    #[error(
        "arm {arm} has {conversions} conversions of {n} subjects; there can be at most as many conversions as subjects"
    )]
    ConversionsExceedSubjects {
        /// The arm, from 0.
        arm: usize,
        /// Its conversions.
        conversions: u64,
        /// Its subjects.
        n: u64,
    },
    /// An arm has more subjects than the arithmetic is good for.
    #[error("arm {arm} has {n} subjects; at most {max} can be computed with")]
    TooManySubjects {
        /// The arm, from 0.
        arm: usize,
        /// Its subjects.
        n: u64,
        /// The largest allowed number.
        max: u64,
    },
    /// An arm without subjects has no rate.
    #[error("arm {arm} has no subjects, so it has no rate")]
    NoSubjects {
        /// The arm, from 0.
        arm: usize,
    },
    /// A parameter of the prior is not a usable shape.
    #[error("the prior's {name} is {value}; it must be a number from {min} to {max}")]
    Prior {
        /// `a` or `b`.
        name: &'static str,
        /// What was given.
        value: f64,
        /// The smallest allowed shape.
        min: f64,
        /// The largest allowed shape.
        max: f64,
    },
    /// As many weights as counts are needed.
    #[error("{counts} counts but {weights} weights; each arm needs one of both")]
    Lengths {
        /// How many counts there were.
        counts: usize,
        /// How many weights there were.
        weights: usize,
    },
    /// A weight is negative, infinite or not a number.
    #[error("the weight of arm {arm} is {value}; it must be a finite number, zero or more")]
    Weight {
        /// The arm, from 0.
        arm: usize,
        /// What was given.
        value: f64,
    },
    /// All weights are zero.
    #[error("all weights are zero; at least one arm must be allotted a share")]
    NoWeight,
    /// A number lies outside what its meaning allows.
    #[error("{name} is {value}; it must be {allowed}")]
    OutOfRange {
        /// Which number.
        name: &'static str,
        /// What was given.
        value: f64,
        /// What is allowed, in words.
        allowed: &'static str,
    },
}
