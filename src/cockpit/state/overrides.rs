//! The Overrides tab: a page of a table of any size, and its search.

use jiff::Timestamp;

use super::cursor::follow;
use super::text::TextField;
use super::trail::Trail;
use crate::api::imports::Import;
use crate::api::overrides::{ListOverrides, OverridePage};
use crate::cockpit::ports::Loaded;
use crate::domain::Override;

/// Rows of a page. Only one page is held, however many overrides there are.
pub const PAGE_ROWS: u32 = 200;

/// The Overrides tab.
#[derive(Debug, Default)]
pub struct OverridesState {
    /// The bulk imports, the newest first.
    pub imports: Loaded<Vec<Import>>,
    /// What is searched for.
    pub search: TextField,
    /// Whether the search takes the keys.
    pub searching: bool,
    /// The page that is shown.
    pub page: Loaded<OverridePage>,
    /// What that page answers.
    pub shown: Option<ListOverrides>,
    /// The way to the page that is shown.
    pub trail: Trail<String>,
    /// The row under the cursor, within the page.
    pub selected: usize,
    /// What was asked last.
    pub asked: Option<ListOverrides>,
}

impl OverridesState {
    /// What to ask for, to get the page the trail leads to.
    #[must_use]
    pub fn query(&self) -> ListOverrides {
        let search = self.search.text().trim();
        ListOverrides {
            search: (!search.is_empty()).then(|| search.to_owned()),
            after: self.trail.after(),
            limit: Some(PAGE_ROWS),
        }
    }

    /// A page has come. The cursor stays on its subject where this is the same page as before.
    pub fn take(&mut self, query: &ListOverrides, page: OverridePage, now: Timestamp) {
        let before = match &self.page.value {
            Some(before) if self.shown.as_ref() == Some(query) => before.overrides.as_slice(),
            _ => &[],
        };
        let subject = |o: &Override| (o.subject_type, o.subject_id.clone());
        self.selected = follow(before, &page.overrides, self.selected, subject);
        self.shown = Some(query.clone());
        self.page.set(page, now);
    }

    /// Goes on to the next page. False when this is the last one, or it is not known yet.
    pub fn next_page(&mut self) -> bool {
        let next = self.page.value.as_ref().and_then(|p| p.next_after.clone());
        self.turned(|trail| trail.forward(next))
    }

    /// Goes back to the page before. False on the first one.
    pub fn previous_page(&mut self) -> bool {
        self.turned(Trail::back)
    }

    fn turned(&mut self, turn: impl FnOnce(&mut Trail<String>) -> bool) -> bool {
        let turned = turn(&mut self.trail);
        if turned {
            self.selected = 0;
        }
        turned
    }

    /// The search was changed: back to the first page.
    pub fn search_changed(&mut self) {
        self.trail.restart();
        self.selected = 0;
    }
}
