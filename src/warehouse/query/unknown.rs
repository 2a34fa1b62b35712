//! Variants that events name and the experiment does not have: a typo in the code, or a variant that was
//! deleted.

use clickhouse::Row;
use serde::Deserialize;

use super::{Scope, UNKNOWN, inside};
use crate::api::results::UnknownVariant;
use crate::warehouse::sql::Args;
use crate::warehouse::{Warehouse, WarehouseError};

/// The most names that are listed.
const MAX_NAMES: u64 = 50;

#[derive(Debug, Row, Deserialize)]
struct NameRow {
    name: String,
    subjects: u64,
}

/// The distinct subjects of each such name, most first. Only asked when there are any.
pub(in crate::warehouse) async fn unknown(
    warehouse: &Warehouse,
    scope: &Scope<'_>,
) -> Result<Vec<UnknownVariant>, WarehouseError> {
    let mut args = Args::default();
    let (code, inside, rows) = (scope.code(&mut args), inside(), scope.rows(&mut args));
    let sql = format!(
        "SELECT toString(variant) AS name, uniqExact(subject_hash) AS subjects
        {rows} AND {inside} AND {code} = {UNKNOWN}
        GROUP BY name
        ORDER BY subjects DESC, name
        LIMIT {MAX_NAMES}"
    );
    let found: Vec<NameRow> = warehouse.select("counting unknown variants", &sql, &args).await?;
    Ok(found
        .into_iter()
        .map(|row| UnknownVariant {
            variant: row.name,
            subjects: row.subjects,
        })
        .collect())
}
