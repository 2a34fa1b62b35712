//! Who of many was exposed to another variant already: for ids that are about to be forced into one.

use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use super::inside;
use crate::domain::OverrideSubject;
use crate::warehouse::sql::Args;
use crate::warehouse::{EXPERIMENT_EVENTS, Warehouse, WarehouseError};

/// How many bytes of ids one query names; ClickHouse takes parameters of 128 KiB, in which a byte may be two.
const NAMED: usize = 60 << 10;

/// How many such queries are made at most. Beyond that all who were exposed elsewhere are read, as hashes.
const QUERIES: usize = 8;

/// What is said of a query that fails.
const DOING: &str = "asking who was exposed to another variant";

impl Warehouse {
    /// How many of the ids, each of which is given once, were exposed to another variant of the experiment
    /// than `variant`, whatever the case of its key.
    ///
    /// Few ids are named in the query; of many only the hash is compared, the first 64 bits of SHA-256, which
    /// ClickHouse sends of everybody who was exposed elsewhere.
    ///
    /// # Errors
    /// What ClickHouse says.
    pub async fn exposed_elsewhere<'a>(
        &self,
        experiment: Uuid,
        subject: OverrideSubject,
        variant: &str,
        ids: impl Iterator<Item = &'a str> + Clone,
    ) -> Result<u64, WarehouseError> {
        // Names of columns are constants; ids, variant and experiment are parameters of the query.
        let column = match subject {
            OverrideSubject::User => "profile_id",
            OverrideSubject::Device => "device_id",
        };
        let rows = |args: &mut Args| {
            let (experiment, variant) = (args.uuid(experiment), args.text(&variant.to_ascii_lowercase()));
            format!(
                "FROM {EXPERIMENT_EVENTS} WHERE experiment_id = {experiment} AND lower(variant) != {variant} AND {}",
                inside()
            )
        };
        match batches(ids.clone()) {
            Some(batches) => {
                let mut count = 0;
                for batch in batches {
                    let mut args = Args::default();
                    let (rows, names) = (rows(&mut args), args.texts(batch));
                    let sql = format!("SELECT uniqExact({column}) {rows} AND {column} IN {names}");
                    let counted: Vec<u64> = self.select(DOING, &sql, &args).await?;
                    count += counted.first().copied().unwrap_or_default();
                }
                Ok(count)
            }
            None => {
                let mut args = Args::default();
                let rows = rows(&mut args);
                let sql = format!(
                    "SELECT DISTINCT reinterpretAsUInt64(substring(SHA256({column}), 1, 8)) {rows} AND {column} != ''"
                );
                let mut hashes: Vec<u64> = ids.map(hash).collect();
                hashes.sort_unstable();
                let mut count = 0;
                self.each(DOING, &sql, &args, |hash: u64| {
                    count += u64::from(hashes.binary_search(&hash).is_ok());
                })
                .await?;
                Ok(count)
            }
        }
    }
}

/// The ids in a few queries; nothing when they are too many for that.
fn batches<'a>(ids: impl Iterator<Item = &'a str>) -> Option<Vec<Vec<&'a str>>> {
    let mut batches: Vec<Vec<&str>> = Vec::new();
    let mut room = 0_usize;
    for id in ids {
        // With quotes and a comma.
        let size = id.len() + 3;
        if batches.is_empty() || size > room {
            if batches.len() == QUERIES {
                return None;
            }
            batches.push(Vec::new());
            room = NAMED.max(size);
        }
        room -= size;
        if let Some(batch) = batches.last_mut() {
            batch.push(id);
        }
    }
    Some(batches)
}

/// The first 64 bits of the SHA-256, as ClickHouse reads them.
fn hash(id: &str) -> u64 {
    let digest: [u8; 32] = Sha256::digest(id.as_bytes()).into();
    let (first, _) = digest.as_chunks::<8>();
    first.first().map_or(0, |bytes| u64::from_le_bytes(*bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_ids_are_named_and_many_are_not() {
        let ids: Vec<String> = (0..10_000).map(|n| format!("{n:036}")).collect();
        let all = batches(ids.iter().map(String::as_str)).expect("few");
        assert_eq!(all.concat(), ids);
        for batch in all {
            assert!(batch.iter().map(|id| id.len() + 3).sum::<usize>() <= NAMED);
        }
        let many = (0..100_000).map(|_| "0123456789");
        assert_eq!(batches(many), None);
        assert_eq!(batches(std::iter::empty()), Some(Vec::new()));
    }
}
