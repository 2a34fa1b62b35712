//! A cockpit without terminal and network: keys and answers in, state, effects and screens out.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::LazyLock;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use ratatui::backend::TestBackend;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::{Terminal, TerminalOptions, Viewport};
use serde_json::json;
use splitdeck::api::experiments::{ExperimentList, History, UpdateExperiment};
use splitdeck::api::overrides::{OverridePage, OverridesSet};
use splitdeck::api::results::{
    ArmPosterior, ArmResult, Breakdown, BreakdownRow, Exposures, Interval, Leader, Overview, PowerFloor,
    Results, ResultsQuery, Series, SeriesPoint, Srm, SrmTest, SrmWatch, TrackedResult, Uplift,
};
use splitdeck::api::system::{Me, Role};
use splitdeck::cockpit::edit::{DraftKey, Kept, Left, OnDisk, Place, StoredDraft};
use splitdeck::cockpit::keymap::Keymap;
use splitdeck::cockpit::ports::{
    Answer, Failure, FailureKind, Reply, Request, RunId, Service, Slot, Suggest,
};
use splitdeck::cockpit::state::{Settings, State};
use splitdeck::cockpit::{Action, Effect, Key, update};
use splitdeck::domain::{Experiment, Metric, Override, Status};
use splitdeck::stats;
use splitdeck::tui::theme::Theme;
use splitdeck::tui::view;
use uuid::Uuid;

/// The moment at which every world begins.
pub const NOW: &str = "2026-11-20T05:03:00Z";

pub fn at(text: &str) -> Timestamp {
    text.parse().expect("a timestamp")
}

pub fn id(n: u128) -> Uuid {
    Uuid::from_u128(n)
}

pub const SEARCH: u128 = 1;
pub const CHECKOUT: u128 = 2;
pub const ONBOARDING: u128 = 3;
pub const PRICING: u128 = 4;

fn experiment(n: u128, key: &str, name: &str, patch: serde_json::Value) -> Experiment {
    let mut value = json!({
        "id": id(n), "key": key, "name": name, "assignmentMode": "profile", "status": "active",
        "variants": [
            {"key": "control", "isControl": true, "trafficPct": 50},
            {"key": "treatment", "trafficPct": 50, "orderIndex": 1},
        ],
        "defaultVariantId": "control", "salt": key, "resourceVersion": 17,
        "primaryMetric": {"event": "purchase"},
        "createdAt": "2026-11-10T08:00:00Z", "updatedAt": "2026-11-14T01:00:00Z",
        "activatedAt": "2026-11-14T01:00:00Z", "statusChangedAt": "2026-11-14T01:00:00Z",
    });
    let fields = value.as_object_mut().expect("an object");
    for (field, patched) in patch.as_object().expect("an object") {
        fields.insert(field.clone(), patched.clone());
    }
    serde_json::from_value(value).expect("an experiment")
}

/// The four experiments of the design's sketch.
pub fn experiments() -> Vec<Experiment> {
    vec![
        experiment(
            SEARCH,
            "search-ranking",
            "Search ranking v2",
            json!({
                "status": "paused", "pausedBy": "srm_guard", "primaryMetric": {"event": "click"},
                "statusChangedAt": "2026-11-18T02:00:00Z", "activatedAt": "2026-11-18T01:00:00Z",
            }),
        ),
        experiment(
            CHECKOUT,
            "checkout-cta",
            "Checkout button",
            json!({
                "description": "A button twice as tall",
                "hypothesis": "A larger button makes more people buy, because many overlook the old one.",
                "links": {"ticket": "https://example.com/SHOP-12"},
                "holdoutPct": 2,
                "variants": [
                    {"key": "control", "isControl": true, "trafficPct": 50},
                    {"key": "treatment", "name": "Tall button", "trafficPct": 40, "orderIndex": 1,
                     "payload": {"height": 64, "label": "Buy now"}},
                ],
                "trackedEvents": [
                    {"event": "add_to_cart"},
                    {"event": "support_chat", "filters": [{"field": "plan", "operator": "is", "value": "pro"}]},
                ],
                "rules": [
                    {"id": id(90), "variant": "control", "priority": 5, "conditions": [
                        {"scope": "profile", "field": "bot", "operator": "isNotNull"}]},
                    {"id": id(91), "variant": "treatment", "priority": 10, "conditions": [
                        {"scope": "profile", "field": "profile.country", "operator": "is", "value": "TH"},
                        {"scope": "event", "field": "properties.plan", "operator": "contains", "value": "pro plus"}]},
                ],
                "cohorts": [{"index": 1, "createdAt": "2026-11-14T01:00:00Z", "variants": [
                    {"variant": "control", "split": 0.5, "slots": [{"start": 0, "end": 21474837}]},
                    {"variant": "treatment", "split": 0.4, "slots": [{"start": 21474837, "end": 38654706}]}]}],
            }),
        ),
        experiment(
            ONBOARDING,
            "onboarding-copy",
            "Onboarding copy",
            json!({"activatedAt": "2026-11-20T01:00:00Z", "statusChangedAt": "2026-11-20T01:00:00Z"}),
        ),
        experiment(
            PRICING,
            "pricing-page-v3",
            "Pricing page v3",
            json!({"status": "draft", "resourceVersion": 1, "activatedAt": null, "statusChangedAt": null,
                   "primaryMetric": null}),
        ),
    ]
}

pub fn overviews() -> Vec<Overview> {
    let overview =
        |n, subjects, per_day, per_minute: &[u64], leader: Option<(&str, f64)>, srm_p, gathering, ago| {
            Overview {
                experiment_id: id(n),
                subjects,
                subjects_per_day: per_day,
                subjects_per_day_seconds: per_day.map(|_| 86_400),
                per_minute: per_minute.to_vec(),
                last_event_at: Some(at(NOW) - SignedDuration::from_secs(ago)),
                leader: leader.map(|(variant, prob_best)| Leader {
                    variant: variant.to_owned(),
                    prob_best,
                }),
                srm_p: Some(srm_p),
                gathering,
                not_counted: None,
            }
        };
    let ramp: Vec<u64> = (0..30).map(|n| 200 + n * 4 - (n % 3) * 20).collect();
    vec![
        overview(SEARCH, 88_102, None, &[0; 30], None, 2.4e-149, false, 183_600),
        overview(
            CHECKOUT,
            90_189,
            Some(12_884),
            &ramp,
            Some(("treatment", 0.972)),
            0.4,
            false,
            2,
        ),
        overview(ONBOARDING, 211, Some(211), &[9; 30], None, 0.8, true, 30),
    ]
}

pub fn me(role: Role, protected: bool) -> Me {
    serde_json::from_value(json!({
        "actor": "ana", "role": role, "version": "0.1.0",
        "project": {"id": id(9), "key": "shop-prod", "name": "Shop", "environment": "production",
                    "protected": protected},
    }))
    .expect("a me")
}

/// Results with the counts of each arm: subjects and conversions.
pub fn results(experiment: &Experiment, counts: &[(u64, u64)]) -> Results {
    let arms: Vec<stats::posterior::Arm> = counts
        .iter()
        .map(|(n, conversions)| stats::posterior::Arm {
            n: *n,
            conversions: *conversions,
        })
        .collect();
    let posteriors = stats::posterior::compare(&arms, experiment.prior).expect("a comparison");
    let total: u64 = counts.iter().map(|(n, _)| n).sum();
    let weight: f64 = experiment.variants.iter().map(|v| v.traffic_pct.fraction()).sum();
    let equal = 1.0 / experiment.variants.len() as f64;
    let share = |fraction: f64| if weight > 0.0 { fraction / weight } else { equal };
    let weights: Vec<f64> = experiment
        .variants
        .iter()
        .map(|v| share(v.traffic_pct.fraction()))
        .collect();
    let test = stats::srm::test(&[stats::srm::Cohort {
        counts: counts.iter().map(|(n, _)| *n).collect(),
        weights: weights.clone(),
    }])
    .expect("a test");
    let points = 72_u64;
    let begin = at("2026-11-17T02:00:00Z");
    let series = Series {
        interval: Interval::Hour,
        points: (0..points)
            .map(|n| SeriesPoint {
                at: begin + SignedDuration::from_hours(i64::try_from(n).expect("small")),
                counts: counts.iter().map(|(c, _)| c / points + n % 5).collect(),
            })
            .collect(),
    };
    let winner = posteriors
        .iter()
        .position(|p| p.prob_best >= 0.95)
        .map_or("inconclusive".to_owned(), |at| {
            experiment.variants[at].key.to_string()
        });
    Results {
        experiment_id: experiment.id,
        key: experiment.key.to_string(),
        status: experiment.status,
        assignment_mode: experiment.assignment_mode,
        auto_paused: experiment.is_auto_paused(),
        computed_at: at(NOW) - SignedDuration::from_secs(1),
        data_as_of: (total > 0).then(|| at(NOW) - SignedDuration::from_secs(2)),
        query: ResultsQuery::default(),
        metric: experiment.primary_metric.clone(),
        secondary: None,
        prior: experiment.prior,
        arms: experiment
            .variants
            .iter()
            .zip(counts.iter().zip(&posteriors))
            .map(|(v, ((n, conversions), p))| ArmResult {
                variant: v.key.to_string(),
                name: v.name.clone(),
                is_control: v.is_control,
                subjects: *n,
                starters: None,
                conversions: *conversions,
                n: *n,
                rate: (*n > 0).then(|| *conversions as f64 / *n as f64),
                posterior: Some(ArmPosterior {
                    alpha: p.alpha,
                    beta: p.beta,
                    ci_low: p.ci_low,
                    ci_high: p.ci_high,
                    prob_best: p.prob_best,
                    expected_loss: p.expected_loss,
                    uplift: p.uplift.map(|u| Uplift {
                        mean: u.mean,
                        median: u.median,
                        low: u.low,
                        high: u.high,
                    }),
                    always_valid: None,
                }),
                exposures: Exposures {
                    events: n * 3,
                    profiles: *n,
                    sessions: n * 2,
                    devices: *n,
                },
                configured_pct: v.traffic_pct.percent(),
                observed_pct: (total > 0).then(|| *n as f64 * 100.0 / total as f64),
            })
            .collect(),
        winner,
        multi_variant_subjects: 12,
        forced_subjects: 3,
        outside_subjects: 0,
        unknown_variants: Vec::new(),
        srm: Srm {
            test: test.p.map(|p| SrmTest {
                chi_square: test.chi_square,
                df: test.df,
                p,
                e_value: 1.0 / p.max(1e-300),
                always_valid_p: p.min(1.0),
            }),
            why_not: test.p.is_none().then(|| "too few subjects".to_owned()),
            observed: counts.iter().map(|(n, _)| *n).collect(),
            expected: weights.iter().map(|w| w * total as f64).collect(),
            leaks: Vec::new(),
            alarm: test.alarm,
            watch: None,
        },
        power: PowerFloor {
            events: total,
            gathering: total < 300,
            needed: 16_316_u64.saturating_sub(total),
        },
        series: series.clone(),
        tracked: vec![TrackedResult {
            metric: Metric::event("add_to_cart"),
            events: counts.iter().map(|(n, _)| n / 3).collect(),
            subjects: counts.iter().map(|(n, _)| n / 4).collect(),
            series,
        }],
        segments: Breakdown {
            key: "country".to_owned(),
            rows: ["DE", "TH", "US"]
                .iter()
                .map(|value| BreakdownRow {
                    value: Some((*value).to_owned()),
                    events: counts.iter().map(|(n, _)| n / 3).collect(),
                    subjects: counts.iter().map(|(n, _)| n / 3).collect(),
                })
                .collect(),
            more: 2,
        },
        properties: Breakdown {
            key: "category".to_owned(),
            ..Breakdown::default()
        },
    }
}

pub fn history() -> History {
    serde_json::from_value(json!({
        "entries": [
            {"id": 12, "at": "2026-11-18T02:00:00Z", "actor": "srm-guard", "action": "experiment.auto_paused_srm",
             "objectId": id(SEARCH), "objectKey": "search-ranking", "resourceVersion": 17,
             "changes": [{"field": "status", "from": "active", "to": "paused"}], "evidence": {"p": 2.4e-149}},
            {"id": 11, "at": "2026-11-17T01:42:00Z", "actor": "deploy-bot", "action": "experiment.rules_changed",
             "objectId": id(SEARCH), "objectKey": "search-ranking", "resourceVersion": 16,
             "changes": [{"field": "rules", "from": [], "to": [{"variant": "control"}]}]},
            {"id": 10, "at": "2026-11-10T08:00:00Z", "actor": "ana", "action": "experiment.created",
             "objectId": id(SEARCH), "objectKey": "search-ranking", "resourceVersion": 1, "comment": "first try"},
        ],
        "nextBefore": null,
    }))
    .expect("a history")
}

pub fn override_page(from: usize, rows: usize, next: bool) -> OverridePage {
    let overrides: Vec<Override> = (from..from + rows)
        .map(|n| {
            serde_json::from_value(json!({
                "subjectType": if n % 7 == 0 { "device" } else { "user" },
                "subjectId": format!("u-{n:06}"), "variant": if n % 2 == 0 { "control" } else { "treatment" },
                "source": "manual", "updatedAt": "2026-11-19T05:03:00Z",
            }))
            .expect("an override")
        })
        .collect();
    OverridePage {
        next_after: next.then(|| format!("user:u-{:06}", from + rows - 1)),
        overrides,
        fixed: 12,
        manual: 40_000,
        by_variant: ["control", "treatment"]
            .map(|key| (splitdeck::domain::Key::new(key).expect("a key"), 600))
            .into(),
    }
}

thread_local! {
    /// The keys of the configuration, for every cockpit that is started on this thread.
    static KEYBOARD: RefCell<BTreeMap<String, Vec<String>>> = const { RefCell::new(BTreeMap::new()) };
}

/// Makes cockpits whose keys are bound like this. What a test presses it names by the keys that are built in: the
/// cockpit hears those that are bound in their place.
pub fn with_keys<T>(keys: &BTreeMap<String, Vec<String>>, make: impl FnOnce() -> T) -> T {
    KEYBOARD.set(keys.clone());
    let made = make();
    KEYBOARD.take();
    made
}

/// The key that is bound now to what a key is built in for where the keys go.
fn bound(state: &State, key: Key) -> Key {
    static BUILT_IN: LazyLock<Keymap> = LazyLock::new(Keymap::default);
    if KEYBOARD.with_borrow(BTreeMap::is_empty) {
        return key;
    }
    let contexts = update::contexts(state);
    let command = BUILT_IN.command(&contexts, key);
    let keys = command.map(|command| state.keymap.keys(&contexts, command).collect::<Vec<_>>());
    match keys {
        Some(keys) if !keys.contains(&key) => *keys.first().expect("it is bound somewhere"),
        _ => key,
    }
}

/// A cockpit, the time, and what it asked for.
pub struct World {
    pub state: State,
    pub now: Timestamp,
    /// Every effect so far.
    pub effects: Vec<Effect>,
    /// Runs that wait for an answer.
    pub waiting: Vec<(RunId, Request)>,
    /// The drafts that this cockpit keeps on disk.
    pub disk: BTreeMap<DraftKey, Kept>,
    /// Those that other cockpits left behind, by file.
    pub left: BTreeMap<String, Kept>,
    /// Those that other cockpits work on.
    pub elsewhere: Vec<Kept>,
    /// Whether the disk answers only when it is told to.
    pub slow_disk: bool,
    looked_for: Vec<DraftKey>,
    listing: Option<Place>,
}

/// What is kept of an experiment.
pub fn of_experiment(kept: &Kept) -> &StoredDraft {
    match kept {
        Kept::Experiment(stored) => stored,
        Kept::Flag(_) => panic!("the draft of a flag: {kept:?}"),
    }
}

impl World {
    /// A cockpit that has just started and asked its first questions.
    pub fn start(settings: Settings, size: (u16, u16)) -> Self {
        let mut world = Self {
            state: State::new(settings, size),
            now: at(NOW),
            effects: Vec::new(),
            waiting: Vec::new(),
            disk: BTreeMap::new(),
            left: BTreeMap::new(),
            elsewhere: Vec::new(),
            slow_disk: false,
            looked_for: Vec::new(),
            listing: None,
        };
        let problems = KEYBOARD.with_borrow(|keys| world.state.keymap.rebind(keys));
        assert_eq!(problems, []);
        world.act(Action::Start);
        world
    }

    /// A cockpit of an editor that shows the list.
    pub fn list() -> Self {
        Self::list_of(Role::Editor, false)
    }

    pub fn list_of(role: Role, protected: bool) -> Self {
        let mut world = Self::start(settings(), (120, 40));
        world.answer_all(role, protected);
        world
    }

    /// A cockpit that shows one experiment.
    pub fn experiment(key: &str) -> Self {
        let mut world = Self::list();
        let at = world.state.list.all().iter().position(|e| e.key.as_str() == key);
        let wanted = world.state.list.all()[at.expect("such an experiment")].id;
        let row = world
            .state
            .list
            .rows
            .iter()
            .position(|id| *id == wanted)
            .expect("a row");
        world.keys(&["home"]);
        for _ in 0..row {
            world.keys(&["j"]);
        }
        world.keys(&["enter"]);
        world.answer_all(Role::Editor, false);
        world
    }

    pub fn act(&mut self, mut action: Action) -> Vec<Effect> {
        if let Action::Read(read) = &mut action {
            KEYBOARD.with_borrow(|keys| read.keys.extend(keys.clone()));
        }
        let effects = update(&mut self.state, action, self.now);
        for effect in &effects {
            match effect {
                Effect::Fetch { run, request } => {
                    self.waiting.retain(|(_, other)| other.slot() != request.slot());
                    self.waiting.push((*run, request.clone()));
                }
                Effect::Cancel(slot) => self.waiting.retain(|(_, other)| other.slot() != *slot),
                Effect::FindDraft(key) => self.looked_for.push(key.clone()),
                Effect::ListDrafts(place) => self.listing = Some(place.clone()),
                Effect::KeepDraft(draft) => {
                    // As a file keeps it.
                    let text = serde_json::to_vec(draft).expect("writes");
                    let kept = Kept::read(draft.key().of, &text).expect("reads");
                    self.disk.insert(draft.key().clone(), kept);
                }
                Effect::DropDraft(key) => {
                    self.disk.remove(key);
                }
                Effect::DropLeft(file) => {
                    self.left.remove(file);
                }
                _ => {}
            }
        }
        self.effects.extend(effects.clone());
        if !self.slow_disk {
            self.disk_answers();
        }
        effects
    }

    /// The drafts of a cockpit that has ended.
    pub fn left_behind(&mut self, disk: BTreeMap<DraftKey, Kept>) {
        let n = self.left.len();
        let files = disk
            .into_values()
            .zip(n..)
            .map(|(kept, n)| (format!("file {n}"), kept));
        self.left.extend(files);
    }

    /// The disk answers what was looked for.
    pub fn disk_answers(&mut self) {
        if let Some(place) = self.listing.take() {
            let here = |key: &&DraftKey| key.server == place.server && key.project == place.project;
            let own = self.disk.keys().filter(here);
            let left = self.left.values().map(Kept::key).filter(here);
            let objects = own.chain(left).map(|key| (key.of, key.object)).collect();
            self.act(Action::DraftsListed { place, objects });
        }
        for found in self.found() {
            self.act(found);
        }
    }

    /// What the disk answers to what was looked for.
    pub fn found(&mut self) -> Vec<Action> {
        let looked_for = std::mem::take(&mut self.looked_for);
        looked_for.into_iter().map(|key| self.find(key)).collect()
    }

    fn find(&self, key: DraftKey) -> Action {
        let own = self.disk.get(&key).map(|kept| (None, kept));
        let others = self.left.iter().map(|(file, kept)| (Some(file.clone()), kept));
        let all = own
            .into_iter()
            .chain(others.filter(|(_, kept)| *kept.key() == key));
        let mut found = OnDisk {
            elsewhere: self.elsewhere.clone(),
            ..OnDisk::default()
        };
        found.left.extend(all.map(|(file, kept)| Left {
            file,
            stored: kept.clone(),
        }));
        Action::DraftFound { key, found }
    }

    /// Presses keys, named as bindings write them. A dialog that opens is waited for.
    pub fn keys(&mut self, keys: &[&str]) -> &mut Self {
        for key in keys {
            let key: Key = key.parse().expect("a key");
            self.act(Action::Key(bound(&self.state, key)));
        }
        self
    }

    /// Types a text.
    pub fn text(&mut self, text: &str) -> &mut Self {
        for c in text.chars() {
            self.act(Action::Key(Key::char(c)));
        }
        self
    }

    /// Lets time pass, with the wake-ups that the cockpit asks for.
    pub fn wait(&mut self, span: Duration) -> &mut Self {
        let until = self.now + span;
        while let Some(deadline) = update::next_deadline(&self.state, self.now) {
            if deadline > until {
                break;
            }
            self.now = deadline.max(self.now);
            let before = self.waiting.len();
            self.act(Action::Tick);
            let next = update::next_deadline(&self.state, self.now);
            assert!(
                next.is_none_or(|next| next > self.now) || self.waiting.len() > before,
                "it would spin at {}",
                self.now
            );
        }
        self.now = until;
        self.act(Action::Tick);
        self
    }

    /// The waiting request of a kind.
    pub fn waiting_for(&self, slot: Slot) -> Option<&Request> {
        self.waiting
            .iter()
            .find(|(_, request)| request.slot() == slot)
            .map(|(_, request)| request)
    }

    pub fn reply(&mut self, slot: Slot, outcome: Result<Answer, Failure>) -> &mut Self {
        let at = self
            .waiting
            .iter()
            .position(|(_, request)| request.slot() == slot);
        let at = at.unwrap_or_else(|| panic!("nobody waits for {slot:?}: {:?}", self.waiting));
        let (run, _) = self.waiting.remove(at);
        self.reply_to(run, slot, outcome)
    }

    pub fn reply_to(&mut self, run: RunId, slot: Slot, outcome: Result<Answer, Failure>) -> &mut Self {
        let took = match slot.service() {
            Service::Api => Duration::from_millis(12),
            Service::Warehouse => Duration::from_millis(31),
        };
        self.act(Action::Reply(Box::new(Reply {
            run,
            slot,
            took,
            outcome,
        })));
        self
    }

    pub fn lose(&mut self, slot: Slot) -> &mut Self {
        self.reply(
            slot,
            Err(Failure::new(
                slot.service(),
                FailureKind::Lost,
                "connection refused",
            )),
        )
    }

    /// Answers everything that is asked, until nothing is.
    pub fn answer_all(&mut self, role: Role, protected: bool) -> &mut Self {
        while let Some((_, request)) = self.waiting.first().cloned() {
            let slot = request.slot();
            let outcome = answer(&request, role, protected);
            self.reply(slot, outcome);
        }
        self
    }

    /// Answers everything but what would bring the first configuration back.
    pub fn answer_all_but_experiments(&mut self) -> &mut Self {
        self.answer_all_but(&[Slot::Experiment, Slot::Experiments])
    }

    /// Answers everything but some kinds, until nothing else is asked.
    pub fn answer_all_but(&mut self, kept: &[Slot]) -> &mut Self {
        loop {
            let mut waiting = self.waiting.iter();
            let next = waiting.find(|(_, request)| !kept.contains(&request.slot()));
            let Some((_, request)) = next.cloned() else {
                return self;
            };
            let outcome = answer(&request, Role::Editor, false);
            self.reply(request.slot(), outcome);
        }
    }

    /// The screen as lines of text.
    pub fn screen(&mut self, width: u16, height: u16) -> String {
        text_of(&self.buffer(width, height, &theme()))
    }

    /// The screen with its styles. The cockpit hears what could be shown, as from the real loop.
    pub fn buffer(&mut self, width: u16, height: u16, theme: &Theme) -> Buffer {
        self.act(Action::Resize { width, height });
        // The frame alone: what a terminal does with it (three more buffers, their difference) is not asked about.
        let area = Viewport::Fixed(Rect::new(0, 0, width, height));
        let options = TerminalOptions { viewport: area };
        let mut terminal = Terminal::with_options(TestBackend::new(0, 0), options).expect("a terminal");
        let laid = view::view(&mut terminal.get_frame(), &self.state, theme, self.now);
        let effects = self.act(Action::Laid {
            rows: laid.rows,
            last: laid.last,
        });
        assert_eq!(effects, [], "laying out asks for nothing");
        std::mem::take(terminal.current_buffer_mut())
    }
}

/// Subjects and conversions of each arm. An experiment that was changed meanwhile may have more variants: nobody
/// has seen those yet.
fn counted(experiment: &Experiment) -> Vec<(u64, u64)> {
    let counts: &[(u64, u64)] = match experiment.id.as_u128() {
        SEARCH => &[(58_735, 17_000), (29_367, 8_650)],
        CHECKOUT => &[(50_105, 9_530), (40_084, 7_910)],
        ONBOARDING => &[(110, 11), (101, 12)],
        _ => &[(0, 0), (0, 0)],
    };
    let all = 0..experiment.variants.len();
    all.map(|at| counts.get(at).copied().unwrap_or_default())
        .collect()
}

/// The test as the guard makes it, which has looked every half an hour.
fn guarded(of: Uuid) -> Srm {
    let all = experiments();
    let experiment = all.iter().find(|e| e.id == of).expect("such an experiment");
    let mut srm = results(experiment, &counted(experiment)).srm;
    srm.watch = srm.test.map(|test| SrmWatch {
        checked_from: experiment.srm_checked_from,
        highest_e_value: test.e_value,
        always_valid_p: test.always_valid_p,
        looks: 48,
        first_look_at: at(NOW) - SignedDuration::from_hours(24),
        last_look_at: at(NOW) - SignedDuration::from_mins(12),
    });
    srm
}

/// What a server with the four experiments answers.
pub fn answer(request: &Request, role: Role, protected: bool) -> Result<Answer, Failure> {
    let refused = |message: &str| Failure::new(Service::Api, FailureKind::Refused, message);
    if let Some(answer) = super::objects::answer(request) {
        return answer;
    }
    Ok(match request {
        Request::Me => Answer::Me(me(role, protected)),
        Request::Experiments { .. } => Answer::Experiments(ExperimentList {
            experiments: experiments(),
        }),
        Request::Experiment { id_or_key } => {
            let found = experiments()
                .into_iter()
                .find(|e| e.id.to_string() == *id_or_key || e.key.as_str() == id_or_key);
            Answer::Experiment(Box::new(
                found.ok_or_else(|| refused("Not found: there is no such experiment"))?,
            ))
        }
        Request::Overview { experiments } => Answer::Overview(
            overviews()
                .into_iter()
                .filter(|o| experiments.iter().any(|e| e.id == o.experiment_id))
                .collect(),
        ),
        Request::Probe { .. } => Answer::Mark(1),
        Request::Results { experiment, query } => {
            let mut results = results(experiment, &counted(experiment));
            results.query = (**query).clone();
            Answer::Results(Box::new(results))
        }
        Request::SampleRatio { id: of } => Answer::SampleRatio(Box::new(guarded(*of))),
        Request::History { .. } => Answer::History(history()),
        Request::Overrides { query, .. } => {
            let from = if query.after.is_some() { 200 } else { 0 };
            Answer::Overrides(override_page(from, 200, from == 0))
        }
        Request::Explain { .. } => Answer::Explain(Box::new(
            serde_json::from_value(explanation()).expect("an explanation"),
        )),
        Request::Update { id, change } => {
            let found = experiments().into_iter().find(|e| e.id == *id);
            let found = found.ok_or_else(|| refused("Not found"))?;
            Answer::Experiment(Box::new(changed(&found, change)))
        }
        Request::Create { experiment } => {
            let mut new = experiments().remove(3);
            new.id = id(99);
            new.key = experiment.key.as_deref().unwrap_or("new").parse().expect("a key");
            new.name.clone_from(&experiment.name);
            new.variants = experiment.variants.clone().expect("variants");
            Answer::Experiment(Box::new(new))
        }
        Request::SetOverride { .. } => Answer::OverridesSet(OverridesSet {
            added: 1,
            ..OverridesSet::default()
        }),
        Request::RemoveOverride { .. } => Answer::OverrideRemoved,
        Request::ApplyWinner { .. } => return Err(refused("Not ready: the results say otherwise")),
        Request::Suggest { what, .. } => Answer::Names(
            match what {
                Suggest::Events => &["purchase", "add_to_cart", "page_view"][..],
                Suggest::Fields => &["country", "plan", "amount"],
                Suggest::Values(_) => &["DE", "TH", "US"],
            }
            .iter()
            .map(|name| (*name).to_owned())
            .collect(),
        ),
        Request::Delete { .. } => Answer::Deleted,
        Request::Status { id, change } => {
            let mut experiment = experiments()
                .into_iter()
                .find(|e| e.id == *id)
                .ok_or_else(|| refused("Not found"))?;
            experiment.status = change.to;
            experiment.paused_by = None;
            experiment.resource_version += 1;
            experiment.winning_variant = change.winning_variant.clone();
            Answer::Experiment(Box::new(experiment))
        }
        other => panic!("no answer to {other:?}"),
    })
}

/// An experiment after a change, one version further.
pub fn changed(experiment: &Experiment, change: &UpdateExperiment) -> Experiment {
    let mut value = serde_json::to_value(experiment).expect("writes");
    let patch = serde_json::to_value(change).expect("writes");
    let fields = value.as_object_mut().expect("an object");
    for (field, patched) in patch.as_object().expect("an object") {
        fields.insert(field.clone(), patched.clone());
    }
    fields.insert("resourceVersion".to_owned(), (change.resource_version + 1).into());
    serde_json::from_value(value).expect("an experiment")
}

fn explanation() -> serde_json::Value {
    json!({
        "assignment": {
            "experimentId": id(CHECKOUT), "variantId": "treatment", "variantName": "Tall button", "payload": null,
            "reason": "allocation", "ruleId": null, "cohort": 1,
            "attribution": {"__experimentId": id(CHECKOUT), "__variantId": "treatment",
                "__experimentName": "Checkout button", "__variantName": "Tall button",
                "__assignmentReason": "allocation", "__cohort": 1},
        },
        "steps": [
            {"step": "status", "status": "active", "decides": true},
            {"step": "override", "subject": "user:u-1", "variant": null, "unknown": false},
            {"step": "holdout", "hashed": "checkout-cta:holdout/u-1", "bucket": 4816, "threshold": 200, "heldOut": false},
            {"step": "rule", "ruleId": id(91), "variant": "treatment", "priority": 10, "matched": false,
             "conditions": [{"condition": "profile.country is TH", "found": "DE", "passed": false},
                            {"condition": "event.properties.plan contains pro plus", "found": null, "passed": false}]},
            {"step": "sticky", "enabled": false, "variant": null, "unknown": false},
            {"step": "allocation", "missing": null, "hashed": "checkout-cta/u-1", "hash": 3320655491_u32, "slot": 33206554,
             "cohort": 1, "variant": "treatment"},
        ],
    })
}

pub fn settings() -> Settings {
    Settings {
        api: "http://127.0.0.1:8620".to_owned(),
        seed: 7,
        ..Settings::default()
    }
}

pub fn theme() -> Theme {
    // Read once: a test draws thousands of screens.
    static DEFAULT: LazyLock<Theme> = LazyLock::new(|| Theme::built_in("default").expect("built in"));
    DEFAULT.clone()
}

/// The lines of a buffer without blanks at their ends.
pub fn text_of(buffer: &Buffer) -> String {
    let area = buffer.area;
    let mut text = String::new();
    for y in 0..area.height {
        let mut line = String::new();
        let mut skip = 0_usize;
        for x in 0..area.width {
            let symbol = buffer[(x, y)].symbol();
            if skip == 0 {
                line.push_str(symbol);
            }
            skip = skip
                .max(unicode_width::UnicodeWidthStr::width(symbol))
                .saturating_sub(1);
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// The status of an experiment as the cockpit knows it.
pub fn status(world: &World, n: u128) -> Status {
    world.state.list.experiment(id(n)).expect("known").status
}
