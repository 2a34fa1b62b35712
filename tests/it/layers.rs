//! Imports go downward only: the sources are read and held to the table in `src/lib.rs`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// For each top module, what it may import of the crate. `*` means everything.
const MAY_IMPORT: &[(&str, &[&str])] = &[
    ("domain", &[]),
    ("reading", &[]),
    ("decide", &["domain"]),
    ("stats", &["domain"]),
    ("api", &["domain", "stats"]),
    ("engine", &[]),
    ("telemetry", &["domain"]),
    ("config", &["domain", "reading"]),
    ("warehouse", &["domain", "stats", "api"]),
    ("client", &["domain", "stats", "api"]),
    (
        "server",
        &[
            "domain",
            "decide",
            "stats",
            "api",
            "warehouse",
            "insights",
            "config",
            "telemetry",
            "reading",
        ],
    ),
    ("insights", &["domain", "stats", "api"]),
    ("cockpit", &["domain", "stats", "api", "insights"]),
    ("tui", &["domain", "reading", "stats", "api", "cockpit"]),
    (
        "runtime",
        &[
            "domain",
            "stats",
            "api",
            "cockpit",
            "tui",
            "client",
            "warehouse",
            "config",
            "telemetry",
            "reading",
        ],
    ),
    ("demo", &["*"]),
    ("cli", &["*"]),
];

/// A crate that exactly one module may name.
const OWNED_CRATES: &[(&str, &str)] = &[
    ("clickhouse", "warehouse"),
    ("ratatui", "tui"),
    ("sqlx", "server"),
    ("axum", "server"),
];

/// Modules that take the time as a parameter and never read a clock.
const NO_CLOCK: &[&str] = &["domain", "decide", "stats", "api", "cockpit", "tui"];

fn sources() -> BTreeMap<PathBuf, String> {
    fn walk(dir: &Path, out: &mut BTreeMap<PathBuf, String>) {
        for entry in std::fs::read_dir(dir).expect("read src") {
            let path = entry.expect("entry").path();
            if path.is_dir() {
                walk(&path, out);
            } else if path.extension().is_some_and(|e| e == "rs") {
                let text = std::fs::read_to_string(&path).expect("read source");
                out.insert(path, text);
            }
        }
    }
    let mut out = BTreeMap::new();
    walk(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut out);
    out
}

/// `src/stats/srm.rs` → `stats`; `src/telemetry.rs` → `telemetry`.
fn top_module(path: &Path) -> String {
    let relative = path
        .strip_prefix(Path::new(env!("CARGO_MANIFEST_DIR")).join("src"))
        .expect("below src");
    let first = relative.components().next().expect("a component").as_os_str();
    first.to_string_lossy().trim_end_matches(".rs").to_owned()
}

/// The code of a file without comments and without its unit tests (which may use test helpers).
fn code(text: &str) -> String {
    let text = text.split("#[cfg(test)]\nmod ").next().unwrap_or_default();
    text.lines()
        .map(|line| line.split("//").next().unwrap_or_default())
        .collect::<Vec<_>>()
        .join("\n")
}

/// The names right after every `crate::`, also inside `crate::{a, b::c}`.
fn imported(code: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (at, _) in code.match_indices("crate::") {
        // `$crate::` in macros counts too; `some_crate::` does not.
        let before = code[..at].chars().next_back();
        if before.is_some_and(|c| c.is_alphanumeric() || c == '_') {
            continue;
        }
        let rest = &code[at + "crate::".len()..];
        if let Some(group) = rest.strip_prefix('{') {
            let mut depth = 0_usize;
            let mut name = String::new();
            for c in group.chars() {
                match c {
                    '{' => depth += 1,
                    '}' if depth == 0 => break,
                    '}' => depth -= 1,
                    ',' if depth == 0 => found.push(std::mem::take(&mut name)),
                    _ if depth == 0 => name.push(c),
                    _ => {}
                }
            }
            found.push(name);
        } else {
            found.push(rest.to_owned());
        }
    }
    found
        .iter()
        .map(|n| {
            n.trim()
                .chars()
                .take_while(|c| c.is_alphanumeric() || *c == '_')
                .collect::<String>()
        })
        .filter(|n| !n.is_empty())
        .collect()
}

#[test]
fn imports_go_downward_only() {
    let rules: BTreeMap<&str, &[&str]> = MAY_IMPORT.iter().copied().collect();
    let mut wrong = Vec::new();
    for (path, text) in sources() {
        let from = top_module(&path);
        if from == "main" || from == "lib" {
            continue;
        }
        let Some(allowed) = rules.get(from.as_str()) else {
            wrong.push(format!(
                "{}: module `{from}` has no row in MAY_IMPORT",
                path.display()
            ));
            continue;
        };
        for to in imported(&code(&text)) {
            // A name that is no module is an item at the crate root (a macro).
            let is_module = rules.contains_key(to.as_str());
            if is_module && to != from && !allowed.contains(&"*") && !allowed.contains(&to.as_str()) {
                wrong.push(format!("{}: `{from}` imports `{to}`", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "upward imports:\n{}", wrong.join("\n"));
}

#[test]
fn only_the_owner_names_a_crate() {
    let mut wrong = Vec::new();
    for (path, text) in sources() {
        let from = top_module(&path);
        for (krate, owner) in OWNED_CRATES {
            let code = code(&text);
            let names = code.contains(&format!("use {krate}::")) || code.contains(&format!(" {krate}::"));
            if names && from != *owner {
                wrong.push(format!("{}: `{from}` names the crate `{krate}`", path.display()));
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "a crate outside its module:\n{}",
        wrong.join("\n")
    );
}

#[test]
fn pure_modules_read_no_clock() {
    let mut wrong = Vec::new();
    for (path, text) in sources() {
        if !NO_CLOCK.contains(&top_module(&path).as_str()) {
            continue;
        }
        for clock in ["Instant::now", "SystemTime::now", "Timestamp::now", "Zoned::now"] {
            if code(&text).contains(clock) {
                wrong.push(format!("{}: {clock}", path.display()));
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "a clock in a pure module:\n{}",
        wrong.join("\n")
    );
}

#[test]
fn the_reader_of_imports_sees_groups_and_paths() {
    let code =
        "use crate::{stats, tui::{theme, view}};\nlet x = crate::engine::run();\nuse other_crate::server;";
    assert_eq!(imported(code), ["stats", "tui", "engine"]);
}
