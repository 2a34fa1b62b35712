//! One query over HTTP to the engine on loopback, as plain as it gets.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::settings::Login;

/// More than any answer asked for here.
const MOST: u64 = 64 * 1024;

const PATIENCE: Duration = Duration::from_secs(10);

/// Runs `query` as `login`. `Ok(Ok)` is the answer, `Ok(Err)` what ClickHouse refused it with.
pub(super) async fn query(port: u16, login: &Login, query: &str) -> io::Result<Result<String, String>> {
    let exchange = async {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
        let request = format!(
            "POST / HTTP/1.0\r\nHost: 127.0.0.1\r\nX-ClickHouse-User: {}\r\nX-ClickHouse-Key: {}\r\n\
             Content-Length: {}\r\n\r\n{query}",
            login.user,
            login.password,
            query.len(),
        );
        stream.write_all(request.as_bytes()).await?;
        let mut answer = Vec::new();
        stream.take(MOST).read_to_end(&mut answer).await?;
        Ok(String::from_utf8_lossy(&answer).into_owned())
    };
    let answer: io::Result<String> = timeout(PATIENCE, exchange)
        .await
        .unwrap_or_else(|_| Err(io::Error::new(io::ErrorKind::TimedOut, "no answer within 10 s")));
    let answer = answer?;
    let malformed = || io::Error::new(io::ErrorKind::InvalidData, "not an answer of ClickHouse");
    let (head, body) = answer.split_once("\r\n\r\n").ok_or_else(malformed)?;
    let status = head.split(' ').nth(1).ok_or_else(malformed)?;
    let body = body.trim_end().to_owned();
    Ok(if status == "200" { Ok(body) } else { Err(body) })
}
