//! What stands before a Postgres and can keep its answers back.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use splitdeck::server::store::{PostgresUrl, StoreUrl};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{UnixListener, UnixStream};

use super::store::address;

/// How Postgres calls its socket.
const SOCKET: &str = ".s.PGSQL.5432";

/// What stands before the Postgres of the test.
pub struct Front {
    dir: tempfile::TempDir,
    shared: Arc<Shared>,
    rest: (String, String),
}

#[derive(Default)]
struct Shared {
    opened: AtomicUsize,
    /// Connections before this one get no answer any more.
    silent: AtomicUsize,
}

impl Front {
    /// One before the Postgres of the test that is running.
    pub fn new() -> Self {
        let address = address().expect("a test on Postgres");
        let (start, rest) = address.split_once("host=").expect("a socket");
        let (socket, rest) = rest.split_once('&').expect("a user");
        let socket = PathBuf::from(socket).join(SOCKET);
        let dir = tempfile::tempdir().expect("a directory");
        let listener = UnixListener::bind(dir.path().join(SOCKET)).expect("listens");
        let shared = Arc::<Shared>::default();
        let taken = Arc::clone(&shared);
        tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                let far = UnixStream::connect(&socket).await.expect("Postgres is there");
                let number = taken.opened.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(through(near, far, number, Arc::clone(&taken)));
            }
        });
        Self {
            dir,
            shared,
            rest: (start.to_owned(), rest.to_owned()),
        }
    }

    /// The database of the test by way of it.
    pub fn url(&self) -> StoreUrl {
        let (start, rest) = &self.rest;
        let near = format!("{start}host={}&{rest}", self.dir.path().display());
        StoreUrl::Postgres(PostgresUrl::new(&near, None).expect("an address"))
    }

    /// What is open gets no answers from now on; what is opened later does.
    pub fn fall_silent(&self) {
        let opened = self.shared.opened.load(Ordering::SeqCst);
        self.shared.silent.store(opened, Ordering::SeqCst);
    }
}

async fn through(near: UnixStream, far: UnixStream, number: usize, shared: Arc<Shared>) {
    let (mut asks, mut hears) = near.into_split();
    let (mut answers, mut takes) = far.into_split();
    let asking = tokio::io::copy(&mut asks, &mut takes);
    let answering = async {
        let mut bytes = vec![0; 8_192];
        while let Ok(read) = answers.read(&mut bytes).await {
            if number < shared.silent.load(Ordering::SeqCst) {
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
