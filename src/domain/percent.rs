//! Percentages with two decimals, held exactly as basis points.

use std::fmt;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::FieldError;

/// A share from 0 to 100 with at most two decimals.
///
/// Held in basis points (0 to 10,000), so that sums and slot boundaries are exact; on the wire a JSON
/// number in percent (`12.5`).
#[derive(
    Debug, Clone, Copy, Default, Eq, Hash, PartialEq, Ord, PartialOrd, Serialize, Deserialize, ToSchema,
)]
#[serde(try_from = "f64", into = "f64")]
#[schema(value_type = f64, minimum = 0, maximum = 100, example = 12.5)]
pub struct Percent(u16);

impl Percent {
    /// Nothing.
    pub const ZERO: Self = Self(0);
    /// Everything.
    pub const HUNDRED: Self = Self(10_000);

    /// From percent.
    ///
    /// # Errors
    /// A [`FieldError`] when `percent` is not a number from 0 to 100 with at most two decimals.
    pub fn new(percent: f64) -> Result<Self, FieldError> {
        let points = percent * 100.0;
        let rounded = points.round();
        // 33.33 * 100 is 3332.9999999999995: what counts is whether two decimals say the number.
        if !percent.is_finite() || !(0.0..=10_000.0).contains(&rounded) || (points - rounded).abs() > 1e-6 {
            return Err(FieldError::new(
                "percent",
                percent,
                "a number from 0 to 100 with at most two decimals",
            ));
        }
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "0 to 10,000 was checked above"
        )]
        Ok(Self(rounded as u16))
    }

    /// From basis points.
    ///
    /// # Errors
    /// A [`FieldError`] above 10,000.
    pub fn from_basis_points(points: u32) -> Result<Self, FieldError> {
        match u16::try_from(points) {
            Ok(points) if points <= 10_000 => Ok(Self(points)),
            _ => Err(FieldError::new("percent", points, "0 to 10,000 basis points")),
        }
    }

    /// The share in basis points, 0 to 10,000.
    #[must_use]
    pub fn basis_points(self) -> u32 {
        u32::from(self.0)
    }

    /// The share in percent, 0 to 100.
    #[must_use]
    pub fn percent(self) -> f64 {
        f64::from(self.0) / 100.0
    }

    /// The share as a fraction, 0 to 1.
    #[must_use]
    pub fn fraction(self) -> f64 {
        f64::from(self.0) / 10_000.0
    }
}

impl TryFrom<f64> for Percent {
    type Error = FieldError;

    fn try_from(percent: f64) -> Result<Self, FieldError> {
        Self::new(percent)
    }
}

impl From<Percent> for f64 {
    fn from(percent: Percent) -> Self {
        percent.percent()
    }
}

impl fmt::Display for Percent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:02}", self.0 / 100, self.0 % 100)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_two_decimal_number_survives_the_wire() {
        for points in 0..=10_000 {
            let percent = Percent::from_basis_points(points).expect("in range");
            let json = serde_json::to_string(&percent).expect("writes");
            let back: Percent = serde_json::from_str(&json).expect("reads");
            assert_eq!(back, percent, "{json}");
        }
    }

    #[test]
    fn refuses_what_two_decimals_cannot_say() {
        for bad in [-0.01, 100.01, 33.333, f64::NAN, f64::INFINITY] {
            assert!(Percent::new(bad).is_err(), "{bad}");
        }
    }
}
