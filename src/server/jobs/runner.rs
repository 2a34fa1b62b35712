//! Who does a job, and when.
//!
//! Servers that share a store agree by its rows ([`jobs::claim`]): the first one to claim a run does it and
//! gives signs of life; another one goes on when they stay away. A run that fails is tried again, later and
//! later, until the next one is due; one that was missed while no server ran is made up for within a day.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use crate::api::jobs::{
    JobCause, JobRun, JobSchedule, JobState, Jobs, NIGHTLY, SrmGuardRun, SrmOutcome, WATCH,
};
use crate::domain::Project;
use crate::server::error::ApiError;
use crate::server::link::Link;
use crate::server::registry::{CLOSE_LIMIT, Registry, now, within};
use crate::server::store::jobs::{self, Due, Ended, Reported, StoredRun};
use crate::server::store::{self, StoreError};
use crate::warehouse::Warehouse;

use super::schedule::Schedule;
use super::srm_guard::{self, Test};

/// How late a run may be made up for.
const MADE_UP_WITHIN: SignedDuration = SignedDuration::from_hours(24);

/// How many runs of each job are told.
const TOLD: u32 = 20;

/// When the guard looks.
#[derive(Debug, Clone, Default)]
pub struct GuardOptions {
    /// When every active experiment is tested (p < 0.001); never where nothing is said.
    pub nightly: Option<Schedule>,
    /// How often the always-valid test looks in between; never where nothing is said.
    pub continuous: Option<Duration>,
    /// How patient it is.
    pub timing: Timing,
}

/// How patient the guard is.
#[derive(Debug, Clone, Copy)]
pub struct Timing {
    /// How often it is looked whether something is due.
    pub tick: Duration,
    /// How often the server that is at it gives a sign of life.
    pub heartbeat: Duration,
    /// After how long without one another server takes over.
    pub lost_after: Duration,
    /// How long it waits for ClickHouse to come.
    pub grace: Duration,
    /// The first and the longest pause after an attempt that failed.
    pub pauses: (Duration, Duration),
    /// How long the store is waited for, by what may as well be done a moment later.
    pub store: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            tick: Duration::from_secs(10),
            heartbeat: Duration::from_secs(10),
            lost_after: Duration::from_secs(60),
            grace: Duration::from_secs(60),
            pauses: (Duration::from_secs(60), Duration::from_secs(1800)),
            store: Duration::from_secs(30),
        }
    }
}

impl Timing {
    /// The pause after this many attempts: twice as long each time.
    fn pause(&self, attempts: u64) -> Duration {
        let (first, longest) = self.pauses;
        let doubled = u32::try_from(attempts.saturating_sub(1))
            .unwrap_or(u32::MAX)
            .min(20);
        (first * 2_u32.pow(doubled)).min(longest)
    }
}

/// Does the jobs of one server.
#[derive(Debug)]
pub struct Runner {
    registry: Arc<Registry>,
    link: Arc<Link>,
    options: GuardOptions,
    instance: String,
    /// How many runs were claimed and have not ended.
    under_way: AtomicUsize,
}

/// Why an attempt came to no report at all.
#[derive(Debug)]
enum Stopped {
    /// It could not be done.
    Failed(String),
    /// Another server does it now.
    Taken,
}

impl Runner {
    /// For a server with this configuration and this way to ClickHouse.
    #[must_use]
    pub fn new(registry: Arc<Registry>, link: Arc<Link>, options: GuardOptions) -> Arc<Self> {
        Arc::new(Self {
            registry,
            link,
            options,
            instance: instance(),
            under_way: AtomicUsize::new(0),
        })
    }

    /// Does what is due, for as long as it runs. Can be dropped at any time: another server, or the next start
    /// of this one, goes on with what was begun.
    pub async fn keep(self: Arc<Self>) {
        tokio::join!(self.nights(), self.watches());
    }

    /// Gives back what it was at, once [`Self::keep`] is ended: the next start, or another server, need not wait
    /// until this one counts as lost.
    pub async fn give_back(&self) {
        if self.under_way.load(Ordering::Acquire) == 0 {
            return;
        }
        let given_back = jobs::give_back(self.registry.store(), &self.instance, now());
        if let Err(error) = within(CLOSE_LIMIT, given_back).await {
            tracing::warn!(%error, "jobs under way cannot be given back; they are taken over in a while");
        }
    }

    /// What the store answers within the time that it is waited for.
    async fn in_time<T>(&self, asked: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
        within(self.options.timing.store, asked).await
    }

    async fn nights(&self) {
        let Some(schedule) = &self.options.nightly else {
            return;
        };
        loop {
            if let Some(slot) = schedule.last(now())
                && let Err(error) = self.night(slot).await
            {
                tracing::warn!(%error, job = NIGHTLY, "it cannot be looked whether the job is due; trying again");
            }
            let now = now();
            let next = schedule.after(now).map(|next| next.duration_since(now));
            let next = next.and_then(|left| Duration::try_from(left).ok());
            let tick = self.options.timing.tick;
            tokio::time::sleep(next.map_or(tick, |next| next.min(tick))).await;
        }
    }

    /// Does the run that was due at `slot`, unless it is done, too late, or in other hands.
    async fn night(&self, slot: Timestamp) -> Result<(), StoreError> {
        if now().duration_since(slot) > MADE_UP_WITHIN || !self.was_there(slot).await? {
            return Ok(());
        }
        let claimed = jobs::claim(self.registry.store(), self.due(NIGHTLY, slot), now());
        let run = self.in_time(claimed).await?;
        match run {
            Some(run) => self.attempt(run, Test::Fixed, true).await,
            None => Ok(()),
        }
    }

    /// Whether there was anything to be guarded at that time: a new store has missed nothing.
    async fn was_there(&self, slot: Timestamp) -> Result<bool, StoreError> {
        let first = store::projects::first_created_at(self.registry.store().readers());
        let first = self.in_time(first).await?;
        Ok(first.is_some_and(|first| first <= slot))
    }

    async fn watches(&self) {
        let Some(interval) = self.options.continuous else {
            return;
        };
        let millis = i64::try_from(interval.as_millis()).unwrap_or(i64::MAX).max(1);
        loop {
            // The same moments for all servers, so that one of them takes each.
            let slot = now().as_millisecond().div_euclid(millis) * millis;
            if let Ok(slot) = Timestamp::from_millisecond(slot)
                && let Err(error) = self.watch(slot).await
            {
                tracing::warn!(%error, job = WATCH, "the guard cannot look; trying again");
            }
            let left = millis - now().as_millisecond().rem_euclid(millis);
            tokio::time::sleep(Duration::from_millis(left.unsigned_abs())).await;
        }
    }

    async fn watch(&self, slot: Timestamp) -> Result<(), StoreError> {
        let claimed = jobs::claim(self.registry.store(), self.due(WATCH, slot), now());
        let run = self.in_time(claimed).await?;
        match run {
            // The next look comes soon anyway.
            Some(run) => self.attempt(run, Test::AlwaysValid, false).await,
            None => Ok(()),
        }
    }

    fn due<'a>(&'a self, job: &'a str, slot: Timestamp) -> Due<'a> {
        Due {
            job,
            slot,
            cause: JobCause::Schedule,
            project: None,
            instance: &self.instance,
            lost_after: self.options.timing.lost_after,
        }
    }

    /// Makes an attempt at a claimed run of all projects, and writes how it ended.
    async fn attempt(&self, run: StoredRun, test: Test, again: bool) -> Result<(), StoreError> {
        tracing::info!(job = run.job, due = %run.slot, attempt = run.attempts, "the job begins");
        self.under_way.fetch_add(1, Ordering::AcqRel);
        // Each look is one more chance of a false alarm: what was tested rests until the next night.
        let (failed, done): (Vec<_>, Vec<_>) = run.report.iter().cloned().partition(has_failed);
        let tested = done.iter().map(|reported| reported.checked.experiment_id);
        let tested: HashSet<Uuid> = tested.collect();
        let attempted = tokio::select! {
            attempted = self.all_projects(test, &tested) => attempted,
            () = self.beat(&run) => Err(Stopped::Taken),
        };
        let (report, error) = match attempted {
            Ok(checked) => {
                let report = merged(done, checked);
                let error = failures(&report);
                (report, error)
            }
            Err(Stopped::Failed(why)) => (merged(done, failed), Some(why)),
            Err(Stopped::Taken) => {
                tracing::warn!(job = run.job, due = %run.slot, "another server has taken the job over");
                self.under_way.fetch_sub(1, Ordering::AcqRel);
                return Ok(());
            }
        };
        let next_attempt_at = error.as_ref().filter(|_| again).and_then(|_| {
            let pause = self.options.timing.pause(run.attempts);
            now().checked_add(pause).ok()
        });
        if let Some(error) = &error {
            let next = next_attempt_at.map(|at| at.to_string());
            tracing::error!(job = run.job, due = %run.slot, error, next_attempt = next, "the job failed");
        }
        let ended = Ended {
            state: match (&error, next_attempt_at) {
                (None, _) => JobState::Done,
                (Some(_), Some(_)) => JobState::Waiting,
                (Some(_), None) => JobState::Failed,
            },
            next_attempt_at,
            report,
            error,
        };
        // Not before it is written down.
        let written = self.write_down(&run, &ended).await;
        self.under_way.fetch_sub(1, Ordering::AcqRel);
        written
    }

    /// Writes how a run ended; again and again while the store is busy or away, for as long as the run still counts as
    /// this server's: what is not written down is done once more by another one.
    async fn write_down(&self, run: &StoredRun, ended: &Ended) -> Result<(), StoreError> {
        let timing = &self.options.timing;
        let deadline = Instant::now() + timing.lost_after;
        loop {
            match self
                .in_time(jobs::end(self.registry.store(), run, ended, now()))
                .await
            {
                Ok(_) => return Ok(()),
                Err(error) if error.is_unavailable() && Instant::now() < deadline => {
                    tracing::warn!(%error, job = run.job, "the end of the job is not written down yet; trying again");
                    tokio::time::sleep(timing.tick).await;
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Gives signs of life; ends when the run is in other hands.
    async fn beat(&self, run: &StoredRun) {
        loop {
            tokio::time::sleep(self.options.timing.heartbeat).await;
            match self.in_time(jobs::beat(self.registry.store(), run, now())).await {
                Ok(true) => {}
                Ok(false) => return,
                Err(error) => tracing::warn!(%error, job = run.job, "no sign of life could be given"),
            }
        }
    }

    /// Tests every active experiment but those that are `tested`.
    async fn all_projects(&self, test: Test, tested: &HashSet<Uuid>) -> Result<Vec<Reported>, Stopped> {
        let warehouse = self.warehouse().await.map_err(Stopped::Failed)?;
        // Straight from the store: what cannot be read cannot be paused either.
        let projects = self
            .in_time(store::projects::all(self.registry.store().readers()))
            .await;
        let projects = projects.map_err(|error| Stopped::Failed(error.to_string()))?;
        let mut all = Vec::new();
        for project in projects {
            let project = Arc::new(project);
            let run = srm_guard::run(&self.registry, &warehouse, &project, test, tested).await;
            all.extend(reported(project.id, run));
        }
        Ok(all)
    }

    /// ClickHouse, once it answers; after the grace why it does not.
    async fn warehouse(&self) -> Result<Warehouse, String> {
        let mut watch = self.link.watch();
        let there = async {
            // The sender lives as long as the link.
            let _ = watch.wait_for(Option::is_some).await;
        };
        let _ = tokio::time::timeout(self.options.timing.grace, there).await;
        let warehouse = self
            .link
            .warehouse()
            .map_err(|error| error.into_problem().detail)?;
        // ClickHouse that does not answer at all is one fault, not one of each experiment.
        warehouse.ping().await.map_err(|error| error.to_string())?;
        Ok(warehouse)
    }

    /// Tests every active experiment of a project now.
    ///
    /// # Errors
    /// When ClickHouse or the store is not there.
    pub async fn run_now(&self, project: &Arc<Project>) -> Result<SrmGuardRun, ApiError> {
        let warehouse = self.link.warehouse()?;
        warehouse.ping().await?;
        let due = Due {
            cause: JobCause::Manual,
            project: Some(project.id),
            ..self.due(NIGHTLY, now())
        };
        let claimed = self
            .in_time(jobs::claim(self.registry.store(), due, now()))
            .await?;
        let none = HashSet::new();
        let done = srm_guard::run(&self.registry, &warehouse, project, Test::Fixed, &none);
        let Some(run) = claimed else {
            // The same millisecond as another run, which is written down.
            return Ok(done.await);
        };
        self.under_way.fetch_add(1, Ordering::AcqRel);
        let done = tokio::select! {
            done = done => done,
            () = self.beat(&run) => {
                self.under_way.fetch_sub(1, Ordering::AcqRel);
                return Err(ApiError::Internal("another server has taken the job over".to_owned()));
            }
        };
        let report = reported(project.id, done.clone());
        let error = failures(&report);
        let ended = Ended {
            state: if error.is_some() {
                JobState::Failed
            } else {
                JobState::Done
            },
            next_attempt_at: None,
            report,
            error,
        };
        let written = self.write_down(&run, &ended).await;
        self.under_way.fetch_sub(1, Ordering::AcqRel);
        written?;
        Ok(done)
    }

    /// What is due when, and the last runs, as far as they concern a project.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn told(&self, project: Uuid) -> Result<Jobs, StoreError> {
        let now = now();
        let nightly = self.options.nightly.as_ref();
        let every = self.options.continuous;
        let schedules = vec![
            JobSchedule {
                job: NIGHTLY.to_owned(),
                schedule: nightly.map(ToString::to_string),
                time_zone: nightly.map(|schedule| schedule.zone_name().to_owned()),
                next_at: nightly.and_then(|schedule| schedule.after(now)),
            },
            JobSchedule {
                job: WATCH.to_owned(),
                schedule: every.map(|every| format!("every {} s", every.as_secs_f64())),
                time_zone: None,
                next_at: None,
            },
        ];
        let runs = jobs::latest(self.registry.store().readers(), TOLD).await?;
        let concerns = |run: &StoredRun| run.project.is_none_or(|of| of == project);
        Ok(Jobs {
            schedules,
            runs: runs
                .into_iter()
                .filter(concerns)
                .map(|run| tell(self.as_it_is(run, now), project))
                .collect(),
        })
    }

    /// A run by hand whose server was lost is over, because nobody takes it up; the next one by hand ends it in the
    /// store as well.
    fn as_it_is(&self, run: StoredRun, now: Timestamp) -> StoredRun {
        let lost = jobs::is_free(Some(&run), self.options.timing.lost_after, now);
        if !(lost && run.cause == JobCause::Manual && run.state == JobState::Running) {
            return run;
        }
        StoredRun {
            state: JobState::Failed,
            error: Some(run.error.unwrap_or_else(|| jobs::LOST.to_owned())),
            ..run
        }
    }
}

fn tell(run: StoredRun, project: Uuid) -> JobRun {
    let (own, others): (Vec<Reported>, Vec<Reported>) = run
        .report
        .iter()
        .cloned()
        .partition(|reported| reported.project_id == project);
    // What failed in other projects is named there.
    let of_others = run.error.is_some() && run.error == failures(&run.report) && failures(&others).is_some();
    let error = if of_others {
        Some(failures(&own).unwrap_or_else(|| "experiments of other projects could not be tested".to_owned()))
    } else {
        run.error
    };
    let mut experiments: Vec<_> = run
        .report
        .into_iter()
        .filter(|reported| reported.project_id == project)
        .map(|reported| reported.checked)
        .collect();
    experiments.sort_by_cached_key(|checked| checked.key.folded());
    JobRun {
        job: run.job,
        due_at: run.slot,
        cause: run.cause,
        state: run.state,
        instance: run.instance,
        started_at: run.claimed_at,
        heartbeat_at: run.heartbeat_at,
        finished_at: run.finished_at,
        attempts: run.attempts,
        next_attempt_at: run.next_attempt_at,
        error,
        experiments,
    }
}

fn reported(project_id: Uuid, run: SrmGuardRun) -> Vec<Reported> {
    let of_project = |checked| Reported { project_id, checked };
    run.experiments.into_iter().map(of_project).collect()
}

fn has_failed(reported: &Reported) -> bool {
    reported.checked.outcome == SrmOutcome::Failed
}

/// What failed, in words; nothing when nothing did.
fn failures(report: &[Reported]) -> Option<String> {
    let failed = |reported: &&Reported| has_failed(reported);
    let first = report.iter().find(failed)?;
    let why = first.checked.why.as_deref().unwrap_or_default();
    Some(format!(
        "{} of {} experiments could not be tested, {} first: {why}",
        report.iter().filter(failed).count(),
        report.len(),
        first.checked.key
    ))
}

/// What all attempts did: of an experiment the last word, those that an earlier one paused included.
fn merged(earlier: Vec<Reported>, last: Vec<Reported>) -> Vec<Reported> {
    let mut all: BTreeMap<Uuid, Reported> = BTreeMap::new();
    for reported in earlier.into_iter().chain(last) {
        all.insert(reported.checked.experiment_id, reported);
    }
    all.into_values().collect()
}

/// A name for this server: its host, its process, and a number, as containers share both.
fn instance() -> String {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let host = if host.trim().is_empty() {
        "host"
    } else {
        host.trim()
    };
    format!("{host}-{}-{:04x}", std::process::id(), fastrand::u16(..))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_longest() {
        let timing = Timing::default();
        let pauses: Vec<u64> = (1..=8).map(|n| timing.pause(n).as_secs()).collect();
        assert_eq!(pauses, [60, 120, 240, 480, 960, 1800, 1800, 1800]);
        assert_eq!(timing.pause(u64::MAX).as_secs(), 1800);
    }

    #[test]
    fn servers_on_one_machine_have_names_of_their_own() {
        let names: std::collections::BTreeSet<String> = (0..50).map(|_| instance()).collect();
        assert!(names.len() > 40, "{names:?}");
    }
}
