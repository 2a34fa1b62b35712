//! A connection to Postgres that goes silent and stays open: what was given up on it leaves its place to others.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use splitdeck::server::store::{PostgresUrl, Store, StoreUrl};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{UnixListener, UnixStream};

use crate::support::store::{address, on_postgres};
use crate::support::warehouse::until;

/// How Postgres calls its socket.
const SOCKET: &str = ".s.PGSQL.5432";

/// What stands before a Postgres and can keep its answers back.
struct Front {
    dir: tempfile::TempDir,
    opened: Arc<AtomicUsize>,
    /// Connections before this one get no answer any more.
    silent: Arc<AtomicUsize>,
}

impl Front {
    fn to(socket: PathBuf) -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let listener = UnixListener::bind(dir.path().join(SOCKET)).expect("listens");
        let (opened, silent) = (Arc::<AtomicUsize>::default(), Arc::<AtomicUsize>::default());
        let (count, limit) = (Arc::clone(&opened), Arc::clone(&silent));
        tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                let far = UnixStream::connect(&socket).await.expect("Postgres is there");
                let number = count.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(through(near, far, number, Arc::clone(&limit)));
            }
        });
        Self { dir, opened, silent }
    }

    /// What is open gets no answers from now on; what is opened later does.
    fn fall_silent(&self) {
        self.silent
            .store(self.opened.load(Ordering::SeqCst), Ordering::SeqCst);
    }
}

async fn through(near: UnixStream, far: UnixStream, number: usize, silent: Arc<AtomicUsize>) {
    let (mut asks, mut hears) = near.into_split();
    let (mut answers, mut takes) = far.into_split();
    let asking = tokio::io::copy(&mut asks, &mut takes);
    let answering = async {
        let mut bytes = vec![0; 8_192];
        while let Ok(read) = answers.read(&mut bytes).await {
            if number < silent.load(Ordering::SeqCst) {
                std::future::pending::<()>().await;
            }
            if read == 0 || hears.write_all(&bytes[..read]).await.is_err() {
                return;
            }
        }
    };
    tokio::select! {
        _ = asking => {}
        () = answering => {}
    }
}

#[tokio::test]
async fn a_change_that_is_given_up_leaves_its_connection_to_nobody() {
    on_postgres(async {
        let address = address().expect("a test on Postgres");
        let (start, rest) = address.split_once("host=").expect("a socket");
        let (socket, rest) = rest.split_once('&').expect("a user");
        let front = Front::to(PathBuf::from(socket).join(SOCKET));
        let near = format!("{start}host={}&{rest}", front.dir.path().display());
        let url = StoreUrl::Postgres(PostgresUrl::new(&near, None).expect("an address"));
        let store = Store::open(&url).await.expect("a store");

        let mut tx = store.begin().await.expect("begins");
        front.fall_silent();
        let asked = sqlx::query("SELECT 1").execute(&mut *tx);
        let answered = tokio::time::timeout(Duration::from_millis(100), asked).await;
        assert!(answered.is_err(), "{answered:?}");
        drop(tx);
        until("the next change begins", async || store.begin().await.is_ok()).await;
        until("it is read", async || store.ping().await.is_ok()).await;
    })
    .await;
}
