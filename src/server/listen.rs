//! Connections: accepted, answered, and ended in order.
//!
//! `axum::serve` does the same without a limit on clients that send nothing: each would hold one of the
//! process's files for ever, until nobody else can connect.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::Request;
use axum::serve::Listener;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tower::ServiceExt as _;

/// How long a connection may be silent between two requests, and how long the head of a request may take.
///
/// Longer than the proxies in front keep connections that nobody uses (the longest two minutes), as a request
/// that is sent while the connection is closed would be lost.
pub const HEAD_LIMIT: Duration = Duration::from_secs(130);
/// How long to wait when there are no files left for connections.
const NO_FILES: Duration = Duration::from_millis(500);

/// Answers requests until `shutdown` is ready; then accepts nobody, and ends when the requests under way are
/// answered. Dropping it cuts them off.
pub async fn answer(
    mut listener: impl Listener<Io = TcpStream, Addr = SocketAddr>,
    router: Router,
    head_limit: Duration,
    shutdown: impl Future<Output = ()>,
) {
    // Made ready once, instead of for each request.
    let router = router.with_state(());
    let (stop, stopping) = watch::channel(false);
    let mut connections = JoinSet::new();
    {
        let mut shutdown = pin!(shutdown);
        loop {
            tokio::select! {
                (stream, peer) = listener.accept() => {
                    connections.spawn(connection(stream, peer, router.clone(), head_limit, stopping.clone()));
                }
                Some(_) = connections.join_next() => {}
                () = &mut shutdown => break,
            }
        }
    }
    drop(listener);
    stop.send_replace(true);
    while connections.join_next().await.is_some() {}
}

/// The next connection. What keeps the system from giving one is told.
pub async fn accept(listener: &TcpListener) -> (TcpStream, SocketAddr) {
    loop {
        match listener.accept().await {
            Ok(accepted) => return accepted,
            // It was there and is gone: the client's affair.
            Err(error) if is_of_client(&error) => {}
            Err(error) => {
                tracing::error!(
                    %error,
                    "cannot accept connections; with too many open files, allow this process more of them"
                );
                tokio::time::sleep(NO_FILES).await;
            }
        }
    }
}

fn is_of_client(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(
        error.kind(),
        ConnectionAborted | ConnectionRefused | ConnectionReset
    )
}

/// Answers the requests of one connection, one after the other.
async fn connection(
    stream: TcpStream,
    peer: SocketAddr,
    router: Router,
    head_limit: Duration,
    mut stopping: watch::Receiver<bool>,
) {
    // Small answers should not wait for more to send; one that does is only slower.
    let _ = stream.set_nodelay(true);
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(ConnectInfo(peer));
        let answer = router.clone().oneshot(request.map(Body::new));
        async move { Ok::<_, Infallible>(answer.await.unwrap_or_else(|never| match never {})) }
    });
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(head_limit);
    let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), service));
    let ended = tokio::select! {
        ended = &mut connection => ended,
        () = async { drop(stopping.wait_for(|stop| *stop).await) } => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%peer, %error, "a connection broke");
    }
}
