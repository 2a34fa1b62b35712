//! Installing, with a small package and an npm that is a script, so that every failure can be had.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use base64::Engine as _;
use sha2::{Digest as _, Sha512};
use splitdeck::engine::install::{Installed, Presence, install_with, presence, verify};
use splitdeck::engine::{EngineError, Package, Progress, Quiet, Step};

/// A package of some bytes, an npm that brings it, and an engine directory.
struct Bench {
    dir: tempfile::TempDir,
    package: Package,
}

/// Steps in the order they came.
#[derive(Default)]
struct Steps(Mutex<Vec<Step>>);

impl Progress for Steps {
    fn report(&self, step: Step) {
        self.0.lock().unwrap().push(step);
    }
}

impl Steps {
    fn has(&self, wanted: impl Fn(&Step) -> bool) -> bool {
        self.0.lock().unwrap().iter().any(wanted)
    }
}

impl Bench {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let library: Vec<u8> = (0..300_000_u32).flat_map(u32::to_le_bytes).collect();
        let gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        let mut tar = tar::Builder::new(gzip);
        for (path, content) in [
            ("package/index.js", b"x".as_slice()),
            ("package/libchdb.so", library.as_slice()),
            ("package/chdb_node.node", b"y".as_slice()),
        ] {
            let mut header = tar::Header::new_gnu();
            header.set_size(content.len() as u64);
            header.set_mode(0o644);
            tar.append_data(&mut header, path, content).unwrap();
        }
        let archive = tar.into_inner().unwrap().finish().unwrap();
        std::fs::write(dir.path().join("package.tgz"), &archive).unwrap();
        let hex: String = Sha512::digest(&library)
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        let package = Package {
            name: "@chdb/lib-test".into(),
            version: "1.2.3".into(),
            archive_sha512: base64::engine::general_purpose::STANDARD
                .encode(Sha512::digest(&archive))
                .into(),
            archive_bytes: archive.len() as u64,
            library_sha512: hex.into(),
            library_bytes: library.len() as u64,
        };
        let bench = Self { dir, package };
        bench.npm("cp \"$here/package.tgz\" \"$4/chdb-lib-test-1.2.3.tgz\"");
        bench
    }

    /// Makes npm a script; `$here` is the bench's folder, `$4` where the archive is wanted. Each call is noted.
    fn npm(&self, text: &str) {
        let path = self.dir.path().join("npm");
        let here = self.dir.path().display();
        std::fs::write(
            &path,
            format!("#!/bin/sh\nhere='{here}'\necho \"$@\" >> \"$here/calls\"\n{text}\n"),
        )
        .unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    }

    fn engine_dir(&self) -> PathBuf {
        self.dir.path().join("cache")
    }

    fn calls(&self) -> usize {
        std::fs::read_to_string(self.dir.path().join("calls")).map_or(0, |text| text.lines().count())
    }

    fn install(&self, progress: &dyn Progress) -> Result<Installed, EngineError> {
        install_with(
            &self.dir.path().join("npm"),
            &self.engine_dir(),
            &self.package,
            progress,
        )
    }

    fn presence(&self) -> Presence {
        presence(&self.engine_dir(), &self.package, &Quiet).unwrap()
    }

    fn library(&self) -> PathBuf {
        self.engine_dir().join("lib-test-1.2.3/libchdb.so")
    }

    /// Names in the engine directory, without the lock.
    fn left(&self) -> Vec<String> {
        names(&self.engine_dir())
            .into_iter()
            .filter(|name| name != "install.lock")
            .collect()
    }
}

fn names(dir: &Path) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn it_is_brought_once_and_only_the_library_is_kept() {
    let bench = Bench::new();
    assert_eq!(bench.presence(), Presence::Missing);
    let steps = Steps::default();
    let installed = bench.install(&steps).unwrap();
    assert_eq!(installed.library, bench.library());
    assert_eq!(
        names(&bench.engine_dir().join("lib-test-1.2.3")),
        ["installed.json", "libchdb.so"]
    );
    assert_eq!(bench.left(), ["lib-test-1.2.3"]);
    let total = bench.package.library_bytes;
    assert!(steps.has(|step| *step == Step::Unpacking { done: total, total }));
    assert!(steps.has(|step| matches!(step, Step::Checking { done, total } if done == total)));

    assert_eq!(bench.install(&Quiet).unwrap(), installed);
    assert_eq!(bench.calls(), 1);
    assert_eq!(
        verify(&bench.engine_dir(), &bench.package, &Quiet).unwrap(),
        installed
    );
}

#[test]
fn npm_is_asked_for_the_pinned_version() {
    let bench = Bench::new();
    bench.install(&Quiet).unwrap();
    let calls = std::fs::read_to_string(bench.dir.path().join("calls")).unwrap();
    assert!(
        calls.starts_with("pack @chdb/lib-test@1.2.3 --pack-destination "),
        "{calls}"
    );
}

#[test]
fn the_second_of_two_installations_waits_and_finds_the_work_done() {
    let bench = Bench::new();
    bench.npm(
        "while [ ! -e \"$here/go\" ]; do sleep 0.02; done\ncp \"$here/package.tgz\" \"$4/chdb-lib-test-1.2.3.tgz\"",
    );
    let (first, second) = (Steps::default(), Steps::default());
    std::thread::scope(|scope| {
        let one = scope.spawn(|| bench.install(&first));
        wait("npm is called", || bench.calls() == 1);
        let two = scope.spawn(|| bench.install(&second));
        let me = std::process::id();
        wait("the second one says that it waits", || {
            second.has(|step| *step == Step::Waiting { holder: Some(me) })
        });
        std::fs::write(bench.dir.path().join("go"), "").unwrap();
        assert_eq!(one.join().unwrap().unwrap(), two.join().unwrap().unwrap());
    });
    assert_eq!(bench.calls(), 1);
    assert!(!second.has(|step| matches!(step, Step::Downloading { .. })));
}

#[test]
fn what_an_aborted_installation_left_is_removed() {
    let bench = Bench::new();
    let remains = bench.engine_dir().join("incoming-abc");
    std::fs::create_dir_all(remains.join("npm")).unwrap();
    std::fs::write(remains.join("half.tgz"), "half").unwrap();
    bench.install(&Quiet).unwrap();
    assert_eq!(bench.left(), ["lib-test-1.2.3"]);
}

#[test]
fn a_cancelled_installation_ends_npm_and_leaves_nothing() {
    struct Cancelled;
    impl Progress for Cancelled {
        fn report(&self, _step: Step) {}
        fn cancelled(&self) -> bool {
            true
        }
    }
    let bench = Bench::new();
    bench.npm("exec sleep 600");
    assert_eq!(bench.install(&Cancelled).unwrap_err(), EngineError::Stopped);
    assert!(bench.left().is_empty(), "{:?}", bench.left());
}

#[test]
fn a_tampered_archive_is_refused_and_deleted() {
    let bench = Bench::new();
    let mut archive = std::fs::read(bench.dir.path().join("package.tgz")).unwrap();
    let middle = archive.len() / 2;
    archive[middle] ^= 1;
    std::fs::write(bench.dir.path().join("package.tgz"), archive).unwrap();
    let error = bench.install(&Quiet).unwrap_err();
    let EngineError::BadChecksum { expected, found, .. } = &error else {
        panic!("{error}")
    };
    assert_eq!(*expected, bench.package.archive_sha512);
    assert_ne!(expected, found);
    assert!(error.to_string().contains("@chdb/lib-test@1.2.3"), "{error}");
    assert!(bench.left().is_empty(), "{:?}", bench.left());
    assert_eq!(bench.presence(), Presence::Missing);
}

#[test]
fn an_npm_that_brings_nothing_or_fails_is_quoted() {
    let bench = Bench::new();
    bench.npm("exit 0");
    let error = bench.install(&Quiet).unwrap_err();
    assert!(error.to_string().contains("left no archive"), "{error}");
    bench.npm("echo 'npm error code EWHATEVER' >&2; exit 1");
    let error = bench.install(&Quiet).unwrap_err();
    assert!(
        error.to_string().contains("npm failed: code EWHATEVER"),
        "{error}"
    );
    assert!(bench.left().is_empty(), "{:?}", bench.left());
}

#[test]
fn a_missing_npm_is_told_with_two_ways_out() {
    let bench = Bench::new();
    let error = install_with(
        &bench.dir.path().join("none"),
        &bench.engine_dir(),
        &bench.package,
        &Quiet,
    )
    .unwrap_err();
    assert!(matches!(error, EngineError::NpmMissing { .. }), "{error}");
    let said = error.to_string();
    assert!(
        said.contains("Node.js") && said.contains("SPLITDECK_ENGINE_BINARY"),
        "{said}"
    );
}

#[test]
fn a_truncated_library_is_noticed_and_brought_again() {
    let bench = Bench::new();
    bench.install(&Quiet).unwrap();
    std::fs::OpenOptions::new()
        .write(true)
        .open(bench.library())
        .unwrap()
        .set_len(1000)
        .unwrap();
    let Presence::Damaged { why } = bench.presence() else {
        panic!("it is damaged")
    };
    assert_eq!(why, "libchdb.so has 1000 bytes, expected 1200000");
    let steps = Steps::default();
    bench.install(&steps).unwrap();
    assert!(steps.has(|step| *step == Step::Replacing { why: why.clone() }));
    verify(&bench.engine_dir(), &bench.package, &Quiet).unwrap();
    assert_eq!(bench.calls(), 2);
}

#[test]
fn a_library_that_was_written_to_is_noticed() {
    let bench = Bench::new();
    bench.install(&Quiet).unwrap();
    let modified = std::fs::metadata(bench.library()).unwrap().modified().unwrap();
    let mut content = std::fs::read(bench.library()).unwrap();
    content[5000] ^= 1;
    std::fs::write(bench.library(), &content).unwrap();
    let later = modified + Duration::from_secs(5);
    let file = std::fs::File::options()
        .write(true)
        .open(bench.library())
        .unwrap();
    file.set_modified(later).unwrap();
    let Presence::Damaged { why } = bench.presence() else {
        panic!("it is damaged")
    };
    assert!(why.contains("was changed"), "{why}");

    // With size and time as they were only a full reading tells.
    file.set_modified(modified).unwrap();
    assert!(matches!(bench.presence(), Presence::Installed(_)));
    let error = verify(&bench.engine_dir(), &bench.package, &Quiet).unwrap_err();
    assert!(matches!(error, EngineError::Damaged { .. }), "{error}");

    // Another time alone is no damage.
    content[5000] ^= 1;
    std::fs::write(bench.library(), &content).unwrap();
    file.set_modified(later).unwrap();
    assert!(matches!(bench.presence(), Presence::Installed(_)));
}

#[test]
fn a_directory_that_cannot_be_made_is_named() {
    let bench = Bench::new();
    let file = bench.dir.path().join("package.tgz");
    let dir = file.join("cache");
    let error = install_with(&bench.dir.path().join("npm"), &dir, &bench.package, &Quiet).unwrap_err();
    assert!(
        matches!(&error, EngineError::NotWritable { path, .. } if *path == dir),
        "{error}"
    );
    assert!(error.to_string().contains("SPLITDECK_ENGINE_DIR"), "{error}");
    let error = install_with(
        &bench.dir.path().join("npm"),
        Path::new("/proc/x"),
        &bench.package,
        &Quiet,
    )
    .unwrap_err();
    assert!(matches!(error, EngineError::NotWritable { .. }), "{error}");
}

#[test]
fn too_little_space_is_told_before_the_download() {
    let mut bench = Bench::new();
    // More than any disk has, less than a sum could hold.
    bench.package.library_bytes = 1 << 60;
    let error = bench.install(&Quiet).unwrap_err();
    let EngineError::NoSpace { path, need, .. } = &error else {
        panic!("{error}")
    };
    assert_eq!(*path, bench.engine_dir());
    assert!(
        need.contains("MiB are needed") && need.contains("MiB are free"),
        "{need}"
    );
    assert_eq!(bench.calls(), 0);
}

fn wait(what: &str, condition: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !condition() {
        assert!(Instant::now() < deadline, "waited in vain until {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}
