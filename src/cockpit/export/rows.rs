//! Rows as CSV (RFC 4180) and as JSON, one after the other: nothing of a table is held but the row at hand.

use serde::Serialize;
use serde_json::Value;

/// What a kind of table looks like in a file.
#[derive(Debug, Clone, Copy, Eq, PartialEq)]
pub struct Shape {
    /// What it is called, in names of files and in words.
    pub what: &'static str,
    /// The field of the wire's answer that holds the rows; the JSON file has them under the same name.
    pub list: &'static str,
    /// The columns of the CSV file: names of the wire, a dot before a field within a field.
    pub columns: &'static [&'static str],
}

/// A table on its way into two files.
#[derive(Debug, Clone, Copy)]
pub struct Rows {
    shape: Shape,
    written: u64,
}

/// Text for both files.
#[derive(Debug, Clone, Default, Eq, PartialEq)]
pub struct Text {
    /// For the CSV file.
    pub csv: String,
    /// For the JSON file.
    pub json: String,
}

impl Rows {
    /// Begins a table: what stands in front of the first row is written to `text`.
    #[must_use]
    pub fn begin(shape: Shape, text: &mut Text) -> Self {
        let names = shape.columns.iter().map(|name| (*name).to_owned());
        text.csv.push_str(&line(names));
        text.json.push_str(&format!("{{\"{}\":[", shape.list));
        Self { shape, written: 0 }
    }

    /// Writes a row.
    ///
    /// # Errors
    /// When it cannot be written as JSON.
    pub fn add(&mut self, row: &impl Serialize, text: &mut Text) -> Result<(), String> {
        let failed =
            |error: serde_json::Error| format!("A row of {} cannot be written: {error}", self.shape.what);
        let value = serde_json::to_value(row).map_err(failed)?;
        let cells = self.shape.columns.iter().map(|name| cell(find(&value, name)));
        text.csv.push_str(&line(cells));
        text.json.push_str(if self.written == 0 { "\n" } else { ",\n" });
        text.json.push_str(&serde_json::to_string(row).map_err(failed)?);
        self.written += 1;
        Ok(())
    }

    /// How many rows were written.
    #[must_use]
    pub fn written(&self) -> u64 {
        self.written
    }

    /// Ends the table.
    pub fn end(self, text: &mut Text) {
        text.json.push_str("\n]}\n");
    }
}

fn find<'v>(value: &'v Value, name: &str) -> Option<&'v Value> {
    name.split('.').try_fold(value, |value, part| value.get(part))
}

/// A value in a cell: texts safe from spreadsheets, numbers at full precision, lists and objects as JSON, nothing for
/// no value.
fn cell(value: Option<&Value>) -> String {
    match value {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => safe(text),
        Some(other) => other.to_string(),
    }
}

/// A text that no spreadsheet takes for a formula: one that begins like one has an apostrophe in front, as people type
/// it. Numbers are never changed, also negative ones: they are no texts.
#[must_use]
pub fn safe(text: &str) -> String {
    let formula = text.starts_with(['=', '+', '-', '@', '\t', '\r', '\n', '＝', '＋', '－', '＠']);
    if formula {
        format!("'{text}")
    } else {
        text.to_owned()
    }
}

/// A line of CSV: what has a comma, a quote or a line break in it stands in quotes, which are doubled within.
#[must_use]
pub fn line(cells: impl IntoIterator<Item = String>) -> String {
    let mut line = String::new();
    for (at, cell) in cells.into_iter().enumerate() {
        if at > 0 {
            line.push(',');
        }
        if cell.contains([',', '"', '\r', '\n']) || cell.starts_with(' ') || cell.ends_with(' ') {
            line.push('"');
            line.push_str(&cell.replace('"', "\"\""));
            line.push('"');
        } else {
            line.push_str(&cell);
        }
    }
    line.push_str("\r\n");
    line
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    const SHAPE: Shape = Shape {
        what: "things",
        list: "things",
        columns: &["id", "share", "inner.name", "list", "gone"],
    };

    fn whole(rows: &[Value]) -> Text {
        let mut text = Text::default();
        let mut table = Rows::begin(SHAPE, &mut text);
        for row in rows {
            table.add(row, &mut text).expect("a row");
        }
        assert_eq!(table.written(), rows.len() as u64);
        table.end(&mut text);
        text
    }

    #[test]
    fn a_row_has_the_columns_in_their_order_and_the_json_everything() {
        let row = json!({"id": "a,\"b\"\nc", "share": -0.1, "inner": {"name": "=1+1"}, "list": [1, "x"], "more": true});
        let text = whole(&[row.clone(), json!({"id": "+49"})]);
        assert_eq!(
            text.csv,
            "id,share,inner.name,list,gone\r\n\"a,\"\"b\"\"\nc\",-0.1,'=1+1,\"[1,\"\"x\"\"]\",\r\n'+49,,,,\r\n"
        );
        let json: Value = serde_json::from_str(&text.json).expect("JSON");
        assert_eq!(
            json,
            json!({"things": [row, {"id": "+49"}]}),
            "as it is on the wire"
        );
        assert_eq!(whole(&[]).json, "{\"things\":[\n]}\n");
    }

    proptest! {
        #[test]
        fn any_text_comes_back_and_none_begins_like_a_formula(texts in prop::collection::vec(".{0,12}", 1..4)) {
            // A title first, as in a file.
            let written = "title\r\n".to_owned() + &line(texts.iter().map(|text| safe(text)));
            let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(written.as_bytes());
            let rows: Vec<csv::StringRecord> = reader.records().collect::<Result<_, _>>().expect("rows");
            // A line of one empty cell is an empty line, which readers pass over.
            if texts != [""] {
                prop_assert_eq!(rows.len(), 1);
                for (text, read) in texts.iter().zip(&rows[0]) {
                    prop_assert_eq!(read.strip_prefix('\'').filter(|rest| rest == text).unwrap_or(read), text);
                    prop_assert!(!read.starts_with(['=', '+', '-', '@', '\t', '\r', '\n']));
                }
            }
        }
    }
}
