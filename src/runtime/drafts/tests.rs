use jiff::Timestamp;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use super::*;
use crate::cockpit::edit::{Cell, Draft, wizard};

fn key(server: &str) -> DraftKey {
    DraftKey {
        server: server.to_owned(),
        project: Uuid::nil(),
        of: Of::Experiment,
        object: Uuid::from_u128(7),
    }
}

fn draft(name: &str, second: i64) -> Kept {
    draft_at("http://a", name, second)
}

fn draft_at(server: &str, name: &str, second: i64) -> Kept {
    let now = Timestamp::from_second(second).expect("a time");
    let mut draft = Draft::new(std::sync::Arc::new(wizard::blank(now)), now);
    draft.enter(&Cell::Name, name, now);
    Kept::Experiment(Box::new(draft.stored(key(server), None)))
}

fn name(kept: &Kept) -> &str {
    match kept {
        Kept::Experiment(stored) => &stored.mine.name,
        Kept::Flag(stored) => &stored.mine.name,
    }
}

/// The directory itself cannot be told from here: what is asked is what is said of each error.
#[test]
fn what_is_advised_fits_the_error() {
    let dir = Path::new("/s/drafts");
    for (number, says) in [
        (libc::ENOSPC, "free some space for /s/drafts"),
        (libc::EDQUOT, "free some space for /s/drafts"),
        (libc::EACCES, "make the directory /s/drafts writable"),
        (libc::EROFS, "make the directory /s/drafts writable"),
        (libc::ENOTDIR, "/s/drafts cannot be made: set SPLITDECK_STATE_DIR"),
        (libc::EIO, "look what is wrong with /s/drafts"),
    ] {
        assert_eq!(advice(&io::Error::from_raw_os_error(number), dir), says);
    }
}

#[test]
fn what_cannot_be_written_is_tried_again_by_itself() {
    let dir = tempfile::tempdir().expect("a directory");
    fs::write(dir.path().join("drafts"), "").expect("a file where the directory would be");
    let (replies, mut answers) = unbounded_channel();
    let drafts = Drafts::trying_again(Some(dir.path()), replies, Duration::from_millis(2));
    drafts.keep(draft("a", 1));
    let deadline = Instant::now() + Duration::from_secs(60);
    let mut next = || loop {
        match answers.try_recv() {
            Ok(Outcome::Done(action)) => return *action,
            Ok(other) => panic!("{other:?}"),
            Err(_) => assert!(Instant::now() < deadline, "nothing is told"),
        }
        std::thread::yield_now();
    };
    assert!(matches!(next(), Action::DraftLost(_)));
    // Tries are made meanwhile, and nothing is told of them.
    for _ in 0..3 {
        drafts.find(key("http://b"));
        assert!(matches!(next(), Action::DraftFound { .. }));
    }
    fs::remove_file(dir.path().join("drafts")).expect("removed");
    assert!(matches!(next(), Action::DraftsKept));
    assert_eq!(files(dir.path()).len(), 1);
    drafts.finish();
    // Before the end it is tried once more, however lately it was.
    let dir = tempfile::tempdir().expect("a directory");
    fs::write(dir.path().join("drafts"), "").expect("a file where the directory would be");
    let mut cockpit = Cockpit::open(dir.path());
    cockpit.drafts.keep(draft("a", 1));
    assert!(matches!(cockpit.answer(), Action::DraftLost(_)));
    fs::remove_file(dir.path().join("drafts")).expect("removed");
    cockpit.drafts.finish();
    assert_eq!(files(dir.path()).len(), 1);
}

struct Cockpit {
    drafts: Drafts,
    answers: UnboundedReceiver<Outcome>,
}

impl Cockpit {
    fn open(dir: &Path) -> Self {
        let (replies, answers) = unbounded_channel();
        let drafts = Drafts::open(Some(dir), replies);
        Self { drafts, answers }
    }

    fn answer(&mut self) -> Action {
        match self.answers.blocking_recv() {
            Some(Outcome::Done(action)) => *action,
            _ => panic!("no answer"),
        }
    }

    fn found(&mut self, server: &str) -> OnDisk {
        self.drafts.find(key(server));
        match self.answer() {
            Action::DraftFound { found, .. } => found,
            other => panic!("{other:?}"),
        }
    }
}

fn names(found: &OnDisk) -> Vec<(bool, &str)> {
    let left = found.left.iter();
    left.map(|left| (left.file.is_none(), name(&left.stored)))
        .collect()
}

/// The files with drafts; what is being written or only shows that a cockpit runs does not count.
fn files(dir: &Path) -> Vec<PathBuf> {
    let files = fs::read_dir(dir.join("drafts")).expect("there");
    let paths = files.map(|file| file.expect("a file").path());
    paths
        .filter(|path| path.extension().is_some_and(|e| e == "json"))
        .collect()
}

#[test]
fn what_has_drafts_is_listed_for_each_project_of_each_server() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut cockpit = Cockpit::open(dir.path());
    cockpit.drafts.keep(draft("One", 1));
    let listed = |cockpit: &mut Cockpit, server: &str| {
        cockpit.drafts.list(Place {
            server: server.to_owned(),
            project: Uuid::nil(),
        });
        match cockpit.answer() {
            Action::DraftsListed { objects, .. } => objects,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(
        listed(&mut cockpit, "http://a"),
        [(Of::Experiment, Uuid::from_u128(7))]
    );
    assert_eq!(listed(&mut cockpit, "http://b"), []);
    // What another cockpit works on is not left behind; once that has ended it is.
    let mut other = Cockpit::open(dir.path());
    assert_eq!(listed(&mut other, "http://a"), []);
    cockpit.drafts.finish();
    assert_eq!(
        listed(&mut other, "http://a"),
        [(Of::Experiment, Uuid::from_u128(7))]
    );
}

#[test]
fn the_newest_is_kept_for_its_user_only_and_found_again() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut cockpit = Cockpit::open(dir.path());
    for n in 0..20 {
        cockpit.drafts.keep(draft(&format!("name {n}"), n));
    }
    assert_eq!(names(&cockpit.found("http://a")), [(true, "name 19")]);
    assert_eq!(
        cockpit.found("http://b"),
        OnDisk::default(),
        "another server, another draft"
    );
    let folder = dir.path().join("drafts");
    for (path, mode) in [(&folder, 0o700), (&files(dir.path())[0], 0o600)] {
        assert_eq!(
            fs::metadata(path).expect("there").permissions().mode() & 0o777,
            mode
        );
    }
    cockpit.drafts.forget(key("http://a"));
    cockpit.drafts.forget(key("http://a"));
    assert_eq!(cockpit.found("http://a"), OnDisk::default());
    cockpit.drafts.finish();
    assert_eq!(
        fs::read_dir(&folder).expect("there").count(),
        0,
        "nothing is left lying about"
    );
}

#[test]
fn two_cockpits_never_overwrite_each_other_and_the_next_one_is_offered_both() {
    let dir = tempfile::tempdir().expect("a directory");
    let (mut first, mut second) = (Cockpit::open(dir.path()), Cockpit::open(dir.path()));
    first.drafts.keep(draft("first", 1));
    first.found("http://a");
    let found = second.found("http://a");
    assert_eq!(found.left, [], "it is still being worked on");
    assert_eq!(found.elsewhere.iter().map(name).collect::<Vec<_>>(), ["first"]);
    second.drafts.keep(draft("second", 2));
    let found = second.found("http://a");
    assert_eq!(names(&found), [(true, "second")], "its own is its own");
    assert_eq!(found.elsewhere.len(), 1);
    first.drafts.finish();
    second.drafts.finish();
    let mut third = Cockpit::open(dir.path());
    let found = third.found("http://a");
    assert_eq!(
        names(&found),
        [(false, "second"), (false, "first")],
        "the newest first"
    );
    // Taken over: on disk here first, gone there then.
    third.drafts.keep(draft("both", 3));
    for left in &found.left {
        third
            .drafts
            .forget_left(left.file.clone().expect("of another cockpit"));
    }
    assert_eq!(names(&third.found("http://a")), [(true, "both")]);
    assert_eq!(files(dir.path()).len(), 1);
    third.drafts.finish();
}

#[test]
fn what_cannot_be_written_or_read_is_said() {
    let dir = tempfile::tempdir().expect("a directory");
    // A file stands where the directory should be.
    fs::write(dir.path().join("drafts"), "").expect("writes");
    let mut cockpit = Cockpit::open(dir.path());
    cockpit.drafts.keep(draft("a", 1));
    let action = cockpit.answer();
    assert!(
        matches!(&action, Action::DraftLost(why) if why.starts_with("Unsaved changes are in memory only: ")
            && !why.contains("os error")),
        "{action:?}"
    );
    assert!(cockpit.found("http://a").trouble[0].contains("Cannot look"));
    // There is room again: what is written next is on disk, and that is said.
    fs::remove_file(dir.path().join("drafts")).expect("removed");
    cockpit.drafts.keep(draft("a", 2));
    assert!(matches!(cockpit.answer(), Action::DraftsKept));
    cockpit.drafts.finish();
    // Nowhere at all: nothing is left to be lost once the draft is saved or thrown away.
    let (replies, mut answers) = unbounded_channel();
    let (jobs, queue) = mpsc::channel();
    for job in [Job::Keep(draft("a", 1)), Job::Find(key("http://a"))] {
        jobs.send(job).expect("taken");
    }
    let mut told = Vec::new();
    let working = std::thread::spawn(move || work(None, &queue, &replies, RETRY));
    let mut next = || match answers.blocking_recv() {
        Some(Outcome::Done(action)) => *action,
        _ => panic!("nothing is told"),
    };
    told.push(next());
    told.push(next());
    jobs.send(Job::Forget(key("http://a"))).expect("taken");
    told.push(next());
    drop(jobs);
    working.join().expect("no panic");
    assert!(
        matches!(
            &*told,
            [
                Action::DraftLost(_),
                Action::DraftFound { .. },
                Action::DraftsKept
            ]
        ),
        "{told:?}"
    );
    let dir = tempfile::tempdir().expect("a directory");
    let folder = dir.path().join("drafts");
    fs::create_dir(&folder).expect("creates");
    fs::write(folder.join(format!("{}.json", stem(&key("http://a")))), "{half").expect("writes");
    let mut cockpit = Cockpit::open(dir.path());
    let found = cockpit.found("http://a");
    assert!(found.trouble[0].contains("unreadable"), "{found:?}");
    assert_eq!(cockpit.found("http://a"), OnDisk::default());
    cockpit.drafts.finish();
    assert_eq!(
        fs::read_dir(&folder).expect("there").count(),
        1,
        "it is set aside, not lost"
    );
}

#[test]
fn what_was_left_stays_as_long_as_nothing_can_be_kept() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut first = Cockpit::open(dir.path());
    first.drafts.keep(draft("first", 1));
    first.found("http://a");
    first.drafts.finish();
    let file = files(dir.path())[0]
        .file_name()
        .expect("a name")
        .to_string_lossy()
        .into_owned();
    let mut second = Cockpit::open(dir.path());
    // Where its draft would be put there is a directory.
    let mut shelf = Shelf::new(dir.path().join("drafts"));
    shelf.me = "me".to_owned();
    let (replies, answers) = unbounded_channel();
    fs::create_dir(shelf.own(&key("http://a"))).expect("creates");
    let (jobs, queue) = mpsc::channel();
    jobs.send(Job::Keep(draft("both", 2))).expect("taken");
    // That another one can be kept is of no help to this one.
    jobs.send(Job::Keep(draft_at("http://b", "other", 2)))
        .expect("taken");
    jobs.send(Job::ForgetLeft(file.clone())).expect("taken");
    drop(jobs);
    work(Some(shelf), &queue, &replies, RETRY);
    drop((replies, answers));
    assert!(names(&second.found("http://a")).contains(&(false, "first")));
    second.drafts.finish();
}
