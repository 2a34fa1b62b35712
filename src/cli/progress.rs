//! An installation's progress on standard error: a bar on a terminal, a line for each phase elsewhere.

use std::io::IsTerminal as _;
use std::sync::{Mutex, PoisonError};

use indicatif::{ProgressBar, ProgressStyle};

use super::output::remark;
use crate::engine::{Progress, Step};

/// Draws the steps of an installation.
#[derive(Debug)]
pub struct Bar {
    /// Nothing where standard error is not a terminal.
    bar: Option<ProgressBar>,
    /// The phase drawn last.
    last: Mutex<String>,
}

impl Bar {
    /// A bar on standard error; nothing is drawn before the first step.
    #[must_use]
    pub fn new() -> Self {
        Self {
            bar: std::io::stderr().is_terminal().then(ProgressBar::no_length),
            last: Mutex::default(),
        }
    }

    /// Takes the bar away.
    pub fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }

    fn draw(&self, step: &Step) {
        let phase = phase(step);
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let is_new = *last != phase;
        last.clone_from(&phase);
        match &self.bar {
            None if is_new => {
                remark(&phase);
            }
            None => {}
            Some(bar) => {
                if is_new {
                    bar.set_style(style(sizes(step).is_some()));
                    bar.set_message(phase);
                }
                if let Some((done, total)) = sizes(step) {
                    bar.set_length(total);
                    bar.set_position(done);
                }
                bar.tick();
            }
        }
    }
}

impl Default for Bar {
    fn default() -> Self {
        Self::new()
    }
}

impl Progress for Bar {
    fn report(&self, step: Step) {
        self.draw(&step);
    }
}

fn phase(step: &Step) -> String {
    match step {
        Step::Waiting { holder: Some(pid) } => {
            format!("process {pid} is installing ClickHouse; waiting for it")
        }
        Step::Waiting { holder: None } => {
            "another process is installing ClickHouse; waiting for it".to_owned()
        }
        Step::Replacing { why } => {
            format!("the installed ClickHouse cannot be used ({why}); bringing it again")
        }
        Step::Downloading { done, total } if done < total => {
            format!("downloading ClickHouse with npm ({} MB)", megabytes(*total))
        }
        Step::Downloading { .. } => "npm checks the archive and hands it over".to_owned(),
        Step::Checking { .. } => "checking its sha512".to_owned(),
        Step::Unpacking { total, .. } => format!("unpacking ({} MB)", megabytes(*total)),
    }
}

fn megabytes(bytes: u64) -> u64 {
    (bytes + 500_000) / 1_000_000
}

fn sizes(step: &Step) -> Option<(u64, u64)> {
    match step {
        Step::Downloading { done, total }
        | Step::Checking { done, total }
        | Step::Unpacking { done, total } => Some((*done, *total)),
        Step::Waiting { .. } | Step::Replacing { .. } => None,
    }
}

fn style(sized: bool) -> ProgressStyle {
    let template = if sized {
        "{msg} {wide_bar} {percent:>3} %"
    } else {
        "{msg}"
    };
    // The templates are constants and valid; the default style is what is left if one were not.
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_templates_are_valid() {
        for template in ["{msg} {wide_bar} {percent:>3} %", "{msg}"] {
            ProgressStyle::with_template(template).unwrap();
        }
    }

    #[test]
    fn who_is_waited_for_is_named() {
        assert_eq!(
            phase(&Step::Waiting { holder: Some(7) }),
            "process 7 is installing ClickHouse; waiting for it"
        );
    }
}
