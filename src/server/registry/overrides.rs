//! Changing the overrides of an experiment or a flag.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use jiff::Timestamp;
use serde_json::Value;
use uuid::Uuid;

use crate::api::overrides::{OverridesSet, SetOverrides};
#[cfg(doc)]
use crate::api::problem::Code;
use crate::domain::checks::no_variant;
use crate::domain::{AuditAction, AuditEntry, Change, Key, OverrideSubject};
use crate::server::error::ApiError;
use crate::server::middleware::auth::Caller;
use crate::server::snapshot::OverrideTable;
use crate::server::store;
use crate::server::store::feed::{Forced, OverrideChange, OverrideGroup};
use crate::server::store::overrides::Decree;

use super::{Registry, carried_through};

/// The most overrides of one request whose from and to the audit log lists one by one.
const MAX_LISTED: usize = 100;

/// Which kind of object is meant.
#[derive(Debug, Clone, Copy, Eq, PartialEq)]
pub enum Noun {
    /// An experiment.
    Experiment,
    /// A flag.
    Flag,
}

/// What has overrides: an experiment or a flag.
#[derive(Debug, Clone)]
pub struct Target {
    /// Which of the two.
    pub noun: Noun,
    /// The project it belongs to.
    pub project: Uuid,
    /// Its id.
    pub id: Uuid,
    /// Its key.
    pub key: Key,
    /// Its version.
    pub version: u64,
    /// The keys of its variants.
    pub variants: Vec<Key>,
    /// Its overrides.
    pub overrides: Arc<OverrideTable>,
}

impl Target {
    /// The variant with this key, as it is written, whatever its case.
    #[must_use]
    pub fn variant(&self, key: &Key) -> Option<Key> {
        let folded = key.folded();
        self.variants.iter().find(|v| v.folded() == folded).cloned()
    }

    pub(in crate::server) fn entry(&self, caller: &Caller, now: Timestamp) -> AuditEntry {
        AuditEntry {
            id: 0,
            at: now,
            actor: caller.actor.to_string(),
            action: match self.noun {
                Noun::Experiment => AuditAction::OverridesImported,
                Noun::Flag => AuditAction::FlagOverridesImported,
            },
            object_id: self.id,
            object_key: self.key.as_str().to_owned(),
            resource_version: self.version,
            changes: Vec::new(),
            comment: None,
            evidence: Value::Null,
        }
    }
}

impl Registry {
    /// An experiment or a flag of the caller's project.
    ///
    /// # Errors
    /// [`Code::NotFound`].
    pub fn target(&self, caller: &Caller, noun: Noun, id_or_key: &str) -> Result<Target, ApiError> {
        match noun {
            Noun::Experiment => {
                let entry = self.find(caller, id_or_key)?;
                let experiment = &entry.experiment;
                Ok(Target {
                    noun,
                    project: entry.project,
                    id: experiment.id,
                    key: experiment.key.clone(),
                    version: experiment.resource_version,
                    variants: experiment.variants.iter().map(|v| v.key.clone()).collect(),
                    overrides: Arc::clone(&entry.overrides),
                })
            }
            Noun::Flag => {
                let entry = self.find_flag(caller, id_or_key)?;
                let flag = &entry.flag;
                Ok(Target {
                    noun,
                    project: entry.project,
                    id: flag.id,
                    key: flag.key.clone(),
                    version: flag.resource_version,
                    variants: flag.variants.iter().map(|v| v.key.clone()).collect(),
                    overrides: Arc::clone(&entry.overrides),
                })
            }
        }
    }

    /// Forces subjects into a variant.
    ///
    /// # Errors
    /// [`Code::Invalid`] when the variant does not exist.
    pub async fn set_overrides(
        self: &Arc<Self>,
        caller: Caller,
        noun: Noun,
        id_or_key: &str,
        body: SetOverrides,
    ) -> Result<OverridesSet, ApiError> {
        let this = Arc::clone(self);
        let id = this.target(&caller, noun, id_or_key)?.id.to_string();
        carried_through(async move {
            let mut write = this.begin_for(&caller).await?;
            let live = this.target(&caller, noun, &id)?;
            let Some(variant) = live.variant(&body.variant) else {
                return Err(no_variant("variant", &body.variant, &live.variants).into());
            };
            let now = write.now();
            let to = Forced {
                variant: variant.clone(),
                source: body.source,
            };
            let import = Import::plan(&live.overrides, &body, &to);
            if import.ids.is_empty() {
                return Ok(import.set);
            }
            let change = OverrideChange {
                experiment: live.id,
                subject_type: body.subject_type,
                import: None,
                groups: import.groups(&live.overrides, &to),
            };
            let entry = AuditEntry {
                changes: import.changes,
                evidence: serde_json::json!({
                    "variant": variant, "subjectType": body.subject_type, "source": body.source,
                    "added": import.set.added, "changed": import.set.changed,
                    "unchanged": import.set.unchanged, "changedFrom": import.changed_from,
                }),
                ..live.entry(&caller, now)
            };
            let decree = Decree {
                experiment: live.id,
                subject_type: body.subject_type,
                variant: &variant,
                source: body.source,
                now,
            };
            store::overrides::put(write.tx(), decree, &import.ids).await?;
            store::audit::insert(write.tx(), live.project, &entry).await?;
            write.touched_overrides(live.project, &change).await?;
            write.commit(|_| live.overrides.apply(&change)).await?;
            Ok(import.set)
        })
        .await
    }

    /// Removes the override of one subject.
    ///
    /// # Errors
    /// [`Code::NotFound`] when there is none.
    pub async fn remove_override(
        self: &Arc<Self>,
        caller: Caller,
        noun: Noun,
        id_or_key: &str,
        subject_type: OverrideSubject,
        subject_id: String,
    ) -> Result<(), ApiError> {
        let this = Arc::clone(self);
        let id = this.target(&caller, noun, id_or_key)?.id.to_string();
        carried_through(async move {
            let mut write = this.begin_for(&caller).await?;
            let live = this.target(&caller, noun, &id)?;
            let Some(from) = live.overrides.get(subject_type, &subject_id) else {
                let what = format!("override of the {}", subject_type.as_str());
                return Err(ApiError::not_found(&what, &subject_id));
            };
            let entry = AuditEntry {
                changes: vec![Change {
                    field: override_field(subject_type, &subject_id),
                    from: from.variant.as_str().into(),
                    to: Value::Null,
                }],
                evidence: serde_json::json!({ "subjectType": subject_type, "removed": 1 }),
                ..live.entry(&caller, write.now())
            };
            store::overrides::delete(write.tx(), live.id, subject_type, &subject_id).await?;
            store::audit::insert(write.tx(), live.project, &entry).await?;
            let change = OverrideChange {
                experiment: live.id,
                subject_type,
                import: None,
                groups: vec![OverrideGroup {
                    from: Some(from),
                    to: None,
                    ids: vec![subject_id],
                }],
            };
            write.touched_overrides(live.project, &change).await?;
            write.commit(|_| live.overrides.apply(&change)).await?;
            Ok(())
        })
        .await
    }
}

/// What a request for overrides comes down to.
struct Import<'a> {
    subject_type: OverrideSubject,
    /// The ids that are new or change, each once.
    ids: Vec<&'a str>,
    set: OverridesSet,
    changes: Vec<Change>,
    /// Former variant → how many are taken from it.
    changed_from: BTreeMap<String, u64>,
}

impl<'a> Import<'a> {
    fn plan(table: &OverrideTable, body: &'a SetOverrides, to: &Forced) -> Self {
        let mut import = Self {
            subject_type: body.subject_type,
            ids: Vec::new(),
            set: OverridesSet::default(),
            changes: Vec::new(),
            changed_from: BTreeMap::new(),
        };
        let mut seen = HashSet::with_capacity(body.subject_ids.len());
        for id in &body.subject_ids {
            let before = table.get(body.subject_type, id);
            let before = before.map(|forced| forced.variant);
            if !seen.insert(id.as_str()) || before.as_ref() == Some(&to.variant) {
                import.set.unchanged += 1;
                continue;
            }
            match &before {
                Some(before) => {
                    import.set.changed += 1;
                    let from = import.changed_from.entry(before.as_str().to_owned());
                    *from.or_default() += 1;
                }
                None => import.set.added += 1,
            }
            if import.changes.len() < MAX_LISTED {
                import.changes.push(Change {
                    field: override_field(body.subject_type, id),
                    from: before.map_or(Value::Null, |v| v.as_str().into()),
                    to: to.variant.as_str().into(),
                });
            }
            import.ids.push(id);
        }
        import
    }

    /// The ids by what they had.
    fn groups(&self, table: &OverrideTable, to: &Forced) -> Vec<OverrideGroup> {
        let mut by_former: HashMap<Option<Forced>, Vec<String>> = HashMap::new();
        for id in &self.ids {
            let former = table.get(self.subject_type, id);
            by_former.entry(former).or_default().push((*id).to_owned());
        }
        let group = |(from, ids)| OverrideGroup {
            from,
            to: Some(to.clone()),
            ids,
        };
        by_former.into_iter().map(group).collect()
    }
}

fn override_field(subject_type: OverrideSubject, id: &str) -> String {
    format!("overrides.{}:{id}", subject_type.as_str())
}
