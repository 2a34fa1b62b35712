//! Tables as files. What stands in them is made here, row by row and without input or output; `runtime` asks for
//! pages and writes.

mod order;
mod results;
mod rows;
mod tables;

pub use order::{ExportId, Order, Source, Told, ended};
pub use results::results;
pub use rows::{Rows, Shape, Text};
pub use tables::{Table, any, any_below, on_screen, shapes};

use jiff::Timestamp;

/// A name of files: of what, which table, and when. A name that was typed may be anything; what is no letter of
/// ASCII, no digit and no `-` or `_` becomes a `-`.
#[must_use]
pub fn file_name(of: &str, what: &str, now: Timestamp) -> String {
    let plain = |c: char| {
        if c.is_ascii_alphanumeric() || "-_".contains(c) {
            c
        } else {
            '-'
        }
    };
    let of: String = of.chars().map(plain).take(80).collect();
    let stamp = now.strftime("%Y%m%dT%H%M%SZ");
    match (of.as_str(), what) {
        ("", what) => format!("{what}-{stamp}"),
        (of, what) => format!("{of}-{what}-{stamp}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_of_a_file_leads_nowhere_else() {
        let now = "2026-11-18T02:00:09Z".parse().expect("a time");
        assert_eq!(
            file_name("../a b/Ü", "history", now),
            "---a-b---history-20261118T020009Z"
        );
        assert_eq!(file_name("", "tokens", now), "tokens-20261118T020009Z");
        assert_eq!(file_name("shop", "flags", now), "shop-flags-20261118T020009Z");
    }
}
