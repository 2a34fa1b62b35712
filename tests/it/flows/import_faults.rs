//! A server that is shot at each statement of an import: whole chunks only, the log agrees, and it can go on.

use std::path::Path;

use futures_util::stream;
use rustix::process::Signal;
use splitdeck::api::assign::AssignRequest;
use splitdeck::api::experiments::{ChangeStatus, CreateExperiment, HistoryQuery};
use splitdeck::api::imports::{ApplyChunks, CHUNK_IDS, Import, ImportState, StartImport};
use splitdeck::api::overrides::{ListOverrides, SetOverrides};
use splitdeck::client::Client;
use splitdeck::domain::{Key, OverrideSource, OverrideSubject, Reason, Status, User};

use crate::support::midway::{Held, Moment, Point};
use crate::support::process::Process;
use crate::support::store::each_store;

/// Ids of the import; the last chunk is not full.
const IDS: usize = 6 * CHUNK_IDS - 7;

fn id(n: usize) -> String {
    format!("u{n:06}")
}

fn key(text: &str) -> Key {
    Key::new(text).expect("a key")
}

fn effect_sum(import: &Import) -> u64 {
    import.effect.added + import.effect.changed + import.effect.unchanged
}

/// What the server holds is what whole chunks make of it, and the log says so.
async fn check(client: &Client, import: &Import) {
    let chunks = import.applied_chunks as usize;
    let applied = (chunks * CHUNK_IDS).min(IDS);
    if import.state == ImportState::Staged {
        return;
    }
    assert_eq!(effect_sum(import), applied as u64, "{import:?}");
    // Every 20,000th id was forced into control before, one by one.
    let before = |n: usize| n.is_multiple_of(20_000);
    let fixed = (applied..IDS).filter(|n| before(*n)).count() as u64;
    let page = client
        .overrides(
            "x",
            &ListOverrides {
                search: None,
                after: None,
                limit: Some(1),
            },
        )
        .await;
    let page = page.expect("a page");
    assert_eq!((page.fixed, page.manual), (fixed, applied as u64));
    for n in [0, applied.saturating_sub(1), applied, IDS - 1]
        .into_iter()
        .filter(|n| *n < IDS)
    {
        let ask = AssignRequest {
            experiment_id: "x".to_owned(),
            inline: User::with_user_id(id(n)),
            ..AssignRequest::default()
        };
        let decided = client.assign(&ask).await.expect("decided");
        if n < applied {
            assert_eq!(
                (decided.variant_id.as_str(), decided.reason),
                ("treatment", Reason::Override),
                "{n}"
            );
        } else if before(n) {
            assert_eq!(
                (decided.variant_id.as_str(), decided.reason),
                ("control", Reason::Override),
                "{n}"
            );
        } else {
            assert_eq!(decided.reason, Reason::Allocation, "{n}");
        }
    }
    let log = client
        .history("x", &HistoryQuery::default())
        .await
        .expect("a log");
    let told = |name: &str| -> u64 {
        let of_import = log
            .entries
            .iter()
            .filter(|e| e.evidence["import"] == import.id.to_string());
        of_import.filter_map(|e| e.evidence[name].as_u64()).sum()
    };
    let landed = told("added") + told("changed") + told("unchanged");
    let taken_back = told("undone") + told("kept");
    assert_eq!(
        (landed - taken_back, told("undone"), told("kept")),
        (applied as u64, import.undone, import.kept)
    );
}

/// What the next chunk is stopped at; nothing where it lands.
type Steps = &'static [Option<Point>];

/// The statements of a chunk that lands, and what its commit does.
const APPLY: Steps = &[
    Some(Point::after("INSERT", "overrides", "NEW.subject_id = 'u004321'")),
    Some(Point::after(
        "INSERT",
        "audit",
        "NEW.action = 'experiment.overrides_imported'",
    )),
    Some(Point::after("INSERT", "changes", "NEW.kind = 'overrides'")),
    Some(Point::after(
        "INSERT",
        "override_changes",
        "NEW.import_id IS NOT NULL",
    )),
    None,
    Some(Point::after(
        "UPDATE",
        "audit",
        "NEW.action = 'experiment.overrides_imported'",
    )),
    Some(Point::after(
        "UPDATE",
        "override_import_chunks",
        "NEW.change_seq IS NOT NULL",
    )),
    None,
    // One that was forced before.
    Some(Point::after("UPDATE", "overrides", "NEW.subject_id = 'u020000'")),
    Some(Point::after(
        "UPDATE",
        "override_imports",
        "NEW.state = 'applying'",
    )),
    Some(Point::commit_of(
        "UPDATE",
        "override_imports",
        "NEW.state = 'applying'",
    )),
];

/// Those of a chunk that is taken back.
const UNDO: Steps = &[
    Some(Point::after("DELETE", "overrides", "OLD.subject_id = 'u054321'")),
    Some(Point::after(
        "INSERT",
        "audit",
        "NEW.action = 'experiment.overrides_imported'",
    )),
    Some(Point::after(
        "UPDATE",
        "override_import_chunks",
        "NEW.change_seq IS NULL",
    )),
    None,
    Some(Point::after("UPDATE", "overrides", "NEW.subject_id = 'u040000'")),
    Some(Point::after(
        "UPDATE",
        "audit",
        "NEW.action = 'experiment.overrides_imported'",
    )),
    Some(Point::after(
        "UPDATE",
        "override_changes",
        "NEW.import_id IS NULL",
    )),
    None,
    Some(Point::after("INSERT", "changes", "NEW.kind = 'overrides'")),
    Some(Point::after(
        "INSERT",
        "override_changes",
        "NEW.import_id IS NULL",
    )),
    Some(Point::after(
        "UPDATE",
        "override_imports",
        "NEW.state = 'undoing'",
    )),
    Some(Point::commit_of(
        "UPDATE",
        "override_imports",
        "NEW.state = 'undoing'",
    )),
];

/// Drives the import to its end, the server being shot on the way.
async fn with_shots(dir: &Path, import: &Import, steps: Steps, end: ImportState) -> Import {
    let id = import.id.to_string();
    let drive = async |client: &Client, chunks: Option<u32>| {
        let some = ApplyChunks { chunks };
        match end {
            ImportState::Applied => client.apply_import("x", &id, some).await,
            _ => client.undo_import("x", &id, some).await,
        }
    };
    let mut serving = Process::start(dir, None).await;
    for step in steps {
        let Some(point) = step.filter(|point| point.is_here()) else {
            drive(&serving.client, Some(1)).await.expect("a chunk");
            continue;
        };
        let before = serving.client.import("x", &id).await.expect("it is there");
        let mut held = Held::at(point, &dir.join("data")).await;
        let one = drive(&serving.client, Some(1));
        let stopped = async {
            held.reached().await;
            serving.signal(Signal::KILL);
        };
        let (answer, ()) = tokio::join!(one, stopped);
        assert!(answer.is_err(), "{point:?}");
        serving.shoot().await;
        held.released().await;
        serving = Process::start(dir, None).await;
        let after = serving.client.import("x", &id).await.expect("it is there");
        check(&serving.client, &after).await;
        assert!(
            after == before || point.at == Moment::Commit,
            "{point:?} {before:?} {after:?}"
        );
    }
    let done = drive(&serving.client, None).await.expect("the rest");
    assert_eq!(done.state, end);
    check(&serving.client, &done).await;
    // What was answered is there.
    serving.shoot().await;
    let serving = Process::start(dir, None).await;
    let found = serving.client.import("x", &id).await.expect("it is there");
    check(&serving.client, &found).await;
    assert_eq!(found, done);
    serving.shoot().await;
    found
}

each_store!(shot_at_any_statement_whole_chunks_are_there_and_the_log_agrees);
async fn shot_at_any_statement_whole_chunks_are_there_and_the_log_agrees() {
    let dir = tempfile::tempdir().expect("a directory");
    let serving = Process::start(dir.path(), None).await;
    let client = serving.client.clone();
    let draft = client
        .create_experiment(&CreateExperiment {
            name: "x".to_owned(),
            ..CreateExperiment::default()
        })
        .await
        .expect("created");
    let activate = ChangeStatus::new(Status::Active, draft.resource_version);
    client.change_status("x", &activate).await.expect("active");
    let before = SetOverrides {
        variant: key("control"),
        subject_type: OverrideSubject::User,
        subject_ids: (0..IDS).step_by(20_000).map(id).collect(),
        source: OverrideSource::Fixed,
    };
    client.set_overrides("x", &before).await.expect("set");
    let list: Vec<Result<Vec<u8>, std::io::Error>> = (0..IDS)
        .map(|n| Ok(format!("{}\n", id(n)).into_bytes()))
        .collect();
    let query = StartImport {
        variant: key("treatment"),
        subject_type: OverrideSubject::User,
        source_name: None,
    };
    let staged = client
        .start_import("x", &query, Some("k"), stream::iter(list))
        .await
        .expect("staged");
    assert_eq!((staged.unique, staged.chunks), (IDS as u64, 6));
    serving.shoot().await;
    drop(client);

    let applied = with_shots(dir.path(), &staged, APPLY, ImportState::Applied).await;
    assert_eq!(
        (applied.effect.added, applied.effect.changed),
        (IDS as u64 - 3, 3)
    );
    let undone = with_shots(dir.path(), &staged, UNDO, ImportState::Undone).await;
    assert_eq!((undone.undone, undone.kept), (IDS as u64, 0));
}
