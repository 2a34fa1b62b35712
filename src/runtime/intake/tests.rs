use super::*;

/// What a worker says to reading `path`, with an intake that was begun; and the ids it counted.
fn read(path: &Path) -> Result<u64, String> {
    let dir = tempfile::tempdir().expect("a directory");
    let (replies, _answers) = tokio::sync::mpsc::unbounded_channel();
    let mut worker = Worker::new(replies);
    let intake = Uuid::from_u128(1);
    let path_of_it = dir.path().join("ids");
    let file = File::create(&path_of_it).expect("made");
    worker.open.insert(intake, Open::new(path_of_it, file));
    worker.read(intake, path.to_str())?;
    let open = worker.open.get_mut(&intake).expect("taken in");
    Ok(open.tally()?.received)
}

#[test]
fn what_nobody_sent_for_thirty_days_is_thrown_away_unless_somebody_is_at_work_with_it() {
    let dir = tempfile::tempdir().expect("a directory");
    let (replies, _answers) = tokio::sync::mpsc::unbounded_channel();
    let mut worker = Worker::new(replies);
    let now = SystemTime::now();
    let kept = |intake: u128, days: u64, text: &str| {
        let path = file(dir.path(), Uuid::from_u128(9), Uuid::from_u128(intake));
        fs::write(&path, text).expect("written");
        let file = File::options().write(true).open(&path).expect("opens");
        file.set_modified(now - Duration::from_hours(24 * days))
            .expect("set");
        (path, file)
    };
    let (old, _) = kept(1, 30, "u1\n");
    let (empty, _) = kept(2, 31, "");
    let (young, _) = kept(3, 29, "u1\n");
    let (elsewhere, lock) = kept(4, 90, "u1\n");
    lock.try_lock().expect("another cockpit");
    let (own, file) = kept(5, 90, "u1\n");
    worker
        .open
        .insert(Uuid::from_u128(5), Open::new(own.clone(), file));
    let notes = dir.path().join("notes.ids");
    fs::write(&notes, "of somebody").expect("written");
    let foreign = File::options().write(true).open(&notes).expect("opens");
    foreign.set_modified(UNIX_EPOCH).expect("set");

    assert_eq!(worker.sweep(dir.path(), now).expect("swept"), 1);
    for (path, there) in [
        (old, false),
        (empty, false),
        (young, true),
        (elsewhere, true),
        (own, true),
        (notes, true),
    ] {
        assert_eq!(path.exists(), there, "{}", path.display());
    }
    assert_eq!(worker.sweep(dir.path(), now).expect("swept"), 0);
    assert_eq!(worker.sweep(&dir.path().join("none"), now).expect("none"), 0);
}

/// A paste for which there is no room leaves no file in which there is nothing; what was written stays.
#[test]
fn what_could_not_be_written_at_all_leaves_no_file() {
    for (before, stays) in [("", false), ("u0\n", true)] {
        let dir = tempfile::tempdir().expect("a directory");
        let (replies, mut answers) = tokio::sync::mpsc::unbounded_channel();
        let mut worker = Worker::new(replies);
        let intake = Uuid::from_u128(1);
        let path = file(dir.path(), Uuid::from_u128(9), intake);
        fs::write(&path, before).expect("written");
        // Writing fails, as on a full disk.
        let reading = File::open(&path).expect("opens");
        worker.open.insert(intake, Open::new(path.clone(), reading));
        let text = "u1\n".to_owned();
        assert_eq!(worker.carry_out(Order::Add { intake, text }), None);
        assert!(matches!(
            answers.try_recv(),
            Ok(Outcome::Done(action)) if matches!(&*action, Action::Intake(Told::Failed { .. }))
        ));
        assert_eq!(path.exists(), stays, "{before:?}");
    }
}

#[test]
fn what_has_no_end_is_refused_and_nobody_is_waited_for() {
    for device in ["/dev/zero", "/dev/null", "/dev/tty"] {
        let why = read(Path::new(device)).expect_err("no file");
        assert!(
            why.contains("is a device: name a file") || why.contains("Cannot read"),
            "{why}"
        );
    }
    let dir = tempfile::tempdir().expect("a directory");
    let pipe = dir.path().join("pipe");
    rustix::fs::mknodat(
        rustix::fs::CWD,
        &pipe,
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR,
        0,
    )
    .expect("a pipe");
    let why = read(&pipe).expect_err("nobody writes");
    assert!(why.contains("Nobody writes into the pipe"), "{why}");
    // With somebody at its other end it is as good as a file.
    let writer = OpenOptions::new()
        .read(true)
        .write(true)
        .open(&pipe)
        .expect("opens");
    (&writer).write_all(b"u1\nu2\nu3\n").expect("written");
    let closing = std::thread::spawn({
        let path = pipe.clone();
        move || {
            let ids = read(&path);
            (ids, path)
        }
    });
    // It is closed once everything was taken out.
    while rustix::io::ioctl_fionread(&writer).expect("asks") > 0 {
        std::thread::yield_now();
    }
    drop(writer);
    assert_eq!(closing.join().expect("no panic").0, Ok(3));
}

#[test]
fn more_than_is_taken_at_once_is_not_read_to_its_end() {
    let (ours, theirs) = std::os::unix::net::UnixStream::pair().expect("a pair");
    let writing = std::thread::spawn(move || {
        let piece = "0123456789abcde\n".repeat(1 << 12);
        let mut sent = 0_u64;
        // It would write for ever.
        while let Ok(()) = (&theirs).write_all(piece.as_bytes()) {
            sent += piece.len() as u64;
        }
        sent
    });
    let dir = tempfile::tempdir().expect("a directory");
    let (replies, _answers) = tokio::sync::mpsc::unbounded_channel();
    let mut worker = Worker::new(replies);
    let intake = Uuid::from_u128(1);
    let path = dir.path().join("ids");
    let file = File::create(&path).expect("made");
    worker.open.insert(intake, Open::new(path, file));
    let mut from = ours;
    worker
        .take_all(intake, &mut from, Path::new("a stream"))
        .expect("taken");
    drop(from);
    assert!(writing.join().expect("no panic") >= MAX_BYTES);
    let tally = worker.open.get_mut(&intake).expect("taken in").tally();
    let tally = tally.expect("counted");
    assert!(tally.truncated && tally.bytes == MAX_BYTES, "{tally:?}");
}

/// Of two intakes in one batch both are told to their end: the one may be brought back in the place of the other.
#[test]
fn every_intake_of_a_batch_is_told_to_its_end() {
    let dir = tempfile::tempdir().expect("a directory");
    let (replies, mut answers) = tokio::sync::mpsc::unbounded_channel();
    let mut worker = Worker::new(replies);
    let (orders, received) = channel();
    let intakes = [Uuid::from_u128(1), Uuid::from_u128(2)];
    for intake in intakes {
        let path = dir.path().join(intake.to_string());
        let file = File::create(&path).expect("made");
        worker.open.insert(intake, Open::new(path, file));
        let text = "u1\nu2\n".to_owned();
        orders.send(Order::Add { intake, text }).expect("taken");
    }
    drop(orders);
    worker.run(&received);
    let mut told = Vec::new();
    while let Ok(Outcome::Done(action)) = answers.try_recv() {
        if let Action::Intake(Told::Counted { intake, tally, done }) = *action {
            told.extend(done.then_some((intake, tally.received)));
        }
    }
    assert_eq!(told, intakes.map(|intake| (intake, 2)));
}

#[test]
fn a_path_goes_on_as_far_as_it_is_clear() {
    let dir = tempfile::tempdir().expect("a directory");
    for name in ["ids-1.txt", "ids-2.txt", "other", ".hidden"] {
        fs::write(dir.path().join(name), "").expect("written");
    }
    fs::create_dir(dir.path().join("sub")).expect("made");
    let at = |name: &str| format!("{}/{name}", dir.path().display());
    let completed = |name: &str| match complete(&at(name)) {
        Told::Completed { path, names, .. } => (path, names),
        other => panic!("{other:?}"),
    };
    let two = vec!["ids-1.txt".to_owned(), "ids-2.txt".to_owned()];
    assert_eq!(completed("i"), (at("ids-"), two));
    assert_eq!(completed("o"), (at("other"), Vec::new()));
    assert_eq!(completed("su"), (at("sub/"), Vec::new()));
    assert_eq!(completed("none"), (at("none"), Vec::new()));
    assert_eq!(completed("").1.len(), 4, "hidden files are not offered");
}
