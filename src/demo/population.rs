//! The simulated visitors: who they are, and what they do with what they see.
//!
//! A visitor is a pure function of its number and the seed, so that two runs with the same seed send the
//! same people.

use fastrand::Rng;
use serde_json::{Map, Value, json};

use crate::domain::User;

/// A visitor of the simulated shop.
#[derive(Debug, Clone, PartialEq)]
pub struct Visitor {
    /// `sim-000042`
    pub id: String,
    /// Two letters.
    pub country: &'static str,
    /// What the visitor browses with.
    pub browser: &'static str,
    /// What the visitor's device runs.
    pub os: &'static str,
    /// `free`, `pro` or, for one in two hundred, `staff`.
    pub plan: &'static str,
    /// Decides what the visitor does, 0 to 1; independent of everything above.
    luck: f64,
}

/// Names with weights that need not sum to anything.
type Weighted = &'static [(&'static str, u32)];

const COUNTRIES: Weighted = &[
    ("US", 34),
    ("DE", 14),
    ("GB", 12),
    ("BR", 11),
    ("IN", 11),
    ("TH", 8),
    ("FR", 6),
    ("JP", 4),
];
const PLANS: Weighted = &[("free", 150), ("pro", 49), ("staff", 1)];
/// Browser and operating system go together.
const DEVICES: &[((&str, &str), u32)] = &[
    (("Safari", "iOS"), 27),
    (("Safari", "macOS"), 9),
    (("Chrome", "Android"), 28),
    (("Chrome", "Windows"), 20),
    (("Chrome", "macOS"), 7),
    (("Firefox", "Windows"), 5),
    (("Firefox", "Linux"), 4),
];

fn pick<T: Copy>(rng: &mut Rng, weighted: &[(T, u32)]) -> T {
    let total: u32 = weighted.iter().map(|(_, weight)| weight).sum();
    let mut at = rng.u32(0..total);
    for (item, weight) in weighted {
        if at < *weight {
            return *item;
        }
        at -= weight;
    }
    // The loop ends before its end: `at` is below the sum of the weights.
    weighted[0].0
}

impl Visitor {
    /// Visitor number `number` of the population `seed`.
    #[must_use]
    pub fn new(seed: u64, number: u64) -> Self {
        // Neighbouring seeds give related streams; a multiplicative step sets them apart.
        let mut rng = Rng::with_seed(seed ^ number.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        let (browser, os) = pick(&mut rng, DEVICES);
        Self {
            id: format!("sim-{number:06}"),
            country: pick(&mut rng, COUNTRIES),
            browser,
            os,
            plan: pick(&mut rng, PLANS),
            luck: rng.f64(),
        }
    }

    /// The visitor as an evaluation sees it.
    #[must_use]
    pub fn user(&self) -> User {
        let mut user = User::with_user_id(&self.id);
        user.user_properties = self.properties();
        user
    }

    /// The properties that the visitor's events carry.
    #[must_use]
    pub fn properties(&self) -> Map<String, Value> {
        let properties = json!({
            "country": self.country, "browser": self.browser, "os": self.os, "plan": self.plan,
        });
        match properties {
            Value::Object(map) => map,
            _ => Map::new(),
        }
    }

    /// Whether the visitor does what `rate` of all visitors do. A visitor who converts at a low rate
    /// converts at a higher one, too.
    #[must_use]
    pub fn does(&self, rate: f64) -> bool {
        self.luck < rate
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_number_is_the_same_visitor() {
        assert_eq!(Visitor::new(7, 42), Visitor::new(7, 42));
        assert_ne!(Visitor::new(7, 42), Visitor::new(8, 42));
    }

    #[test]
    fn shares_are_those_of_the_tables() {
        let n: u32 = 20_000;
        let visitors: Vec<Visitor> = (0..u64::from(n)).map(|i| Visitor::new(1, i)).collect();
        let share = |which: &dyn Fn(&Visitor) -> bool| {
            f64::from(u32::try_from(visitors.iter().filter(|v| which(v)).count()).expect("fits"))
                / f64::from(n)
        };
        // Five standard errors of a share at this n are below 0.018.
        assert!((share(&|v| v.browser == "Safari") - 0.36).abs() < 0.018);
        assert!((share(&|v| v.country == "US") - 0.34).abs() < 0.018);
        assert!((share(&|v| v.does(0.1)) - 0.1).abs() < 0.018);
        assert!(share(&|v| v.plan == "staff") > 0.0);
        // What a visitor does is independent of the browser.
        let safari = share(&|v| v.browser == "Safari" && v.does(0.5)) / share(&|v| v.browser == "Safari");
        assert!((safari - 0.5).abs() < 0.03, "{safari}");
    }
}
