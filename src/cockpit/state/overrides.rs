//! The Overrides tab: a page of a table of any size, and its search.

use super::text::TextField;
use crate::api::imports::Import;
use crate::api::overrides::{ListOverrides, OverridePage};
use crate::cockpit::ports::Loaded;

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
    /// Where the pages up to the shown one begin; the first one begins at none.
    pub trail: Vec<Option<String>>,
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
            after: self.trail.last().cloned().flatten(),
            limit: Some(PAGE_ROWS),
        }
    }

    /// Number of the page, from 0.
    #[must_use]
    pub fn page_number(&self) -> usize {
        self.trail.len().saturating_sub(1)
    }

    /// Goes on to the next page. False when this is the last one, or it is not known yet.
    pub fn next_page(&mut self) -> bool {
        let Some(after) = self.page.value.as_ref().and_then(|p| p.next_after.clone()) else {
            return false;
        };
        if self.trail.is_empty() {
            self.trail.push(None);
        }
        self.trail.push(Some(after));
        self.selected = 0;
        true
    }

    /// Goes back to the page before. False on the first one.
    pub fn previous_page(&mut self) -> bool {
        if self.trail.len() < 2 {
            return false;
        }
        self.trail.pop();
        self.selected = 0;
        true
    }

    /// The search was changed: back to the first page.
    pub fn search_changed(&mut self) {
        self.trail.clear();
        self.selected = 0;
    }
}
