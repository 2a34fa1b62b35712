//! docs/API.md says where each feature is served and tested: every endpoint and every test it names is there.

use std::path::{Path, PathBuf};

use splitdeck::api::openapi;

use crate::support::server::{ADMIN, TestServer};
use crate::support::skip;

const PAGE: &str = include_str!("../../docs/API.md");

/// The rows of the tables of features: feature, endpoints, tests.
fn rows() -> Vec<[&'static str; 3]> {
    let (_, features) = PAGE.split_once("## Features").expect("the features");
    let rows = features
        .lines()
        .filter(|line| line.starts_with('|') && !line.starts_with("|-"));
    let cells = rows.map(|row| {
        row.trim_matches('|')
            .split(" | ")
            .map(str::trim)
            .collect::<Vec<_>>()
    });
    let of_features = cells.filter(|cells| cells.len() == 3 && cells[2] != "test");
    of_features.map(|cells| [cells[0], cells[1], cells[2]]).collect()
}

/// What stands in backquotes, each with the text from there to the next one.
fn quoted(cell: &str) -> Vec<(&str, &str)> {
    let parts: Vec<&str> = cell.split('`').collect();
    let pairs = parts[1..].chunks(2);
    pairs
        .map(|pair| (pair[0], pair.get(1).copied().unwrap_or_default()))
        .collect()
}

/// A path with the letters of the page spelt out, and `x` for everything in braces.
fn spelt_out(path: &str) -> String {
    let path = match path.split_at(1) {
        ("E", rest) => format!("/experiments/x{rest}"),
        ("F", rest) => format!("/flags/x{rest}"),
        ("D", rest) => format!("/deployments/x{rest}"),
        _ => path.to_owned(),
    };
    let filled = |segment: &str| if segment.starts_with('{') { "x" } else { segment }.to_owned();
    path.split('/').map(filled).collect::<Vec<_>>().join("/")
}

#[test]
fn the_endpoints_of_the_table_exist() {
    let there: Vec<(String, String)> = openapi::operations()
        .into_iter()
        .map(|(method, path, _)| (method.to_string(), spelt_out(path)))
        .collect();
    let mut seen = 0;
    for [feature, endpoints, _] in rows() {
        let mut methods: Vec<&str> = Vec::new();
        for (text, _) in quoted(endpoints) {
            let (words, path) = text.rsplit_once(' ').unwrap_or(("", text));
            if !words.is_empty() {
                methods = words.split(' ').collect();
            }
            if path.contains('…') {
                continue;
            }
            // What is in brackets may be there or not.
            let short = path.split('[').next().unwrap_or_default();
            for path in [short.to_owned(), path.replace(['[', ']'], "")] {
                for method in &methods {
                    let operation = ((*method).to_owned(), spelt_out(&path));
                    assert!(
                        there.contains(&operation),
                        "{feature}: {method} {path} does not exist"
                    );
                    seen += 1;
                }
            }
        }
    }
    assert!(seen > 50, "{seen}");
}

/// The sources below a place that the page names: a file, or all files of a folder.
fn sources(place: &str) -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let base = if place.starts_with("src/") {
        root.join(place)
    } else {
        root.join("tests/it").join(place)
    };
    let file = base.with_extension("rs");
    if file.is_file() {
        return vec![file];
    }
    let entries = std::fs::read_dir(&base).unwrap_or_else(|error| panic!("{}: {error}", base.display()));
    entries
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.is_file())
        .collect()
}

#[test]
fn the_tests_of_the_table_exist() {
    let mut seen = 0;
    for [feature, _, tests] in rows() {
        let places = quoted(tests);
        assert!(!places.is_empty(), "{feature} names no test");
        for (place, after) in places {
            let text: String = sources(place)
                .iter()
                .map(|file| std::fs::read_to_string(file).expect("text"))
                .collect();
            let names = after.strip_prefix(": ").unwrap_or_default();
            for name in names
                .split([',', ';'])
                .map(str::trim)
                .filter(|name| !name.is_empty())
            {
                assert!(
                    text.contains(&format!("fn {name}(")),
                    "{feature}: there is no test {name} in {place}"
                );
                seen += 1;
            }
        }
    }
    assert!(seen > 50, "{seen}");
}

/// The commands of a part of the README.
fn commands(heading: &str) -> String {
    let readme = include_str!("../../README.md");
    let (_, part) = readme.split_once(&format!("\n## {heading}\n")).expect("the part");
    let part = part.split("\n## ").next().expect("its text");
    let lines = part.lines().filter_map(|line| line.strip_prefix("    "));
    lines.map(|line| format!("{line}\n")).collect()
}

#[tokio::test]
async fn what_the_readme_says_of_a_server_works_on_a_new_one() {
    if !std::process::Command::new("curl")
        .arg("--version")
        .output()
        .is_ok_and(|run| run.status.success())
    {
        return skip("no curl on this machine; install it to run what the README says");
    }
    let server = TestServer::start().await;
    // What starts the server, and names it and its token, is done.
    let all = commands("For real");
    let given = [
        "splitdeck serve ",
        "export SPLITDECK_API=http://127.0.0.1:8620 SPLITDECK_TOKEN=$(cat FILE)",
    ];
    assert!(given.iter().all(|line| all.contains(line)), "{all}");
    let left = all
        .lines()
        .filter(|line| !given.iter().any(|given| line.starts_with(given)));
    let script: String = left.map(|line| format!("{line}\n")).collect();
    let programs = Path::new(env!("CARGO_BIN_EXE_splitdeck"))
        .parent()
        .expect("a directory");
    let path = std::env::var("PATH").expect("a path");
    let ran = tokio::process::Command::new("sh")
        .args(["-e", "-c", &script])
        .env("PATH", format!("{}:{path}", programs.display()))
        .env("SPLITDECK_API", &server.base)
        .env("SPLITDECK_TOKEN", ADMIN)
        .output()
        .await
        .expect("runs");
    let said = String::from_utf8_lossy(&ran.stdout).into_owned() + &String::from_utf8_lossy(&ran.stderr);
    assert!(ran.status.success(), "{said}");
    assert!(said.contains(r#"{"accepted":1}"#), "{said}");
    let experiment = server.get("/experiments/checkout-button").await.expect(200);
    assert_eq!(experiment["status"], "active");
}
