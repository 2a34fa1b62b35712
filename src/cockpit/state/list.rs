//! The list of experiments: rows, order, selection, filter.

use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use nucleo_matcher::pattern::{CaseMatching, Normalization, Pattern};
use nucleo_matcher::{Config, Matcher, Utf32Str};
use uuid::Uuid;

use super::link::later;
use super::text::TextField;
use crate::api::results::Overview;
use crate::cockpit::alarms::{self, Severity};
use crate::cockpit::ports::Loaded;
use crate::cockpit::width::columns;
use crate::domain::{Experiment, Status};

/// How long the order of the rows holds after the cursor moved.
pub const FREEZE: Duration = Duration::from_secs(3);

/// The list of experiments.
#[derive(Debug, Default)]
pub struct ListState {
    /// All experiments of the project, as the server sorts them; archived ones while they are wanted.
    pub experiments: Loaded<Vec<Arc<Experiment>>>,
    /// Whether archived ones are shown too.
    pub archived: bool,
    /// Their live numbers.
    pub overviews: Loaded<HashMap<Uuid, Overview>>,
    /// The rows in the order they are shown: what the filter lets through.
    pub rows: Vec<Uuid>,
    /// The row under the cursor, by id, so that new data never moves it.
    pub selected: Option<Uuid>,
    /// Whether a person put the cursor there. Until then it stays on the first row.
    pub chosen: bool,
    /// What is typed into the filter.
    pub filter: TextField,
    /// Whether the filter takes the keys.
    pub filtering: bool,
    /// Until when the order of the rows holds.
    pub frozen_until: Option<Timestamp>,
    /// What is known of all of them, so that a frame looks only at the rows that it shows.
    whole: Whole,
}

/// What is known of all experiments.
#[derive(Debug, Default)]
struct Whole {
    /// Where each stood when the rows were arranged.
    places: HashMap<Uuid, usize>,
    widths: Widths,
}

/// How wide the widest are, in columns.
#[derive(Debug, Clone, Copy, Default, Eq, PartialEq)]
pub struct Widths {
    /// Of the keys.
    pub key: u16,
    /// Of the names; 0 where none is another than the key.
    pub name: u16,
}

impl ListState {
    /// All experiments; empty before the first answer.
    #[must_use]
    pub fn all(&self) -> &[Arc<Experiment>] {
        self.experiments.value.as_deref().unwrap_or_default()
    }

    /// An experiment by id.
    #[must_use]
    pub fn experiment(&self, id: Uuid) -> Option<&Arc<Experiment>> {
        let there = |e: &&Arc<Experiment>| e.id == id;
        let known = self.whole.places.get(&id).and_then(|at| self.all().get(*at));
        known.filter(there).or_else(|| self.all().iter().find(there))
    }

    /// How wide keys and names are.
    #[must_use]
    pub fn widths(&self) -> Widths {
        self.whole.widths
    }

    /// An experiment's live numbers.
    #[must_use]
    pub fn overview(&self, id: Uuid) -> Option<&Overview> {
        self.overviews.value.as_ref()?.get(&id)
    }

    /// The live numbers that the list has of an experiment: none of one that has none to be asked for, although its own
    /// page may have asked.
    #[must_use]
    pub fn listed(&self, experiment: &Experiment) -> Option<&Overview> {
        self.overview(experiment.id).filter(|_| has_numbers(experiment))
    }

    /// The experiment under the cursor.
    #[must_use]
    pub fn current(&self) -> Option<&Arc<Experiment>> {
        self.experiment(self.selected?)
    }

    /// The position of the cursor among the rows.
    #[must_use]
    pub fn position(&self) -> Option<usize> {
        let selected = self.selected?;
        self.rows.iter().position(|id| *id == selected)
    }

    /// How many experiments need a person, and how many are active.
    #[must_use]
    pub fn counts(&self, now: Timestamp) -> (usize, usize) {
        let needing = self
            .all()
            .iter()
            .filter(|e| alarms::need_person(&alarms::of(e, self.listed(e), now)))
            .count();
        let active = self.all().iter().filter(|e| e.status == Status::Active);
        (needing, active.count())
    }

    /// Whether the numbers of every running experiment are known: before that nobody can tell who is needed.
    #[must_use]
    pub fn all_known(&self) -> bool {
        let mut running = self.all().iter().filter(|e| e.status == Status::Active);
        running.all(|e| self.overview(e.id).is_some())
    }

    /// Whether the order of the rows holds.
    #[must_use]
    pub fn is_frozen(&self, now: Timestamp) -> bool {
        self.frozen_until.is_some_and(|until| until > now)
    }

    /// Moves the cursor by `by` rows and holds the order for a while.
    pub fn move_by(&mut self, by: isize, now: Timestamp) {
        let last = self.rows.len().saturating_sub(1);
        let from = self.position().unwrap_or(0);
        self.selected = self.rows.get(from.saturating_add_signed(by).min(last)).copied();
        self.chosen = true;
        self.frozen_until = Some(later(now, FREEZE));
    }

    /// Brings the rows up to date: what the filter lets through, what needs a person first.
    ///
    /// While the order holds, rows stay where they are: new ones are added at the end, gone ones are
    /// taken out.
    pub fn arrange(&mut self, now: Timestamp) {
        let stood = self.position();
        self.whole = Whole::of(self.all());
        let wanted = self.sorted(now);
        if self.is_frozen(now) && !self.rows.is_empty() {
            let there: HashSet<Uuid> = wanted.iter().copied().collect();
            self.rows.retain(|id| there.contains(id));
            let kept: HashSet<Uuid> = self.rows.iter().copied().collect();
            self.rows
                .extend(wanted.into_iter().filter(|id| !kept.contains(id)));
        } else {
            self.rows = wanted;
            self.frozen_until = None;
        }
        if !self.chosen {
            self.selected = self.rows.first().copied();
        } else if self.position().is_none() {
            // What stood under the cursor is gone: what follows it has come up there.
            let at = stood.unwrap_or(0).min(self.rows.len().saturating_sub(1));
            self.selected = self.rows.get(at).copied();
        }
    }

    /// The filter was changed: the best match comes first and under the cursor.
    pub fn filter_changed(&mut self, now: Timestamp) {
        self.frozen_until = None;
        // Without a filter the cursor stays where it is, with one it goes to the best match.
        self.chosen = self.filter.text().is_empty() && self.selected.is_some();
        let keep = self.filter.text().is_empty().then_some(self.selected).flatten();
        self.selected = keep;
        self.arrange(now);
    }

    fn sorted(&self, now: Timestamp) -> Vec<Uuid> {
        let mut scores = Scores::new(self.filter.text());
        let mut rows: Vec<_> = self
            .all()
            .iter()
            .filter_map(|experiment| {
                let score = scores.of(experiment)?;
                let alarms = alarms::of(experiment, self.listed(experiment), now);
                let worst = alarms
                    .iter()
                    .map(|a| a.severity())
                    .filter(|s| *s >= Severity::Warn)
                    .max();
                let rank = (
                    Reverse(score),
                    Reverse(worst),
                    life_rank(experiment.status),
                    experiment.key.folded(),
                );
                Some((rank, experiment.id))
            })
            .collect();
        rows.sort();
        rows.into_iter().map(|(_, id)| id).collect()
    }
}

/// Whether an experiment can have events: a draft never served anything but its default.
#[must_use]
pub fn has_numbers(experiment: &Experiment) -> bool {
    !matches!(experiment.status, Status::Draft | Status::Archived)
}

impl Whole {
    fn of(all: &[Arc<Experiment>]) -> Self {
        let named = all.iter().any(|e| e.name != e.key.as_str());
        let names = all.iter().filter(|_| named).map(|e| columns(&e.name));
        Self {
            places: all.iter().map(|e| e.id).zip(0..).collect(),
            widths: Widths {
                key: all.iter().map(|e| columns(e.key.as_str())).max().unwrap_or(0),
                name: names.max().unwrap_or(0),
            },
        }
    }
}

/// Active first, then what may become it again, then the past.
fn life_rank(status: Status) -> u8 {
    match status {
        Status::Active => 0,
        Status::Paused => 1,
        Status::Draft => 2,
        Status::Completed => 3,
        Status::Ended => 4,
        Status::Archived => 5,
    }
}

/// Fuzzy matching of a filter against key, name and status.
struct Scores {
    pattern: Option<(Pattern, Matcher)>,
    buffer: Vec<char>,
}

impl Scores {
    fn new(filter: &str) -> Self {
        let pattern = (!filter.trim().is_empty()).then(|| {
            let pattern = Pattern::parse(filter, CaseMatching::Ignore, Normalization::Smart);
            (pattern, Matcher::new(Config::DEFAULT))
        });
        Self {
            pattern,
            buffer: Vec::new(),
        }
    }

    /// How well it matches; none when it does not. Without a filter everything matches alike.
    fn of(&mut self, experiment: &Experiment) -> Option<u32> {
        let Some((pattern, matcher)) = &mut self.pattern else {
            return Some(0);
        };
        let text = format!("{} {} {}", experiment.key, experiment.name, experiment.status);
        pattern.score(Utf32Str::new(&text, &mut self.buffer), matcher)
    }
}
