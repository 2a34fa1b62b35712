//! The last words of a process.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::{AsyncBufReadExt as _, AsyncRead, BufReader};

/// Lines kept.
const LINES: usize = 20;

/// Characters kept of a line.
const WIDTH: usize = 500;

/// The end of what a process wrote to its standard output and standard error.
#[derive(Debug, Clone, Default)]
pub(super) struct Tail(Arc<Mutex<VecDeque<String>>>);

impl Tail {
    /// Reads `from` to its end.
    pub(super) async fn follow(self, from: impl AsyncRead + Unpin) {
        let mut lines = BufReader::new(from);
        let mut line = Vec::new();
        // An error ends it like the end does: there is nothing more to read.
        while let Ok(1..) = lines.read_until(b'\n', &mut line).await {
            self.push(String::from_utf8_lossy(&line).trim_end());
            line.clear();
        }
    }

    fn push(&self, line: &str) {
        // A trace of addresses tells nothing to who reads the message before it.
        let line = line
            .split(", Stack trace (when copying")
            .next()
            .unwrap_or_default();
        let is_frame = line.split_once(". ").is_some_and(|(number, rest)| {
            !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit()) && rest.contains(" @ 0x")
        });
        // The engine says where it logs; that is no last word.
        if line.trim().is_empty() || is_frame || line.starts_with("Logging ") {
            return;
        }
        let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if lines.len() == LINES {
            lines.pop_front();
        }
        lines.push_back(line.chars().take(WIDTH).collect());
    }

    /// What was kept, or a word that there was nothing.
    pub(super) fn text(&self) -> String {
        let lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if lines.is_empty() {
            return "  (it wrote nothing)".to_owned();
        }
        lines
            .iter()
            .map(|line| format!("  {line}"))
            .collect::<Vec<_>>()
            .join("\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_last_lines_are_kept_without_traces() {
        let mut text = String::from("Logging warning to x.log\n");
        for line in 0..30 {
            text.push_str(&format!("line {line}\n"));
        }
        text.push_str("Code: 76, Stack trace (when copying this message, always include the lines below):\n");
        text.push_str("\n0. ? @ 0x00000001\n17. main @ 0x000002\n");
        let tail = Tail::default();
        tail.clone().follow(text.as_bytes()).await;
        let kept = tail.text();
        assert!(kept.starts_with("  line 11\n"), "{kept}");
        assert!(kept.ends_with("  line 29\n  Code: 76"), "{kept}");
        assert_eq!(Tail::default().text(), "  (it wrote nothing)");
    }
}
