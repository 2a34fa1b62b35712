//! One experiment: what is known of it, and where one looks.

use std::sync::Arc;

use jiff::Timestamp;
use uuid::Uuid;

use super::analytics::AnalyticsState;
use super::editor::EditorState;
use super::overrides::OverridesState;
use crate::api::insights::Insight;
use crate::api::results::{MultiVariant, Results, ResultsQuery, Srm};
use crate::cockpit::ports::Loaded;
use crate::domain::{AuditEntry, Experiment};
use crate::insights::Paragraph;

/// The six tabs.
#[derive(Debug, Clone, Copy, Default, Eq, Hash, PartialEq)]
pub enum Tab {
    /// Details, lifecycle, conversion.
    #[default]
    Setup,
    /// The arms and their shares.
    Variants,
    /// Who is routed by properties.
    Rules,
    /// Who is forced by id.
    Overrides,
    /// What came of it.
    Analytics,
    /// What it means, in words.
    Insights,
}

impl Tab {
    /// All of them, in the order of their numbers.
    pub const ALL: [Self; 6] = [
        Self::Setup,
        Self::Variants,
        Self::Rules,
        Self::Overrides,
        Self::Analytics,
        Self::Insights,
    ];

    /// The title.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Self::Setup => "Setup",
            Self::Variants => "Variants",
            Self::Rules => "Rules",
            Self::Overrides => "Overrides",
            Self::Analytics => "Analytics",
            Self::Insights => "Insights",
        }
    }

    /// The position, from 0.
    #[must_use]
    pub fn index(self) -> usize {
        Self::ALL.iter().position(|tab| *tab == self).unwrap_or(0)
    }

    /// The tab `by` positions further, around the ends.
    #[must_use]
    pub fn step(self, by: isize) -> Self {
        let len = Self::ALL.len();
        let at = (self.index() + len).saturating_add_signed(by % 6) % len;
        Self::ALL[at]
    }
}

/// The history, as far as it was loaded.
#[derive(Debug, Default)]
pub struct HistoryState {
    /// The entries, newest first.
    pub entries: Loaded<Vec<AuditEntry>>,
    /// What to ask for to get the next page; none at the end.
    pub next_before: Option<i64>,
    /// The version of the experiment it was loaded for; a newer one makes it reloaded.
    pub version: u64,
    /// The version of the experiment as it was asked for last.
    pub asked: u64,
}

/// One experiment with what is known of it.
#[derive(Debug)]
pub struct ExperimentDetail {
    /// Its key, or whatever it was asked for by until it is known.
    pub name: String,
    /// As it is configured.
    pub experiment: Loaded<Arc<Experiment>>,
    /// Whether the server says that there is none, as when somebody else deleted it: what is shown is the last that was
    /// known. It is asked on, and holds until the server knows it again.
    pub deleted: bool,
    /// The open tab.
    pub tab: Tab,
    /// The results that are shown.
    pub results: Loaded<Arc<Results>>,
    /// What the results that are shown answer: the question, and the version of the experiment.
    pub results_of: Option<(ResultsQuery, u64)>,
    /// What was asked for last.
    pub results_asked: Option<ResultsQuery>,
    /// The version of the experiment that the last results were asked for.
    pub results_version: u64,
    /// The mark of the last probe: while it stays the same nothing arrived.
    pub mark: Option<u64>,
    /// The mark before the last results were asked for.
    pub results_mark: Option<u64>,
    /// The mark before the results that are shown were asked for.
    pub shown_mark: Option<u64>,
    /// When it was last known that nothing is newer than the results that are shown, or since when somebody looks
    /// at them; none while nobody does.
    pub checked_at: Option<Timestamp>,
    /// The test of its split as the guard makes it: after an overridden resume of fewer subjects.
    pub guarded: Loaded<Srm>,
    /// The version of the experiment that it was made for.
    pub guarded_version: u64,
    /// The version of the experiment that it was asked for last.
    pub guarded_asked: u64,
    /// The results in words.
    pub summary: Vec<Paragraph>,
    /// The summary that was saved; none within when none was.
    pub insight: Loaded<Option<Box<Insight>>>,
    /// The version of the experiment that was known when it was asked for last: what changed since is told up to there.
    pub insight_asked: u64,
    /// The Analytics tab.
    pub analytics: AnalyticsState,
    /// The Overrides tab.
    pub overrides: OverridesState,
    /// Where one is while editing.
    pub editor: EditorState,
    /// Its history.
    pub history: HistoryState,
    /// The first line that is shown of each tab, or the row under its cursor.
    pub scroll: [usize; 6],
}

impl ExperimentDetail {
    /// Whether one panel of the results has the whole screen.
    #[must_use]
    pub fn zoomed(&self) -> bool {
        self.tab == Tab::Analytics && self.analytics.zoomed && self.results.value.is_some()
    }

    /// An experiment of which only the id or key is known.
    #[must_use]
    pub fn unknown(name: String) -> Self {
        Self {
            name,
            experiment: Loaded::default(),
            deleted: false,
            tab: Tab::default(),
            results: Loaded::default(),
            results_of: None,
            results_asked: None,
            results_version: 0,
            mark: None,
            results_mark: None,
            shown_mark: None,
            checked_at: None,
            guarded: Loaded::default(),
            guarded_version: 0,
            guarded_asked: 0,
            summary: Vec::new(),
            insight: Loaded::default(),
            insight_asked: 0,
            analytics: AnalyticsState::default(),
            overrides: OverridesState::default(),
            editor: EditorState::default(),
            history: HistoryState::default(),
            scroll: [0; 6],
        }
    }

    /// The results that a decision may rest upon: of all days, of the experiment as it is configured now. What is
    /// shown may be of some days only, or of the version before.
    #[must_use]
    pub fn decisive(&self) -> Option<&Results> {
        let (query, version) = self.results_of.as_ref()?;
        let current = self.config()?.resource_version == *version;
        let results = self.results.value.as_deref()?;
        (current && is_whole(query)).then_some(results)
    }

    /// The test of the split as the guard makes it, of the experiment as it is configured now. Where nobody took
    /// the guard's test over, that is the one of the results too.
    #[must_use]
    pub fn tested(&self) -> Option<&Srm> {
        let config = self.config()?;
        let guarded = self.guarded.value.as_ref();
        guarded
            .filter(|_| self.guarded_version == config.resource_version)
            .or_else(|| {
                let results = self.decisive()?;
                config.srm_checked_from.is_none().then_some(&results.srm)
            })
    }

    /// Its id, once it is known.
    #[must_use]
    pub fn id(&self) -> Option<Uuid> {
        self.experiment.value.as_ref().map(|e| e.id)
    }

    /// Its configuration, once it is known.
    #[must_use]
    pub fn config(&self) -> Option<&Arc<Experiment>> {
        self.experiment.value.as_ref()
    }

    /// The first line, or the row under the cursor, of the open tab.
    #[must_use]
    pub fn row(&self) -> usize {
        self.scroll[self.tab.index()]
    }

    /// The same, to be changed.
    pub fn row_mut(&mut self) -> &mut usize {
        &mut self.scroll[self.tab.index()]
    }
}

/// The same question about everything, counted as the server counts it, in buckets that fit all of it.
#[must_use]
pub fn whole(query: ResultsQuery) -> ResultsQuery {
    ResultsQuery {
        start: None,
        end: None,
        interval: None,
        multi_variant: MultiVariant::default(),
        ..query
    }
}

/// Whether a question is about everything, counted as the server counts it.
#[must_use]
pub fn is_whole(query: &ResultsQuery) -> bool {
    query.start.is_none() && query.end.is_none() && query.multi_variant == MultiVariant::default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tabs_go_round() {
        assert_eq!(Tab::Insights.step(1), Tab::Setup);
        assert_eq!(Tab::Setup.step(-1), Tab::Insights);
        for tab in Tab::ALL {
            assert_eq!(tab.step(1).step(-1), tab);
        }
    }
}
