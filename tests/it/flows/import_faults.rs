//! A server that is shot in the middle of an import: whole chunks only, the log agrees, and it can go on.

use std::path::Path;
use std::time::Duration;

use futures_util::stream;
use splitdeck::api::assign::AssignRequest;
use splitdeck::api::experiments::{ChangeStatus, CreateExperiment, HistoryQuery};
use splitdeck::api::imports::{ApplyChunks, CHUNK_IDS, Import, ImportState, StartImport};
use splitdeck::api::overrides::{ListOverrides, SetOverrides};
use splitdeck::client::Client;
use splitdeck::domain::{Key, OverrideSource, OverrideSubject, Reason, Status, User};

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

/// Drives the import to its end, shooting the server whenever a chunk has landed.
async fn with_shots(dir: &Path, import: &Import, end: ImportState) -> Import {
    let mut shots = 0;
    let import_id = import.id.to_string();
    loop {
        let serving = Process::start(dir, None).await;
        let client = serving.client.clone();
        let found = client.import("x", &import_id).await.expect("it is there");
        check(&client, &found).await;
        if found.state == end {
            assert!(shots > 1, "it was never in the middle");
            return found;
        }
        let driving = tokio::spawn({
            let (client, id) = (client.clone(), import_id.clone());
            async move {
                let all = ApplyChunks::default();
                let _ = match end {
                    ImportState::Applied => client.apply_import("x", &id, all).await,
                    _ => client.undo_import("x", &id, all).await,
                };
            }
        });
        // Any moment of the next chunk.
        let moved = async {
            while client.imports("x").await.expect("a list").imports[0].applied_chunks == found.applied_chunks
            {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(60), moved)
            .await
            .expect("in time");
        // No condition is waited for: the moment within that chunk is random.
        tokio::time::sleep(Duration::from_millis(fastrand::u64(0..120))).await;
        serving.shoot().await;
        shots += 1;
        driving.await.expect("no panic");
    }
}

each_store!(shot_at_any_moment_whole_chunks_are_there_and_the_log_agrees);
async fn shot_at_any_moment_whole_chunks_are_there_and_the_log_agrees() {
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
    let activate = ChangeStatus {
        to: Status::Active,
        resource_version: draft.resource_version,
        comment: None,
        winning_variant: None,
        ended_reason: None,
        override_failing_srm: false,
    };
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

    let applied = with_shots(dir.path(), &staged, ImportState::Applied).await;
    assert_eq!(
        (applied.effect.added, applied.effect.changed),
        (IDS as u64 - 3, 3)
    );
    let undone = with_shots(dir.path(), &staged, ImportState::Undone).await;
    assert_eq!((undone.undone, undone.kept), (IDS as u64, 0));
}
