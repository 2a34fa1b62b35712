//! What about an experiment needs a person.

use jiff::{SignedDuration, Timestamp};

use crate::api::results::Overview;
use crate::domain::{Experiment, Status};

/// p-value under which a sample ratio mismatch is reported.
pub const SRM_ALARM_P: f64 = 0.001;
/// How long an active experiment may be without events before that is an alarm.
pub const NO_DATA_AFTER: SignedDuration = SignedDuration::from_mins(30);

/// How much an alarm matters.
#[derive(Debug, Clone, Copy, Eq, PartialEq, Ord, PartialOrd)]
pub enum Severity {
    /// To be known; nobody is needed.
    Info,
    /// Somebody should look.
    Warn,
    /// Somebody must decide.
    Danger,
}

/// What is the matter.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Alarm {
    /// The guard paused it; the p-value where it is known.
    AutoPaused(Option<f64>),
    /// The observed split differs from the configured one.
    Srm(f64),
    /// Active, and nothing comes in; the last event where there was one.
    NoData(Option<Timestamp>),
    /// Its numbers cannot be had, for a reason of its own.
    NotCounted,
    /// Too little data to speak of a winner.
    Gathering,
}

impl Alarm {
    /// How much it matters.
    #[must_use]
    pub fn severity(self) -> Severity {
        match self {
            Self::AutoPaused(_) => Severity::Danger,
            Self::Srm(_) | Self::NoData(_) | Self::NotCounted => Severity::Warn,
            Self::Gathering => Severity::Info,
        }
    }
}

/// The alarms of one experiment, the worst first.
#[must_use]
pub fn of(experiment: &Experiment, overview: Option<&Overview>, now: Timestamp) -> Vec<Alarm> {
    let mut alarms = Vec::new();
    let srm = overview.and_then(|o| o.srm_p).filter(|p| *p < SRM_ALARM_P);
    if experiment.is_auto_paused() {
        alarms.push(Alarm::AutoPaused(srm));
    } else if let Some(p) = srm
        && matches!(experiment.status, Status::Active | Status::Paused)
    {
        alarms.push(Alarm::Srm(p));
    }
    if overview.is_some_and(|overview| overview.not_counted.is_some()) {
        alarms.push(Alarm::NotCounted);
    } else if let Some(overview) = overview
        && experiment.status == Status::Active
    {
        let quiet_since = overview.last_event_at.max(experiment.status_changed_at);
        let quiet_since = quiet_since.unwrap_or(experiment.updated_at);
        if now.duration_since(quiet_since) >= NO_DATA_AFTER {
            alarms.push(Alarm::NoData(overview.last_event_at));
        } else if overview.gathering {
            alarms.push(Alarm::Gathering);
        }
    }
    alarms
}

/// Whether one of the alarms needs a person.
#[must_use]
pub fn need_person(alarms: &[Alarm]) -> bool {
    alarms.iter().any(|alarm| alarm.severity() >= Severity::Warn)
}
