//! How headless commands write: JSON for programs, calm tables for people.

use std::borrow::Cow;
use std::io::{ErrorKind, Write as _};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use serde::Serialize;
use unicode_width::UnicodeWidthStr as _;

use super::CliError;
use crate::cockpit::format::steers;

/// Writes text to standard output, with what could steer the terminal escaped. A reader that has gone away (`| head`) is
/// no failure.
///
/// # Errors
/// [`CliError::Failed`] when standard output cannot be written.
pub fn print(text: &str) -> Result<(), CliError> {
    print_as_is(&lines(text))
}

/// Writes to standard output what is for programs, as it is. A reader that has gone away is no failure.
///
/// # Errors
/// [`CliError::Failed`] when standard output cannot be written.
pub fn print_as_is(text: &str) -> Result<(), CliError> {
    match stream_as_is(text) {
        Err(CliError::NobodyReads) => Ok(()),
        other => other,
    }
}

/// Writes text to standard output, with what could steer the terminal escaped, for commands that do nothing but print,
/// and end when nobody reads any more.
///
/// # Errors
/// As [`stream_as_is()`].
pub fn stream(text: &str) -> Result<(), CliError> {
    stream_as_is(&lines(text))
}

/// Writes to standard output what is for programs, as it is, for commands that do nothing but print, and end when nobody
/// reads any more.
///
/// # Errors
/// [`CliError::NobodyReads`] when the reader has gone away; [`CliError::Failed`] when standard output cannot be
/// written.
pub fn stream_as_is(text: &str) -> Result<(), CliError> {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes())
        .and_then(|()| out.flush())
        .map_err(|error| match error.kind() {
            ErrorKind::BrokenPipe => CliError::NobodyReads,
            _ => CliError::Failed(format!("cannot write to standard output: {error}")),
        })
}

/// Whether standard output is still read, as far as can be known without writing to it.
///
/// # Errors
/// [`CliError::NobodyReads`] when the reader of a pipe has gone away.
pub fn still_read() -> Result<(), CliError> {
    let out = std::io::stdout();
    let mut polled = [PollFd::new(&out, PollFlags::empty())];
    // What cannot be asked about is taken as read: writing tells.
    let now = Timespec::default();
    let answered = poll(&mut polled, Some(&now)).is_ok_and(|count| count > 0);
    if answered && polled[0].revents().intersects(PollFlags::ERR | PollFlags::HUP) {
        return Err(CliError::NobodyReads);
    }
    Ok(())
}

/// Writes a line to standard error: what is said beside the output, or why there is none. What could steer the terminal
/// is escaped: names from files, arguments and servers stand in it. Nothing is left to tell it to when that is closed.
pub fn remark(text: &str) {
    let _ = writeln!(std::io::stderr(), "splitdeck: {}", lines(text));
}

/// Writes a value as JSON, indented, with a line end.
///
/// # Errors
/// As [`print()`].
pub fn print_json(value: &impl Serialize) -> Result<(), CliError> {
    let json = serde_json::to_string_pretty(value)
        .map_err(|error| CliError::Failed(format!("cannot write the answer as JSON: {error}")))?;
    print_as_is(&format!("{json}\n"))
}

/// Writes an answer as JSON where that is asked for, else as text.
///
/// # Errors
/// As [`print()`].
pub fn say(json: bool, answer: &impl Serialize, text: impl FnOnce() -> String) -> Result<(), CliError> {
    if json { print_json(answer) } else { print(&text()) }
}

/// Text from elsewhere as it may be shown: characters that could steer the terminal, or turn the rest of their line
/// around, are escaped.
#[must_use]
pub fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for c in text.chars() {
        if steers(c) {
            plain.extend(c.escape_default());
        } else {
            plain.push(c);
        }
    }
    plain
}

/// Text of several lines as it may be shown: as [`plain()`], but that lines may end and tabs stand.
fn lines(text: &str) -> Cow<'_, str> {
    let harmless = |c: char| matches!(c, '\n' | '\t');
    if !text.chars().any(|c| steers(c) && !harmless(c)) {
        return Cow::Borrowed(text);
    }
    let parts = text.split_inclusive(harmless);
    Cow::Owned(
        parts
            .map(|part| match part.strip_suffix(harmless) {
                Some(said) => plain(said) + &part[said.len()..],
                None => plain(part),
            })
            .collect(),
    )
}

/// Where the text of a column stands.
#[derive(Debug, Clone, Copy, Eq, PartialEq)]
pub enum Align {
    /// Words.
    Left,
    /// Numbers.
    Right,
}

/// A table of text: columns two blanks apart, as wide as their widest cell.
#[derive(Debug)]
pub struct Table {
    aligns: Vec<Align>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table with these headings.
    #[must_use]
    pub fn new(columns: &[(&str, Align)]) -> Self {
        Self {
            aligns: columns.iter().map(|(_, align)| *align).collect(),
            rows: vec![columns.iter().map(|(name, _)| (*name).to_owned()).collect()],
        }
    }

    /// A table of names and values, without headings.
    #[must_use]
    pub fn pairs() -> Self {
        Self {
            aligns: vec![Align::Left, Align::Left],
            rows: Vec::new(),
        }
    }

    /// Appends a row; control characters are escaped.
    pub fn row<S: AsRef<str>>(&mut self, cells: impl IntoIterator<Item = S>) {
        self.rows
            .push(cells.into_iter().map(|cell| plain(cell.as_ref())).collect());
    }

    /// Appends a name and its value, unless there is none.
    pub fn pair(&mut self, name: &str, value: &str) {
        if !value.is_empty() {
            self.row([name, value]);
        }
    }

    /// The lines, each with a line end and without blanks before it.
    #[must_use]
    pub fn text(&self) -> String {
        let width = |column: usize| {
            let cells = self.rows.iter().filter_map(|row| row.get(column));
            cells.map(|cell| cell.width()).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..self.aligns.len()).map(width).collect();
        let mut text = String::new();
        for row in &self.rows {
            let mut line = String::new();
            for (at, cell) in row.iter().enumerate() {
                let room = widths.get(at).map_or(0, |width| width - cell.width());
                let right = self.aligns.get(at) == Some(&Align::Right);
                let (before, after) = if right { (room, 0) } else { (0, room) };
                let gap = if at > 0 { 2 } else { 0 };
                line.extend(std::iter::repeat_n(' ', gap + before));
                line.push_str(cell);
                line.extend(std::iter::repeat_n(' ', after));
            }
            text.push_str(line.trim_end());
            text.push('\n');
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_whatever_the_script() {
        let mut table = Table::new(&[("KEY", Align::Left), ("N", Align::Right), ("NAME", Align::Left)]);
        table.row(["a", "7", "Ünï"]);
        table.row(["用户", "12,345", ""]);
        assert_eq!(
            table.text(),
            "KEY        N  NAME\na          7  Ünï\n用户  12,345\n"
        );
    }

    #[test]
    fn pairs_without_a_value_are_left_out() {
        let mut table = Table::pairs();
        table.pair("key", "exp");
        table.pair("description", "");
        table.pair("status", "active");
        assert_eq!(table.text(), "key     exp\nstatus  active\n");
    }

    #[test]
    fn nothing_steers_the_terminal() {
        assert_eq!(plain("a\u{1b}[31m\nb\u{9b}c"), "a\\u{1b}[31m\\nb\\u{9b}c");
        // Nor turns the rest of its line around.
        assert_eq!(plain("a\u{202e}b\u{2066}ج"), "a\\u{202e}b\\u{2066}ج");
        assert_eq!(
            lines("a\u{1b}[31m\n\tb\u{202e}\n"),
            "a\\u{1b}[31m\n\tb\\u{202e}\n"
        );
        let mut table = Table::pairs();
        table.row(["x", "\u{7}"]);
        assert_eq!(table.text(), "x  \\u{7}\n");
    }
}
