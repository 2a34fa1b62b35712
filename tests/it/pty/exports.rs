//! Tables as files, through a real terminal from a real server.

use std::path::Path;

use serde_json::json;

use super::terminal::Pty;
use crate::support::server::{EDITOR, TestServer};

/// More than a page has.
const IDS: usize = 12_345;

fn open(server: &TestServer, folder: &Path, args: &[&str]) -> Pty {
    let env = [("SPLITDECK_API", &*server.base), ("SPLITDECK_TOKEN", EDITOR)];
    Pty::start_in(folder, args, &env, (120, 32))
}

/// The names in a folder.
fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).expect("a folder");
    let mut names: Vec<String> = entries
        .map(|entry| {
            entry
                .expect("an entry")
                .file_name()
                .to_string_lossy()
                .into_owned()
        })
        .collect();
    names.sort();
    names
}

#[tokio::test(flavor = "multi_thread")]
async fn every_override_of_every_page_is_in_both_files() {
    let server = TestServer::with_two_drafts().await;
    let ids: Vec<String> = (0..IDS).map(|n| format!("=user,{n:05}")).collect();
    let body = json!({ "variant": "control", "subjectType": "user", "subjectIds": ids });
    server
        .put("/experiments/checkout-button/overrides", &body)
        .await
        .expect(200);
    let folder = tempfile::tempdir().expect("a folder");
    let place = folder.path().to_owned();
    let mut pty = open(&server, &place, &["--experiment", "checkout-button"]);
    tokio::task::spawn_blocking(move || {
        pty.wait_for_text("editor");
        pty.send("4");
        pty.wait_for_text("=user,00000");
        pty.send("e");
        pty.wait_for_text("Saved 12,345 rows of overrides");
        pty.leave_by("q");
    })
    .await
    .expect("no panic");
    let [csv, wire] = &names(folder.path())[..] else {
        panic!("two files: {:?}", names(folder.path()))
    };
    assert!(
        csv.starts_with("checkout-button-overrides-") && csv.ends_with("Z.csv"),
        "{csv}"
    );
    assert!(wire.ends_with("Z.json"), "{wire}");
    let mut reader = csv::Reader::from_path(folder.path().join(csv)).expect("a file");
    let read: Vec<String> = reader
        .records()
        .map(|row| row.expect("a row")[1].to_owned())
        .collect();
    let safe: Vec<String> = ids.iter().map(|id| format!("'{id}")).collect();
    assert_eq!(read, safe, "each once, and none a formula");
    let text = std::fs::read_to_string(folder.path().join(wire)).expect("a file");
    let all: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    let rows = all["overrides"].as_array().expect("a list");
    assert_eq!(rows.len(), IDS);
    assert_eq!(rows[7]["subjectId"], ids[7], "as it is on the wire");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_history_is_exported_to_its_first_entry() {
    let server = TestServer::with_two_drafts().await;
    let mut version = 1;
    for n in 0..120 {
        let body = json!({ "resourceVersion": version, "name": format!("Checkout {n}") });
        let changed = server
            .patch("/experiments/checkout-button", &body)
            .await
            .expect(200);
        version = changed["resourceVersion"].as_u64().expect("a version");
    }
    let folder = tempfile::tempdir().expect("a folder");
    let place = folder.path().to_owned();
    let mut pty = open(&server, &place, &["--experiment", "checkout-button"]);
    tokio::task::spawn_blocking(move || {
        pty.wait_for_text("editor");
        pty.wait_for_text("hypothesis");
        pty.send("H");
        pty.wait_for_text("History of checkout-button");
        pty.wait_for_text("changed: name");
        pty.send("e");
        pty.wait_for_text("rows of history");
        pty.leave_by("\x03");
    })
    .await
    .expect("no panic");
    let [csv, _] = &names(folder.path())[..] else {
        panic!("two files: {:?}", names(folder.path()))
    };
    let mut reader = csv::Reader::from_path(folder.path().join(csv)).expect("a file");
    let rows: Vec<csv::StringRecord> = reader.records().collect::<Result<_, _>>().expect("rows");
    let actions: Vec<&str> = rows.iter().map(|row| &row[3]).collect();
    assert_eq!(actions.last(), Some(&"experiment.created"), "to the first entry");
    assert!(rows.len() > 120, "{}", rows.len());
}

/// Not even an administrator makes a file there.
#[tokio::test(flavor = "multi_thread")]
async fn a_folder_that_takes_no_files_is_named() {
    let server = TestServer::with_two_drafts().await;
    let mut pty = open(&server, Path::new("/proc"), &[]);
    tokio::task::spawn_blocking(move || {
        pty.wait_for_text("pricing-page");
        pty.send("e");
        pty.wait_for_text("Cannot write /proc/");
        pty.leave_by("q");
    })
    .await
    .expect("no panic");
}
