//! Tables of any size into files: a page is asked for, written, and forgotten.

use std::path::Path;

use serde::Serialize;

use super::effects::{api_failure, owner};
use super::files::{Part, keep_all};
use crate::api::experiments::HistoryQuery;
use crate::client::{Client, ClientError};
use crate::cockpit::export::{Order, Rows, Source, Text};

/// Where the next page begins, whatever the table.
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

/// Writes a table; how many rows, and the paths of the files. `told` hears after each page how many there are.
/// Dropped before its end, nothing of the files stays.
///
/// # Errors
/// What failed, on what, and what to do.
pub async fn write(
    client: &Client,
    order: &Order,
    folder: &Path,
    told: impl Fn(u64),
) -> Result<(u64, Vec<String>), String> {
    let mut writer = Writer::begin(order, folder)?;
    let mut next = None;
    loop {
        let turned = page(client, &order.source, next, &mut writer).await;
        next = turned.map_err(|why| {
            let what = order.source.shape().what;
            format!(
                "The export of {what} ended after {} rows, and no file is kept: {why}",
                writer.rows.written()
            )
        })?;
        writer = writer.write().await?;
        told(writer.rows.written());
        if next.is_none() {
            return writer.end().await;
        }
    }
}

/// Asks for a page and takes its rows; where the next one begins.
async fn page(
    client: &Client,
    source: &Source,
    next: Option<Next>,
    writer: &mut Writer,
) -> Result<Option<Next>, String> {
    let failed = |error: ClientError| api_failure(&error).message;
    match source {
        Source::Overrides { of, id, query } => {
            let mut query = query.clone();
            if let Some(Next::Text(after)) = next {
                query.after = Some(after);
            }
            let id = id.to_string();
            let page = client.overrides(owner(*of, &id), &query).await.map_err(failed)?;
            writer.add(&page.overrides)?;
            Ok(page.next_after.map(Next::Text))
        }
        Source::History { id } => {
            let query = HistoryQuery {
                before: entry(next),
                ..HistoryQuery::default()
            };
            let page = client.history(&id.to_string(), &query).await.map_err(failed)?;
            writer.add(&page.entries)?;
            Ok(page.next_before.map(Next::Entry))
        }
        Source::Audit(query) => {
            let mut query = (**query).clone();
            query.before = entry(next);
            let page = client.audit(&query).await.map_err(failed)?;
            writer.add(&page.entries)?;
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
            let page = client
                .import_rows(owner(*of, &id), &import, &query)
                .await
                .map_err(failed)?;
            writer.add(&page.rows)?;
            Ok(page.next_after.map(Next::Number))
        }
    }
}

fn entry(next: Option<Next>) -> Option<i64> {
    match next {
        Some(Next::Entry(before)) => Some(before),
        _ => None,
    }
}
