//! `docs/keys.md`, written from the registry.

use std::fmt::Write as _;

use super::{COMMANDS, Context};

/// The page: a table for each context, in the order of [`Context::ALL`].
#[must_use]
pub fn render() -> String {
    let mut page = String::from(
        "# Keys of the cockpit\n\n\
         Written from the registry in `src/cockpit/keymap/table/`; a test keeps it true \
         (`SPLITDECK_BLESS=1 cargo test generated` writes it anew).\n\n\
         `:` reaches everything by name, `?` shows what works where you are. Commands marked with * change \
         something on the server: each opens a dialog first, and is refused with `--read-only`, with a \
         viewer's token, and while the server is lost.\n",
    );
    for context in Context::ALL {
        let mut rows = String::new();
        for entry in COMMANDS {
            let keys: Vec<String> = entry
                .keys
                .iter()
                .filter(|(within, _)| *within == context)
                .map(|(_, key)| format!("`{key}`"))
                .collect();
            if keys.is_empty() {
                continue;
            }
            let star = if entry.writes { " *" } else { "" };
            // Writing to a String cannot fail.
            let _ = writeln!(
                rows,
                "| {} | `{}`{star} | {} |",
                keys.join(" "),
                entry.name,
                entry.help
            );
        }
        if !rows.is_empty() {
            let _ = write!(
                page,
                "\n## {}\n\n| key | command | what it does |\n|---|---|---|\n{rows}",
                context.title()
            );
        }
    }
    page
}
