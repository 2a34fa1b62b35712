//! Feature flags: an experiment without the planning and the analysis.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::checks;
use super::{Cohort, FieldError, Key, Percent, Rule, Variant};

/// Key of the variant that is served by a flag that is off, or to those outside its rollout.
pub const OFF: &str = "off";
/// Key of the only variant of a flag that names none.
pub const ON: &str = "on";

/// Where a flag is evaluated.
#[derive(Debug, Clone, Copy, Default, Eq, Hash, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum EvaluationMode {
    /// By the server, for each request.
    #[default]
    Remote,
    /// By the SDK itself as well, from the exported configuration.
    Local,
}

impl EvaluationMode {
    /// The word on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Remote => "remote",
            Self::Local => "local",
        }
    }
}

/// A flag with everything that is configured about it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Flag {
    /// Never changes.
    pub id: Uuid,
    /// What code asks for; unique in the project, whatever the case.
    pub key: Key,
    /// The name that people read.
    #[serde(default)]
    pub name: String,
    /// What it switches.
    #[serde(default)]
    pub description: String,
    /// A flag that is not enabled serves [`OFF`] to everybody, overrides and rules included.
    #[serde(default)]
    pub enabled: bool,
    /// The share of subjects that get one of the variants; the others get [`OFF`].
    #[serde(default)]
    pub rollout_pct: Percent,
    /// What it serves. `trafficPct` is the share within the rollout. A variant with the key `off` is not
    /// rolled out: its payload is what [`OFF`] carries.
    pub variants: Vec<Variant>,
    /// Who gets which variant by their properties, whatever the rollout.
    #[serde(default)]
    pub rules: Vec<Rule>,
    /// Where it is evaluated.
    #[serde(default)]
    pub evaluation_mode: EvaluationMode,
    /// The deployments that see it.
    #[serde(default)]
    pub deployments: Vec<Uuid>,
    /// Which slots each variant owns. Changed with minimal movement, so that a growing rollout takes
    /// nothing away from anybody; only the newest entry is kept.
    #[serde(default)]
    pub cohorts: Vec<Cohort>,
    /// What is hashed before the subject's id; fixed at creation.
    pub salt: String,
    /// Whether it is hidden from lists and evaluations.
    #[serde(default)]
    pub archived: bool,
    /// +1 at every change.
    pub resource_version: u64,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

impl Flag {
    /// The variant with this key, whatever its case.
    #[must_use]
    pub fn variant(&self, key: &str) -> Option<&Variant> {
        let same = |v: &&Variant| v.key.as_str().eq_ignore_ascii_case(key);
        self.variants.iter().find(same)
    }

    /// Checks all that the fields say together; single fields are checked by their types.
    ///
    /// # Errors
    /// Every refusal at once, each naming its field.
    pub fn check(&self, max_variants: usize) -> Result<(), Vec<FieldError>> {
        let mut errors = Vec::new();
        let served = |v: &&Variant| !v.key.as_str().eq_ignore_ascii_case(OFF);
        let count = self.variants.iter().filter(served).count();
        if !(1..=max_variants).contains(&count) {
            errors.push(FieldError::new(
                "variants",
                format!("{count} variants beside `{OFF}`"),
                format!("1 to {max_variants} variants"),
            ));
        }
        checks::name("name", &self.name, &mut errors);
        checks::text("description", &self.description, &mut errors);
        checks::variants(&self.variants, &mut errors);
        let total: u32 = self
            .variants
            .iter()
            .filter(served)
            .map(|v| v.traffic_pct.basis_points())
            .sum();
        if total > 10_000 {
            errors.push(FieldError::new(
                "variants",
                format!("trafficPct adding up to {:.2}", f64::from(total) / 100.0),
                "a sum of at most 100",
            ));
        }
        checks::rules(&self.rules, &self.variants, &mut errors);
        if errors.is_empty() { Ok(()) } else { Err(errors) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flag() -> Flag {
        serde_json::from_value(serde_json::json!({
            "id": Uuid::nil(), "key": "new-checkout", "salt": "new-checkout", "resourceVersion": 1,
            "variants": [{"key": "on", "trafficPct": 100}],
            "createdAt": "2026-01-01T00:00:00Z", "updatedAt": "2026-01-01T00:00:00Z",
        }))
        .expect("reads")
    }

    #[test]
    fn off_takes_no_share_of_the_rollout() {
        let mut flag = flag();
        flag.check(4).expect("sound");
        let mut off = flag.variants[0].clone();
        off.key = Key::new("Off").expect("a key");
        flag.variants.push(off);
        flag.check(4).expect("100 % of `on`, and `off`");
    }

    #[test]
    fn each_refusal_names_its_field() {
        type Spoil = fn(&mut Flag);
        let cases: [(&str, Spoil); 4] = [
            ("variants", |f| f.variants.clear()),
            ("variants", |f| {
                let mut more = f.variants[0].clone();
                more.key = Key::new("more").expect("a key");
                f.variants.push(more);
            }),
            ("variants[1].key", |f| {
                let mut same = f.variants[0].clone();
                same.key = Key::new("ON").expect("a key");
                f.variants.push(same);
            }),
            ("rules[0].variant", |f| {
                f.rules.push(Rule {
                    id: Uuid::nil(),
                    variant: Key::new("x").expect("a key"),
                    priority: 0,
                    conditions: Vec::new(),
                });
            }),
        ];
        for (field, spoil) in cases {
            let mut flag = flag();
            spoil(&mut flag);
            let errors = flag.check(4).expect_err("refused");
            assert!(errors.iter().any(|e| e.field == field), "{field}: {errors:?}");
        }
    }
}
