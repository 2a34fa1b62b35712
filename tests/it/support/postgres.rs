//! A private Postgres: on a socket in a temporary directory, ended with the tests however they end.

use std::fs::Permissions;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use sqlx::{Connection as _, Executor as _, PgConnection};
use tempfile::TempDir;

use super::skip;
use super::store::postgres_programs;

/// Its superuser.
const USER: &str = "splitdeck";

/// How long it may take to come up or to end.
const LIMIT: Duration = Duration::from_secs(60);

/// Runs Postgres until standard input closes, which it does with the tests' process, whatever ends it; then
/// takes its directory away. The word `keep` ends it for a while only.
const WATCHED: &str = r#"
"$1/postgres" -D "$2" -c listen_addresses= -c "unix_socket_directories=$3" -c fsync=off -c full_page_writes=off \
    -c max_connections=300 -c shared_buffers=32MB -c autovacuum=off >>"$3/log" 2>&1 </dev/null &
server=$!
read -r word
kill -QUIT $server 2>/dev/null
wait $server
[ "$word" = keep ] || rm -rf "$3"
"#;

/// A Postgres of the tests' own.
pub struct Cluster {
    programs: PathBuf,
    user: Option<(u32, u32)>,
    dir: TempDir,
    running: std::sync::Mutex<Option<Running>>,
}

/// While it runs.
struct Running {
    watch: Child,
    /// Closing it ends the server.
    leash: Option<ChildStdin>,
}

/// A database of one test.
pub struct Database {
    socket: String,
    name: String,
}

impl Database {
    /// Its address.
    pub fn url(&self) -> String {
        format!("postgres:///{}?host={}&user={USER}", self.name, self.socket)
    }
}

impl Cluster {
    /// The one that all tests share, started by the first of them; nothing, said in so many words, where the
    /// machine has no Postgres.
    pub fn shared() -> Option<&'static Self> {
        static SHARED: OnceLock<Option<Cluster>> = OnceLock::new();
        SHARED.get_or_init(Self::own).as_ref()
    }

    /// One of a test's own; nothing, said in so many words, where the machine has no Postgres.
    pub fn own() -> Option<Self> {
        let cluster = Self::start();
        if cluster.is_none() {
            let why =
                "no initdb on this machine; install the package postgresql to run this test on Postgres";
            skip(why);
        }
        cluster
    }

    fn start() -> Option<Self> {
        let programs = postgres_programs()?;
        let dir = tempfile::Builder::new()
            .prefix("sd-pg-")
            .tempdir()
            .expect("a directory");
        // Postgres refuses to run as root.
        let user = (rustix::process::geteuid().is_root()).then(|| unprivileged().expect("a user but root"));
        std::fs::set_permissions(dir.path(), Permissions::from_mode(0o755)).expect("rights");
        if let Some((uid, gid)) = user {
            std::os::unix::fs::chown(dir.path(), Some(uid), Some(gid)).expect("changes the owner");
        }
        let cluster = Self {
            programs,
            user,
            dir,
            running: std::sync::Mutex::new(None),
        };
        let mut initdb = cluster.command(&cluster.programs.join("initdb"));
        initdb.args([
            "--no-sync",
            "--auth=trust",
            "--encoding=UTF8",
            "--locale=C.UTF-8",
            "-U",
            USER,
            "-D",
        ]);
        let made = initdb.arg(cluster.data()).output().expect("initdb runs");
        assert!(
            made.status.success(),
            "initdb: {}",
            String::from_utf8_lossy(&made.stderr)
        );
        cluster.resume();
        Some(cluster)
    }

    fn data(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command.current_dir(self.dir.path()).stdin(Stdio::null());
        if let Some((uid, gid)) = self.user {
            command.uid(uid).gid(gid);
        }
        command
    }

    /// Starts it again after [`Self::stop`].
    pub fn resume(&self) {
        let mut watch = self.command(Path::new("/bin/sh"));
        watch
            .args(["-c", WATCHED, "sh"])
            .args([self.programs.as_path(), &self.data(), self.dir.path()])
            .stdin(Stdio::piped())
            // Of a group of its own: what ends the tests by their group leaves it to end by the pipe.
            .process_group(0);
        let mut watch = watch.spawn().expect("a shell");
        let leash = watch.stdin.take();
        *self.running.lock().expect("no panic") = Some(Running { watch, leash });
        let deadline = Instant::now() + LIMIT;
        loop {
            let ready = self
                .command(&self.programs.join("pg_isready"))
                .arg("-q")
                .arg("-h")
                .arg(self.dir.path())
                .status();
            if ready.expect("pg_isready runs").success() {
                return;
            }
            let log = || std::fs::read_to_string(self.dir.path().join("log")).unwrap_or_default();
            assert!(Instant::now() < deadline, "Postgres does not come up: {}", log());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Ends it at once, as a crash would.
    pub fn stop(&self) {
        if let Some(mut running) = self.running.lock().expect("no panic").take() {
            if let Some(mut leash) = running.leash.take() {
                leash.write_all(b"keep\n").expect("tells the shell");
            }
            running.watch.wait().expect("ends");
        }
    }

    fn url(&self, database: &str) -> Database {
        Database {
            socket: self.dir.path().to_str().expect("text").to_owned(),
            name: database.to_owned(),
        }
    }

    /// A new, empty database.
    pub async fn database(&self) -> Database {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let database = self.url(&format!("test_{}", NEXT.fetch_add(1, Ordering::Relaxed)));
        // Text sorts by language here, as it does with many operators: the store must not depend on it.
        let create = format!(
            "CREATE DATABASE {} TEMPLATE template0 LOCALE_PROVIDER icu ICU_LOCALE 'en'",
            database.name
        );
        self.run(&create).await;
        database
    }

    /// Runs a statement as the superuser.
    pub async fn run(&self, sql: &str) {
        let mut admin = PgConnection::connect(&self.url("postgres").url())
            .await
            .expect("connects");
        admin.execute(sqlx::AssertSqlSafe(sql)).await.expect("runs");
        admin.close().await.expect("ends");
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Ids of a user that Postgres may run as.
fn unprivileged() -> Option<(u32, u32)> {
    let users = std::fs::read_to_string("/etc/passwd").ok()?;
    ["postgres", "nobody"].iter().find_map(|name| {
        let line = users.lines().find(|line| line.split(':').next() == Some(name))?;
        let mut fields = line.split(':').skip(2);
        Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
    })
}
