//! `docs/keys.md`, written from the registry.

use std::fmt::Write as _;

use super::{COMMANDS, Context};

/// The keys of texts themselves, which cannot be rebound: those of a shell.
const TEXTS: &str = "
## In every text

| key | what it does |
|---|---|
| `left` `right` | One character; in several lines on to the next line |
| `ctrl-left` `alt-b`, `ctrl-right` `alt-f` | One word |
| `home` `ctrl-a`, `end` `ctrl-e` | To the beginning, to the end of the line |
| `backspace`, `delete` | The character before, the one under the cursor |
| `ctrl-w` `alt-backspace` | The word before |
| `ctrl-u` | All of a line; of several lines what is before the cursor in its line |
| `ctrl-k` | The rest of the line |

In a text of several lines (description, hypothesis, payload) `enter` begins a line, `up`, `down`, `pageup` and `pagedown` move among them, `tab` leaves it
for the next field, `ctrl-o` saves, and `esc` leaves it with what was typed. A tab in what is pasted becomes two blanks.
";

/// Whether tables are edited there.
fn edits_in(context: Context) -> bool {
    matches!(context, Context::Edit | Context::Table | Context::Field)
}

/// The page: a table for each context, in the order of [`Context::ALL`].
#[must_use]
pub fn render() -> String {
    let mut page = String::from(
        "# Keys of the cockpit\n\n\
         Written from the registry in `src/cockpit/keymap/table/`; a test keeps it true \
         (`SPLITDECK_BLESS=1 cargo test generated` writes it anew).\n\n\
         `:` finds every command by name, wherever you are, but for those that move, type or belong to an open panel; \
         Enter on one that works elsewhere leads there. `?` shows what works where you are. Commands marked with * change \
         something on the server: each opens a dialog first, and is refused with `--read-only`, with a \
         viewer's token, and while the server is lost. Those marked with + change what is unsaved; in the Variants \
         table of a draft, which nobody has seen, they also save it, without a dialog.\n",
    );
    page.push_str(TEXTS);
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
            let star = match entry.command {
                _ if entry.writes => " *",
                // The same keys mean something else elsewhere.
                command if command.saves_tables() && edits_in(context) => " +",
                _ => "",
            };
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
