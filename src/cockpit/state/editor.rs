//! Where one is while editing: which field has the cursor, which is being typed in.

use std::collections::{BTreeMap, BTreeSet};

use super::area::{self, TextArea};
use super::text::TextField;
use crate::cockpit::edit::identity::{follow, follow_sheet};
use crate::cockpit::edit::{Cell, Kind, Left, Sheet, StoredDraft};
use crate::cockpit::ports::{Loaded, Suggest};
use crate::cockpit::{Code, Key};
use crate::domain::Experiment;

/// What is typed into.
#[derive(Debug, Clone)]
pub enum Input {
    /// A line.
    Line(TextField),
    /// Several lines.
    Area(TextArea),
    /// One of several words.
    Choice {
        /// The words.
        options: Vec<String>,
        /// The chosen one.
        at: usize,
    },
}

/// A field that is being edited.
#[derive(Debug, Clone)]
pub struct Editing {
    /// The field.
    pub cell: Cell,
    /// What is typed.
    pub input: Input,
    /// What it said before.
    pub was: String,
    /// The suggestion under the cursor.
    pub picked: Option<usize>,
}

impl Editing {
    /// Begins with `text` in a field of this kind; none for a field that is not typed into.
    #[must_use]
    pub fn new(cell: Cell, kind: Kind, text: String) -> Option<Self> {
        let input = match kind {
            Kind::Text => Input::Line(TextField::new(&text)),
            Kind::Lines => Input::Area(TextArea::new(&text)),
            Kind::Choice(options) => {
                let at = options.iter().position(|o| *o == text).unwrap_or(0);
                Input::Choice { options, at }
            }
            Kind::Toggle | Kind::Opens(_) | Kind::Fixed(_) => return None,
        };
        Some(Self {
            cell,
            input,
            was: text,
            picked: None,
        })
    }

    /// What it says now.
    #[must_use]
    pub fn text(&self) -> String {
        match &self.input {
            Input::Line(field) => field.text().to_owned(),
            Input::Area(area) => area.text(),
            Input::Choice { options, at } => options.get(*at).cloned().unwrap_or_default(),
        }
    }

    /// Whether it says something else than before.
    #[must_use]
    pub fn changed(&self) -> bool {
        self.text() != self.was
    }

    /// Takes a key that types, on a screen of this width. True when it was one.
    pub fn key(&mut self, key: Key, screen: u16) -> bool {
        match &mut self.input {
            Input::Line(field) => {
                let taken = field.key(key);
                if taken {
                    self.picked = None;
                }
                taken
            }
            Input::Area(area) => area.key(key, area::columns(screen)),
            Input::Choice { options, at } => {
                let count = options.len().max(1);
                match key.code {
                    Code::Left | Code::Up => *at = (*at + count - 1) % count,
                    Code::Right | Code::Down | Code::Char(' ') => *at = (*at + 1) % count,
                    Code::Home => *at = 0,
                    Code::End => *at = count - 1,
                    Code::Char(_) => {
                        // The next word that begins with the letter.
                        let Some(c) = key.typed() else { return false };
                        let begins =
                            |option: &String| option.to_lowercase().starts_with(c.to_ascii_lowercase());
                        let next = (1..=count).map(|n| (*at + n) % count);
                        if let Some(found) = next.into_iter().find(|n| options.get(*n).is_some_and(begins)) {
                            *at = found;
                        }
                    }
                    _ => return false,
                }
                true
            }
        }
    }

    /// Takes a paste, or a piece of one. False when there was no room for all of it.
    pub fn paste(&mut self, text: &str) -> bool {
        match &mut self.input {
            Input::Line(field) => field.paste(text),
            Input::Area(area) => area.paste(text),
            Input::Choice { .. } => true,
        }
    }
}

/// Drafts on disk that are offered, one after the other.
#[derive(Debug, Clone, PartialEq)]
pub struct Offers<T> {
    /// The one that is offered now.
    pub first: Left<T>,
    /// Those after it.
    pub rest: Vec<Left<T>>,
}

/// What is known of the drafts on disk.
#[derive(Debug, Clone, Default)]
pub enum Found<T = StoredDraft> {
    /// It was not looked for yet.
    #[default]
    Unknown,
    /// It is being looked for.
    Looking,
    /// There is none, or it was dealt with.
    Nothing,
    /// There are some, each to be restored or thrown away.
    Offered(Box<Offers<T>>),
}

impl<T> Found<T> {
    /// Offers these, the first one first.
    #[must_use]
    pub fn of(left: Vec<Left<T>>) -> Self {
        let mut left = left.into_iter();
        match left.next() {
            Some(first) => Self::Offered(Box::new(Offers {
                first,
                rest: left.collect(),
            })),
            None => Self::Nothing,
        }
    }

    /// Takes the one that is offered now; the next one is offered from then on.
    pub fn take(&mut self) -> Option<Left<T>> {
        match std::mem::replace(self, Self::Nothing) {
            Self::Offered(offers) => {
                *self = Self::of(offers.rest);
                Some(offers.first)
            }
            _ => None,
        }
    }

    /// The one that is offered now.
    #[must_use]
    pub fn offered(&self) -> Option<&T> {
        match self {
            Self::Offered(offers) => Some(&offers.first.stored),
            _ => None,
        }
    }

    /// How many are offered after the one that is offered now.
    #[must_use]
    pub fn more(&self) -> usize {
        match self {
            Self::Offered(offers) => offers.rest.len(),
            _ => 0,
        }
    }

    /// Whether it was not looked for yet, or the answer has not come.
    #[must_use]
    pub fn is_open(&self) -> bool {
        matches!(self, Self::Unknown | Self::Looking)
    }
}

/// What the events of the project know: names to choose from.
#[derive(Debug, Clone, Default)]
pub struct Suggestions {
    /// What they are for.
    pub asked: Option<Suggest>,
    /// The names, the most frequent first.
    pub names: Loaded<Vec<String>>,
}

/// Where one is while editing.
#[derive(Debug, Default)]
pub struct EditorState {
    /// Row and column of the cursor of each sheet.
    pub at: BTreeMap<Sheet, (usize, usize)>,
    /// Sheets opened over the one of the tab, the last one on top.
    pub panels: Vec<Sheet>,
    /// The field that is typed into.
    pub editing: Option<Editing>,
    /// The draft on disk.
    pub found: Found,
    /// Keys that wait until it is known whether there is a draft on disk.
    pub held: Vec<Key>,
    /// Names to choose from.
    pub suggestions: Suggestions,
}

impl EditorState {
    /// The cursor of a sheet, on a field that is there; none on an empty sheet.
    #[must_use]
    pub fn cursor(&self, sheet: Sheet, e: &Experiment) -> Option<(usize, usize)> {
        let rows = sheet.rows(e);
        let (row, column) = self.at.get(&sheet).copied().unwrap_or_default();
        let row = row.min(rows.len().checked_sub(1)?);
        let column = column.min(rows[row].cells.len().saturating_sub(1));
        Some((row, column))
    }

    /// The field under the cursor.
    #[must_use]
    pub fn cell(&self, sheet: Sheet, e: &Experiment) -> Option<Cell> {
        let (row, column) = self.cursor(sheet, e)?;
        sheet.rows(e).get(row)?.cells.get(column).cloned()
    }

    /// Somebody else made `new` of `old`: each cursor stays on its field, and each panel on what it is about,
    /// wherever these stand now.
    pub fn follow(&mut self, old: &Experiment, new: &Experiment) {
        let mut sheets: BTreeSet<Sheet> = self.at.keys().copied().collect();
        // A cursor that was never moved stands on a field too.
        sheets.extend([Sheet::Setup, Sheet::Variants, Sheet::Rules]);
        sheets.extend(&self.panels);
        let mut at = BTreeMap::new();
        for sheet in sheets {
            let Some(now) = follow_sheet(sheet, old, new) else {
                continue;
            };
            let kept = self.at.get(&sheet).copied();
            let cell = self.cell(sheet, old).and_then(|cell| follow(&cell, old, new));
            let place = cell.and_then(|cell| {
                let rows = now.rows(new);
                let y = rows.iter().position(|row| row.cells.contains(&cell))?;
                let x = rows[y].cells.iter().position(|other| *other == cell)?;
                let beyond = kept.filter(|(_, column)| *column >= rows[y].cells.len());
                Some((y, beyond.map_or(x, |(_, column)| column)))
            });
            if let Some(place) = place.or(kept) {
                at.insert(now, place);
            }
        }
        self.at = at;
        let panels = std::mem::take(&mut self.panels).into_iter();
        self.panels = panels.filter_map(|sheet| follow_sheet(sheet, old, new)).collect();
    }

    /// Puts the cursor on a field, where the sheet has it.
    pub fn go_to(&mut self, sheet: Sheet, cell: &Cell, e: &Experiment) -> bool {
        for (y, row) in sheet.rows(e).iter().enumerate() {
            if let Some(x) = row.cells.iter().position(|other| other == cell) {
                self.at.insert(sheet, (y, x));
                return true;
            }
        }
        false
    }
}
