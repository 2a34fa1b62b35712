//! Ending in order: whatever a client has sent is answered, and whoever comes later is refused.
//!
//! A connection that is kept alive may be closed between two requests only, and the server cannot know what is
//! on its way to it. So it says `Connection: close` in every answer first, and closes the connections that stay
//! silent only after a lull in which no request came. A client that is told so begins no further request on that
//! connection, instead of finding it reset with a request on it.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::{HeaderValue, header};
use axum::middleware::Next;
use axum::response::Response;
use axum::serve::Listener;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::Instant;

use super::listen;

/// How long no request may have come before connections that are silent are closed.
const LULL: Duration = Duration::from_millis(50);

/// How long the lull is waited for.
const LONGEST: Duration = Duration::from_secs(1);

/// Whether the server is ending, and what came in.
#[derive(Debug, Default)]
pub struct Stopping {
    /// When it was asked to end.
    asked: watch::Sender<Option<Instant>>,
    /// Connections and requests so far.
    arrived: AtomicU64,
}

impl Stopping {
    /// The server is to end: no new connection is taken, and those there are get no further request.
    pub fn begin(&self) {
        self.asked.send_replace(Some(Instant::now()));
    }

    /// When it was asked to end, once it was.
    #[must_use]
    pub fn asked_at(&self) -> Option<Instant> {
        *self.asked.borrow()
    }

    /// Ready once it was asked to end.
    pub async fn asked(&self) {
        let mut asked = self.asked.subscribe();
        // It cannot close: `self` holds the sender.
        let _ = asked.wait_for(Option::is_some).await;
    }

    /// Ready once no request has come for a moment, or they would not cease.
    pub async fn lull(&self) {
        let until = Instant::now() + LONGEST;
        let mut before = self.arrived.load(Ordering::Acquire);
        while before > 0 && Instant::now() < until {
            tokio::time::sleep(LULL).await;
            let now = self.arrived.load(Ordering::Acquire);
            if now == before {
                return;
            }
            before = now;
        }
    }

    fn arrived(&self) {
        self.arrived.fetch_add(1, Ordering::AcqRel);
    }
}

/// Counts requests; once the server is to end, answers say that they are the last one of their connection.
pub async fn last_answers(State(stopping): State<Arc<Stopping>>, request: Request, next: Next) -> Response {
    stopping.arrived();
    let mut response = next.run(request).await;
    if stopping.asked_at().is_some() {
        let close = HeaderValue::from_static("close");
        response.headers_mut().insert(header::CONNECTION, close);
    }
    response
}

/// A listener that takes whoever the system let in before the server was asked to end, and nobody after them.
#[derive(Debug)]
pub struct Door {
    /// Until the server is asked to end.
    listener: Option<TcpListener>,
    /// Those whom the system let in by then.
    waiting: VecDeque<(TcpStream, SocketAddr)>,
    address: SocketAddr,
    stopping: Arc<Stopping>,
}

impl Door {
    /// Open until `stopping` begins.
    ///
    /// # Errors
    /// When the listener has no address.
    pub fn new(listener: TcpListener, stopping: Arc<Stopping>) -> io::Result<Self> {
        Ok(Self {
            address: listener.local_addr()?,
            listener: Some(listener),
            waiting: VecDeque::new(),
            stopping,
        })
    }

    /// Nobody is let in any more, but for those who were already.
    fn close(&mut self) {
        let Some(listener) = self.listener.take() else {
            return;
        };
        // Past tokio, which may not have been told yet of those who wait.
        let let_in = listener.into_std().and_then(|listener| {
            loop {
                match listener.accept() {
                    Ok((stream, address)) => {
                        stream.set_nonblocking(true)?;
                        self.waiting.push_back((TcpStream::from_std(stream)?, address));
                    }
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                    // Who has hung up again meanwhile.
                    Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
                    Err(error) => return Err(error),
                }
            }
        });
        if let Err(error) = let_in {
            tracing::warn!(%error, "connections that were waiting when the server was asked to end are cut off");
        }
    }
}

impl Listener for Door {
    type Io = TcpStream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (TcpStream, SocketAddr) {
        if let Some(listener) = &mut self.listener {
            tokio::select! {
                // First, so that a server which is never without new connections ends as well.
                biased;
                () = self.stopping.asked() => self.close(),
                accepted = listen::accept(listener) => {
                    self.stopping.arrived();
                    return accepted;
                }
            }
        }
        match self.waiting.pop_front() {
            Some(accepted) => {
                self.stopping.arrived();
                accepted
            }
            None => std::future::pending().await,
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.address)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn who_was_let_in_is_served_and_nobody_after_them() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let stopping = Arc::new(Stopping::default());
        let mut door = Door::new(listener, Arc::clone(&stopping)).expect("a door");
        let address = door.local_addr().expect("an address");
        let mut waiting = Vec::new();
        for _ in 0..3 {
            waiting.push(TcpStream::connect(address).await.expect("let in by the system"));
        }
        stopping.begin();
        let mut served = Vec::new();
        for _ in 0..3 {
            served.push(door.accept().await.1);
        }
        let sent: Vec<SocketAddr> = waiting
            .iter()
            .map(|s| s.local_addr().expect("an address"))
            .collect();
        assert_eq!(served, sent);
        let refused = TcpStream::connect(address).await.expect_err("closed");
        assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);
        assert_eq!(door.local_addr().ok(), Some(address));
        stopping.lull().await;
    }
}
