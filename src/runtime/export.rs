//! Tables of any size into files: a page is asked for, written, and forgotten.

use std::path::Path;
use std::time::Duration;

use serde::Serialize;
use tokio::sync::watch;

use super::effects::{api_failure, owner};
use super::files::{Part, keep_all};
use crate::api::experiments::HistoryQuery;
use crate::api::problem::Code;
use crate::client::{Client, ClientError};
use crate::cockpit::export::{Order, Rows, Source, Text, ended};

/// How long an export waits for other credentials once its token is refused: a program may have to print them, which
/// has ten seconds.
const RENEWED_WITHIN: Duration = Duration::from_secs(30);

/// How often a page is asked for again whose answer did not come, or not to its end.
const AGAIN: u32 = 2;
/// How long is waited before the first of these; before each further one twice as long.
const PAUSE: Duration = Duration::from_millis(500);

/// Where the next page begins, whatever the table.
#[derive(Clone)]
enum Next {
    Text(String),
    Number(u64),
    Entry(i64),
}

/// Both files of a table.
struct Writer {
    csv: Part,
    json: Part,
    rows: Rows,
    text: Text,
}

impl Writer {
    fn begin(order: &Order, folder: &Path) -> Result<Self, String> {
        let csv = Part::begin(folder, &format!("{}.csv", order.name))?;
        let json = Part::begin(folder, &format!("{}.json", order.name))?;
        let mut text = Text::default();
        let rows = Rows::begin(order.source.shape(), &mut text);
        Ok(Self {
            csv,
            json,
            rows,
            text,
        })
    }

    /// Off the loop: a disk may be slow.
    async fn write(mut self) -> Result<Self, String> {
        let written = tokio::task::spawn_blocking(move || {
            self.csv.write(&self.text.csv)?;
            self.json.write(&self.text.json)?;
            self.text.csv.clear();
            self.text.json.clear();
            Ok(self)
        });
        written.await.unwrap_or_else(|error| Err(error.to_string()))
    }

    async fn end(mut self) -> Result<(u64, Vec<String>), String> {
        self.rows.end(&mut self.text);
        let this = self.write().await?;
        let kept = tokio::task::spawn_blocking(move || {
            let rows = this.rows.written();
            Ok((rows, keep_all(vec![this.csv, this.json])?))
        });
        kept.await.unwrap_or_else(|error| Err(error.to_string()))
    }

    fn add<T: Serialize>(&mut self, rows: &[T]) -> Result<(), String> {
        rows.iter().try_for_each(|row| self.rows.add(row, &mut self.text))
    }
}

/// What is told of an export before its end.
#[derive(Debug, Clone, Eq, PartialEq)]
pub enum Step {
    /// So many rows are written.
    Written(u64),
    /// Its token is refused, in these words: it waits for another one.
    Refused(String),
}

/// Why there is no page.
enum NoPage {
    /// The token is refused, in these words.
    Refused(String),
    /// Anything else.
    Failed(String),
}

/// Writes a table; how many rows, and the paths of the files. `told` hears after each page how many there are. Each page
/// is asked for with the credentials of then: a token that is refused ends nothing while another one comes.
/// Dropped before its end, nothing of the files stays.
///
/// # Errors
/// What failed, on what, and what to do.
pub async fn write(
    mut clients: watch::Receiver<Client>,
    order: &Order,
    folder: &Path,
    told: impl Fn(Step),
) -> Result<(u64, Vec<String>), String> {
    let mut writer = Writer::begin(order, folder)?;
    let mut next = None;
    loop {
        let client = clients.borrow_and_update().clone();
        let why = match page(&client, &order.source, next.clone(), &mut writer).await {
            Ok(turned) => {
                next = turned;
                writer = writer.write().await?;
                told(Step::Written(writer.rows.written()));
                if next.is_none() {
                    return writer.end().await;
                }
                continue;
            }
            Err(NoPage::Refused(why)) => {
                // Another one may have come while this page was asked for.
                if !clients.has_changed().unwrap_or(false) {
                    told(Step::Refused(why.clone()));
                }
                let other = tokio::time::timeout(RENEWED_WITHIN, clients.changed()).await;
                if matches!(other, Ok(Ok(()))) {
                    continue;
                }
                why
            }
            Err(NoPage::Failed(why)) => why,
        };
        return Err(ended(order.source.shape().what, writer.rows.written(), &why));
    }
}

/// Asks for a page and takes its rows; where the next one begins.
async fn page(
    client: &Client,
    source: &Source,
    next: Option<Next>,
    writer: &mut Writer,
) -> Result<Option<Next>, NoPage> {
    match source {
        Source::Overrides { of, id, query } => {
            let mut query = query.clone();
            if let Some(Next::Text(after)) = next {
                query.after = Some(after);
            }
            let id = id.to_string();
            let page = patiently(|| client.overrides(owner(*of, &id), &query)).await?;
            writer.add(&page.overrides).map_err(NoPage::Failed)?;
            Ok(page.next_after.map(Next::Text))
        }
        Source::History { id } => {
            let query = HistoryQuery {
                before: entry(next),
                ..HistoryQuery::default()
            };
            let id = id.to_string();
            let page = patiently(|| client.history(&id, &query)).await?;
            writer.add(&page.entries).map_err(NoPage::Failed)?;
            Ok(page.next_before.map(Next::Entry))
        }
        Source::Audit(query) => {
            let mut query = (**query).clone();
            query.before = entry(next);
            let page = patiently(|| client.audit(&query)).await?;
            writer.add(&page.entries).map_err(NoPage::Failed)?;
            Ok(page.next_before.map(Next::Entry))
        }
        Source::ImportRows {
            of,
            id,
            import,
            query,
        } => {
            let mut query = query.clone();
            if let Some(Next::Number(after)) = next {
                query.after = Some(after);
            }
            let (id, import) = (id.to_string(), import.to_string());
            let page = patiently(|| client.import_rows(owner(*of, &id), &import, &query)).await?;
            writer.add(&page.rows).map_err(NoPage::Failed)?;
            Ok(page.next_after.map(Next::Number))
        }
    }
}

/// Asks, and asks again where the connection was cut: a page is only read. What the server refuses it refuses again.
async fn patiently<T, F>(ask: impl Fn() -> F) -> Result<T, NoPage>
where
    F: Future<Output = Result<T, ClientError>>,
{
    let failed = |error: ClientError| {
        let message = api_failure(&error).message;
        match error.code() {
            Some(Code::Unauthorized) => NoPage::Refused(message),
            _ => NoPage::Failed(message),
        }
    };
    let mut pause = PAUSE;
    for _ in 0..AGAIN {
        match ask().await {
            Err(error) if error.is_unreachable() => tokio::time::sleep(pause).await,
            answer => return answer.map_err(failed),
        }
        pause *= 2;
    }
    ask().await.map_err(failed)
}

fn entry(next: Option<Next>) -> Option<i64> {
    match next {
        Some(Next::Entry(before)) => Some(before),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use serde_json::json;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;
    use uuid::Uuid;
    use wiremock::matchers::{header, query_param, query_param_is_missing};
    use wiremock::{Mock, MockServer, ResponseTemplate};

    use super::*;
    use crate::api::overrides::ListOverrides;
    use crate::client::Options;
    use crate::cockpit::edit::Of;

    /// A server with two pages of one override each. The token `old` is good for the first one only.
    async fn server() -> MockServer {
        let server = MockServer::start().await;
        let page = |id: &str, next: Option<&str>| {
            let one = json!({
                "subjectType": "user", "subjectId": id, "variant": "control", "source": "fixed",
                "updatedAt": "2026-11-20T05:00:00Z",
            });
            ResponseTemplate::new(200).set_body_json(json!({
                "overrides": [one], "fixed": 2, "manual": 0, "nextAfter": next,
            }))
        };
        Mock::given(query_param_is_missing("after"))
            .respond_with(page("u-1", Some("1")))
            .mount(&server)
            .await;
        Mock::given(query_param("after", "1"))
            .and(header("authorization", "Bearer new"))
            .respond_with(page("u-2", None))
            .mount(&server)
            .await;
        let refused = json!({ "type": "about:blank", "title": "Unauthorized", "status": 401, "code": "unauthorized",
                              "detail": "no such token" });
        Mock::given(query_param("after", "1"))
            .and(header("authorization", "Bearer old"))
            .respond_with(ResponseTemplate::new(401).set_body_json(refused))
            .mount(&server)
            .await;
        server
    }

    #[tokio::test]
    async fn a_token_that_is_refused_ends_no_export_for_which_another_one_comes() {
        let server = server().await;
        let client = |token: &str| Client::new(&server.uri(), token, Options::default()).expect("a client");
        let query = ListOverrides::default();
        let source = Source::Overrides {
            of: Of::Experiment,
            id: Uuid::from_u128(1),
            query,
        };
        let order = Order {
            id: 1,
            name: "ids".to_owned(),
            source,
        };
        let folder = tempfile::tempdir().expect("a folder");
        for next in [Some("new"), None] {
            let clients = std::cell::RefCell::new(Some(watch::Sender::new(client("old"))));
            let listening = clients.borrow().as_ref().expect("a sender").subscribe();
            let told = |step| {
                if let Step::Refused(why) = step {
                    assert!(why.contains("the server does not know this token"), "{why}");
                    match next {
                        Some(token) => {
                            let sender = clients.borrow();
                            sender.as_ref().expect("a sender").send_replace(client(token));
                        }
                        // Whoever would give it is gone.
                        None => drop(clients.take()),
                    }
                }
            };
            let outcome = write(listening, &order, folder.path(), told).await;
            match (next, outcome) {
                (Some(_), outcome) => {
                    let (rows, paths) = outcome.expect("it goes on");
                    let csv = std::fs::read_to_string(&paths[0]).expect("a file");
                    assert_eq!(
                        (rows, csv.matches("u-1").count(), csv.matches("u-2").count()),
                        (2, 1, 1)
                    );
                    paths
                        .iter()
                        .for_each(|path| std::fs::remove_file(path).expect("removed"));
                }
                (None, outcome) => {
                    let why = outcome.expect_err("it ends");
                    assert!(
                        why.starts_with("The export of overrides ended after 1 row, and no file"),
                        "{why}"
                    );
                    assert_eq!(std::fs::read_dir(folder.path()).expect("a folder").count(), 0);
                }
            }
        }
    }

    /// A server that cuts so many answers in their middle; how often it was asked.
    async fn exported(cut: u32) -> (Result<(u64, Vec<String>), String>, u32) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let base = format!("http://{}", listener.local_addr().expect("an address"));
        let asked = std::sync::Arc::new(AtomicU32::new(0));
        let count = std::sync::Arc::clone(&asked);
        let serving = tokio::spawn(async move {
            while let Ok((mut line, _)) = listener.accept().await {
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") {
                    head.push(line.read_u8().await.expect("a request"));
                }
                let body = r#"{"entries":[],"nextBefore":null}"#;
                let whole = count.fetch_add(1, Ordering::Relaxed) >= cut;
                let sent = if whole { body } else { &body[..9] };
                let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close";
                let answer = format!("{head}\r\ncontent-length: {}\r\n\r\n{sent}", body.len());
                line.write_all(answer.as_bytes()).await.expect("answered");
                line.shutdown().await.expect("closed");
            }
        });
        let client = Client::new(&base, "t", Options::default()).expect("a client");
        let order = Order {
            id: 1,
            name: "history".to_owned(),
            source: Source::History { id: Uuid::nil() },
        };
        let folder = tempfile::tempdir().expect("a folder");
        let clients = watch::Sender::new(client);
        let outcome = write(clients.subscribe(), &order, folder.path(), |_| {}).await;
        serving.abort();
        (outcome, asked.load(Ordering::Relaxed))
    }

    #[tokio::test]
    async fn a_page_whose_answer_was_cut_is_asked_for_again_and_not_for_ever() {
        let (outcome, asked) = exported(AGAIN).await;
        assert_eq!(asked, AGAIN + 1);
        assert_eq!(outcome.expect("whole").0, 0);
        let (outcome, asked) = exported(u32::MAX).await;
        assert_eq!(asked, AGAIN + 1);
        let why = outcome.expect_err("cut");
        assert!(
            why.starts_with("The export of history ended after 0 rows"),
            "{why}"
        );
    }
}
