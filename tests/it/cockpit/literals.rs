//! No text of the cockpit has a key written into it: keys are named as they are bound.

use std::path::{Path, PathBuf};

/// Where a string may name a key, and why. A file, and what the string contains; empty for every string of the file.
const MAY_NAME: &[(&str, &str, &str)] = &[
    ("cockpit/keymap/table/", "", "the registry itself"),
    ("cockpit/key.rs", "", "how keys are written in the configuration"),
    (
        "cockpit/keymap/words.rs",
        "Esc",
        "how a sentence writes the key esc",
    ),
    (
        "tui/chrome/mod.rs",
        "\u{23ce}",
        "how the footer writes the key enter",
    ),
    ("tui/chrome/mod.rs", "Esc", "how the footer writes the key esc"),
    (
        "cockpit/update/mod.rs",
        "The paste pauses",
        "a lone Esc ends a paste in the reader of the terminal, below every binding",
    ),
];

fn sources(dir: &Path, out: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(dir).expect("read src") {
        let path = entry.expect("entry").path();
        if path.is_dir() {
            sources(&path, out);
        } else if path.extension().is_some_and(|e| e == "rs") {
            out.push(path);
        }
    }
}

/// The strings of a source without its tests and comments, each with its line.
fn strings(source: &str) -> Vec<(usize, String)> {
    let source = source.split("#[cfg(test)]").next().unwrap_or_default();
    let chars: Vec<char> = source.chars().collect();
    let (mut at, mut line) = (0, 1);
    let mut out = Vec::new();
    while at < chars.len() {
        match chars[at] {
            '\n' => line += 1,
            '/' if chars.get(at + 1) == Some(&'/') => {
                while at < chars.len() && chars[at] != '\n' {
                    at += 1;
                }
                continue;
            }
            // A character, or a lifetime.
            '\'' if chars.get(at + 1) == Some(&'\\') => {
                at += 2;
                while at < chars.len() && chars[at] != '\'' {
                    at += 1;
                }
            }
            '\'' if chars.get(at + 2) == Some(&'\'') => at += 2,
            '"' => {
                let first = line;
                let hashes = chars[..at].iter().rev().take_while(|c| **c == '#').count();
                let raw = at > hashes && chars[at - hashes - 1] == 'r';
                let mut text = String::new();
                at += 1;
                while at < chars.len() {
                    match chars[at] {
                        '"' if !raw || (1..=hashes).all(|n| chars.get(at + n) == Some(&'#')) => break,
                        // A line of the source that goes on in the next one.
                        '\\' if !raw && chars.get(at + 1) == Some(&'\n') => {
                            line += 1;
                            at += 1;
                            while chars.get(at + 1).is_some_and(|c| c.is_whitespace()) {
                                at += 1;
                            }
                        }
                        '\\' if !raw => {
                            text.extend(&chars[at..(at + 2).min(chars.len())]);
                            at += 1;
                        }
                        c => {
                            line += usize::from(c == '\n');
                            text.push(c);
                        }
                    }
                    at += 1;
                }
                out.push((first, text));
            }
            _ => {}
        }
        at += 1;
    }
    out
}

/// What in a string is a key: `ctrl-r`, `F2`, `Esc`, or a letter that does something: `n adds`, `; S saves`.
fn key_in(text: &str) -> Option<String> {
    let words: Vec<&str> = text.split_whitespace().collect();
    for (at, word) in words.iter().enumerate() {
        let bare = word.trim_matches(|c: char| "(),.;:\"".contains(c));
        let modified = ["ctrl-", "alt-", "shift-"].iter().any(|p| bare.starts_with(p));
        let function = bare
            .strip_prefix(['F', 'f'])
            .is_some_and(|n| n.parse::<u8>().is_ok_and(|n| n <= 12));
        if modified || function || bare == "Esc" || bare.contains('\u{23ce}') {
            return Some((*word).to_owned());
        }
        let next = words
            .get(at + 1)
            .map_or("", |next| next.trim_end_matches(|c: char| ",.;:)".contains(c)));
        let verb = next.len() > 3 && next.ends_with('s') && next.chars().all(|c| c.is_ascii_lowercase());
        let no_verb = [
            "less", "users", "events", "this", "cannot", "chunks", "always", "across",
        ]
        .contains(&next);
        let before = at.checked_sub(1).and_then(|at| words.get(at)).copied();
        let begins =
            before.is_none_or(|word| word.ends_with([';', ':', ',', '.']) || matches!(word, "and" | "or"));
        let single = word.chars().count() == 1
            && word
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || "?/@".contains(c));
        let named = matches!(*word, "enter" | "tab" | "space" | "delete" | "backspace");
        // Counted things look like verbs.
        let digit = word.parse::<u8>().is_ok() && !matches!(next, "shows" | "edits" | "opens" | "leads");
        if (single && begins && !digit || named) && verb && !no_verb {
            return Some(format!("{word} {next}"));
        }
        // Units, articles and signs of statistics stand alone too.
        let letter = single && !"aAIsphdv0123456789?/@".contains(*word) && words.len() > 2;
        if letter {
            return Some((*word).to_owned());
        }
        let pressed = matches!(before, Some("press" | "Press"));
        if pressed && (single || named) {
            return Some(format!("press {word}"));
        }
        let bracketed = word.len() == 3 && word.starts_with('(') && word.ends_with(')');
        if bracketed && word[1..2].chars().all(|c| c.is_ascii_alphanumeric()) {
            return Some((*word).to_owned());
        }
    }
    None
}

#[test]
fn no_string_names_a_key() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    for of in ["cockpit", "tui", "runtime"] {
        sources(&src.join(of), &mut files);
    }
    let mut used = vec![false; MAY_NAME.len()];
    let mut wrong = Vec::new();
    for path in files {
        let file = path
            .strip_prefix(&src)
            .expect("below src")
            .to_string_lossy()
            .replace('\\', "/");
        let source = std::fs::read_to_string(&path).expect("read source");
        for (line, text) in strings(&source) {
            let Some(key) = key_in(&text) else { continue };
            let allowed =
                (MAY_NAME.iter()).position(|(at, what, _)| file.starts_with(at) && text.contains(what));
            match allowed {
                Some(at) => used[at] = true,
                None => wrong.push(format!("src/{file}:{line}: {key} in {text:?}")),
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "keys are named by the keymap (Keymap::ways): {wrong:#?}"
    );
    let idle: Vec<_> = (MAY_NAME.iter())
        .zip(used)
        .filter(|(_, used)| !used)
        .map(|(a, _)| a)
        .collect();
    assert!(idle.is_empty(), "nothing there names a key any more: {idle:?}");
}

#[test]
fn what_names_a_key_is_told_from_what_does_not() {
    for text in [
        "The rule is removed; u brings it back",
        "ctrl-r tries at once",
        "and 14 more, F2 shows them",
        "n makes one",
        "\u{23ce} ask",
        "its path; tab completes",
        "complete it first (c)",
        "type one and press enter",
        "Esc closes",
        "decide with m (yours) or t (theirs) first",
    ] {
        assert!(key_in(text).is_some(), "{text}");
    }
    for text in [
        "a draft serves only its default",
        "A rule sends everybody to one variant",
        "on the Overrides tab",
        "{} and {n} more",
        "I know that the test still fails",
    ] {
        assert_eq!(key_in(text), None, "{text}");
    }
    let source = "fn a() { b(\"one\", '\"', r#\"two \"x\" \"#); // \"no\"\n c(\"th\\\n   ree\") }";
    let found: Vec<String> = strings(source).into_iter().map(|(_, text)| text).collect();
    assert_eq!(found, ["one", "two \"x\" ", "three"]);
}
