//! The six tabs of an experiment.

pub mod analytics;
pub mod insights;
pub mod overrides;
pub mod rules;
pub mod setup;
pub mod variants;

use super::widgets::Pen;
use super::widgets::empty::{empty, retried};
use crate::cockpit::format;
use crate::cockpit::keymap::{Command, Context, Keymap};
use crate::cockpit::ports::FailureKind;
use crate::cockpit::state::{ExperimentDetail, Laid, Tab};

/// Where the cursor is, for the footer; empty where there is none.
pub fn place(detail: &ExperimentDetail) -> String {
    if detail.tab != Tab::Overrides {
        return String::new();
    }
    let overrides = &detail.overrides;
    match &overrides.page.value {
        Some(page) if !page.overrides.is_empty() => {
            let before = overrides.trail.page() * crate::cockpit::state::overrides::PAGE_ROWS as usize;
            let at = format::count((before + overrides.selected + 1) as u64);
            match &overrides.asked {
                Some(asked) if asked.search.is_some() => format!("{at} of those found"),
                _ => format!("{at} of {}", format::count(page.fixed + page.manual)),
            }
        }
        _ => String::new(),
    }
}

/// What stands in place of an experiment that is not known yet, or not at all.
pub fn unknown(pen: &mut Pen<'_>, keymap: &Keymap, detail: &ExperimentDetail) -> Laid {
    let (width, height) = (pen.width(), pen.height());
    let mut inside = pen.part(2, 0, width.saturating_sub(4), height);
    match &detail.experiment.failure {
        Some(failure) => {
            let hint = match failure.kind {
                FailureKind::Refused => {
                    let all = (
                        Context::Always,
                        Command::Back,
                        "shows all experiments of the project",
                    );
                    keymap.sentence("", &[all])
                }
                FailureKind::Configuration => retried(keymap, failure),
                FailureKind::Lost | FailureKind::Limit => {
                    let ways = [
                        (Context::Global, Command::Reload, "tries at once"),
                        (Context::Always, Command::Back, "goes to the list"),
                    ];
                    format!("{}.", keymap.after("Tried again by itself", "; ", &ways))
                }
            };
            empty(
                &mut inside,
                &format!("Cannot load {}: {}", detail.name, failure.message),
                &hint,
            );
        }
        None => {
            let text = inside.glyphs().text(&format!("Asking for {} …", detail.name));
            let dim = inside.theme.dim;
            inside.text(0, 0, &text, dim);
        }
    }
    Laid::default()
}
