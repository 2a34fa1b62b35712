//! Writing, and following what other servers write.
//!
//! A [`Write`] is the seam through which all configuration changes: it waits for its turn, brings memory up to
//! date with what others have written, and only then lets the change be planned; each object that it touches
//! is recorded in the feed; memory is changed after the commit and before the next writer.
//!
//! [`Registry::follow`] does the same without a change of its own, for what other servers write to a shared
//! store. **A new kind of object** gets a variant of [`Kind`], an arm in `Registry::apply` that reads the
//! object and puts it into the next snapshot, and a line in `Loaded::read` for the start.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use jiff::Timestamp;
use sqlx::AnyConnection;
use tokio::sync::MutexGuard;
use uuid::Uuid;

use crate::domain::{Flag, Lab};

use super::access::Access;
use super::registry::{Registry, now};
use super::served::FlagEntry;
use super::snapshot::{Entry, OverrideTable, Snapshot};
use super::store::feed::{self, Changed, Kind, OverrideChange, Since};
use super::store::{self, StoreError, Tx, objects};

/// How often the feed of a shared store is looked at. A change is in force on every server within two seconds.
const POLL: Duration = Duration::from_millis(400);

/// How long a change waits for its turn; less than a request may take.
const TURN_LIMIT: Duration = Duration::from_secs(20);

/// How long looking may take before the store counts as away.
const POLL_LIMIT: Duration = Duration::from_secs(5);

/// How many rows of the feed are applied before memory shows them.
const PART: usize = 50;

/// How long the store may be silent while everything is read; reading millions of overrides takes as long as
/// it takes.
const SILENCE_LIMIT: Duration = Duration::from_secs(30);

/// The longest pause between attempts while the store is away.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// A change under way: nobody else writes, and memory is what the store holds.
#[derive(Debug)]
pub struct Write<'a> {
    registry: &'a Registry,
    tx: Tx,
    /// When it is made.
    now: Timestamp,
    /// Place of the last row that it added to the feed.
    last: Option<i64>,
    /// Whether it writes what the feed does not tell.
    untold: bool,
    /// Declared last: let go after the transaction.
    _writing: MutexGuard<'a, ()>,
}

impl Write<'_> {
    /// The transaction, for the functions of [`store`].
    pub fn tx(&mut self) -> &mut Tx {
        &mut self.tx
    }

    /// Whether other servers follow what is written.
    #[must_use]
    pub fn is_followed(&self) -> bool {
        self.registry.store.is_shared()
    }

    /// When the change is made.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// Says that an object was written, so that every server reads it again.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn touched(
        &mut self,
        kind: Kind,
        project: Option<Uuid>,
        object: &str,
    ) -> Result<(), StoreError> {
        self.last = Some(feed::record(&mut self.tx, kind, project, object, self.now).await?);
        Ok(())
    }

    /// Says what was written to overrides, so that every server does the same; and where the feed says it.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn touched_overrides(
        &mut self,
        project: Uuid,
        change: &OverrideChange,
    ) -> Result<i64, StoreError> {
        let object = change.experiment.to_string();
        let seq = feed::record(&mut self.tx, Kind::Overrides, Some(project), &object, self.now).await?;
        feed::put_overrides(&mut self.tx, seq, change, self.now).await?;
        self.last = Some(seq);
        Ok(seq)
    }

    /// Says that something is written that the feed does not tell, as nobody else follows it. Should the end of the
    /// commit not be seen, everything is loaded again.
    pub fn untold(&mut self) {
        self.untold = true;
    }

    /// Ends the transaction, and lets `publish` put the new state into memory.
    ///
    /// # Errors
    /// See [`StoreError`]. Memory is as it was. When the connection broke at the wrong moment, or the store was given
    /// up on, the change may have been made all the same; then it is followed like one of another server, or loaded.
    pub async fn commit(mut self, publish: impl FnOnce(&Registry)) -> Result<(), StoreError> {
        if self.last.is_some() {
            feed::prune(&mut self.tx, self.now).await?;
        }
        // Set before, as the caller may give up at any moment of what follows.
        if self.untold {
            self.registry.unsure.store(true, Ordering::Release);
        }
        store::commit(self.tx).await?;
        publish(self.registry);
        if let Some(last) = self.last {
            self.registry.applied.store(last, Ordering::Release);
        }
        if self.untold {
            self.registry.unsure.store(false, Ordering::Release);
        }
        Ok(())
    }
}

/// What memory is, beside the store.
#[derive(Debug, Clone, Copy, Eq, PartialEq)]
enum Memory {
    /// It holds what the store holds.
    Current,
    /// Rows of the feed were missed that are gone, or the end of a change that it does not tell was not seen:
    /// everything has to be loaded again.
    Behind,
}

/// Everything that is held in memory, as it was read.
#[derive(Debug)]
pub(super) struct Loaded {
    pub(super) snapshot: Snapshot,
    /// Place of the feed from which on changes are yet to be applied.
    pub(super) applied: i64,
}

impl Loaded {
    /// Reads everything, with a pause for others now and then: there may be millions of overrides.
    pub(super) async fn read(connection: &mut AnyConnection) -> Result<Self, StoreError> {
        let objects = Self::objects(connection);
        let silent = |_| StoreError::Silent {
            waited: SILENCE_LIMIT,
        };
        let loaded = tokio::time::timeout(SILENCE_LIMIT, objects)
            .await
            .map_err(silent)??;
        load_overrides(&loaded.snapshot, connection).await?;
        Ok(loaded)
    }

    /// Everything but the overrides.
    async fn objects(connection: &mut AnyConnection) -> Result<Self, StoreError> {
        // First: what changes while the rest is read is applied again, which does no harm.
        let applied = feed::head(connection).await?;
        let mut snapshot = Snapshot::default();
        snapshot.access = load_access(&mut *connection).await?;
        for (project, lab) in objects::all::<Lab>(&mut *connection, objects::Kind::Lab).await? {
            snapshot.labs.put(Arc::new((in_project("lab", project)?, lab)));
        }
        for (project, flag) in objects::all::<Flag>(&mut *connection, objects::Kind::Flag).await? {
            let which = format!("the flag {} with the id {}", flag.key, flag.id);
            let entry = FlagEntry::new(in_project("flag", project)?, flag, Arc::default());
            snapshot.put_flag(entry.map_err(|error| StoreError::row("objects", which, error))?);
        }
        for (project, experiment) in store::experiments::all(&mut *connection).await? {
            let which = format!("{} with the id {}", experiment.key, experiment.id);
            let entry = Entry::new(project, experiment, Arc::default());
            snapshot.put(entry.map_err(|error| StoreError::row("experiments", which, error))?);
        }
        Ok(Self { snapshot, applied })
    }
}

async fn load_overrides(snapshot: &Snapshot, connection: &mut AnyConnection) -> Result<(), StoreError> {
    let of_experiments = snapshot
        .all()
        .map(|e| (e.experiment.id, Arc::clone(&e.overrides)));
    let of_flags = snapshot
        .flags()
        .all()
        .map(|f| (f.flag.id, Arc::clone(&f.overrides)));
    let tables: HashMap<Uuid, Arc<OverrideTable>> = of_experiments.chain(of_flags).collect();
    store::overrides::each(connection, SILENCE_LIMIT, |row| {
        // One without a table: its experiment or flag was created while this was read; the feed tells of both.
        if let Some(table) = tables.get(&row.experiment_id) {
            table.put(
                row.subject_type,
                &row.variant,
                row.source,
                [row.subject_id.as_str()],
            );
        }
    })
    .await
}

async fn load_access(connection: &mut AnyConnection) -> Result<Access, StoreError> {
    let mut access = Access::default();
    for project in store::projects::all(&mut *connection).await? {
        access.put_project(project);
    }
    for token in store::tokens::all(&mut *connection).await? {
        access.put_token(token);
    }
    for (_, deployment) in objects::all(&mut *connection, objects::Kind::Deployment).await? {
        access.put_deployment(deployment);
    }
    for (_, organization) in objects::all(connection, objects::Kind::Organization).await? {
        access.put_organization(organization);
    }
    Ok(access)
}

/// The same as it is now, from what it was: nothing of it is ever removed, and what cannot be read stays as it was.
async fn reload_access(former: &Access, connection: &mut AnyConnection) -> Result<Access, StoreError> {
    let mut access = former.clone();
    for project in readable(store::projects::all(&mut *connection).await)?
        .into_iter()
        .flatten()
    {
        access.put_project(project);
    }
    for token in readable(store::tokens::all(&mut *connection).await)?
        .into_iter()
        .flatten()
    {
        access.put_token(token);
    }
    for deployment in objects::each(&mut *connection, objects::Kind::Deployment).await? {
        if let Some((_, deployment)) = readable(deployment)? {
            access.put_deployment(deployment);
        }
    }
    for organization in objects::each(connection, objects::Kind::Organization).await? {
        if let Some((_, organization)) = readable(organization)? {
            access.put_organization(organization);
        }
    }
    Ok(access)
}

/// The project of an object, which has one.
fn in_project(what: &str, project: Option<Uuid>) -> Result<Uuid, StoreError> {
    project.ok_or_else(|| StoreError::corrupt(what, "it is in no project"))
}

/// What the store answers within [`POLL_LIMIT`].
async fn in_time<T>(asked: impl Future<Output = Result<T, StoreError>>) -> Result<T, String> {
    match tokio::time::timeout(POLL_LIMIT, asked).await {
        Ok(answer) => answer.map_err(|error| error.to_string()),
        Err(_) => Err(format!("it did not answer within {} s", POLL_LIMIT.as_secs())),
    }
}

impl Registry {
    /// Waits until no other change is under way, on any server, and brings memory up to date. From here on
    /// until the end of the [`Write`] memory is what the store holds.
    ///
    /// Whoever waits for longer than 20 s is refused, before they are told that there was no answer in time:
    /// a change that was given up on must not be made later.
    ///
    /// # Errors
    /// See [`StoreError`]; [`StoreError::Behind`] until everything that was missed is loaded.
    pub async fn begin(&self) -> Result<Write<'_>, StoreError> {
        self.begin_within(TURN_LIMIT).await
    }

    async fn begin_within(&self, waited: Duration) -> Result<Write<'_>, StoreError> {
        let turn = async {
            let writing = self.writing.lock().await;
            let tx = self.store.begin().await?;
            Ok::<_, StoreError>((writing, tx))
        };
        let busy = |_| StoreError::Busy { waited };
        let (writing, mut tx) = tokio::time::timeout(waited, turn).await.map_err(busy)??;
        if self.catch_up(&mut tx).await? == Memory::Behind {
            return Err(StoreError::Behind);
        }
        Ok(Write {
            registry: self,
            tx,
            now: now(),
            last: None,
            untold: false,
            _writing: writing,
        })
    }

    /// Follows what other servers write to a shared store, for as long as it runs.
    pub async fn follow(self: Arc<Self>) {
        let mut pause = POLL;
        loop {
            tokio::time::sleep(pause).await;
            let away = self.away.load(Ordering::Acquire);
            let looked = match self.look().await {
                Ok(Memory::Behind) => self.reload().await.map_err(|error| error.to_string()),
                looked => looked.map(drop),
            };
            self.away.store(looked.is_err(), Ordering::Release);
            match looked {
                Ok(()) => {
                    if away {
                        tracing::info!("the configuration store answers again; nothing was missed");
                    }
                    pause = POLL;
                }
                Err(error) => {
                    if !away {
                        tracing::warn!(
                            error,
                            "the configuration store is away: decisions go on from memory, changes are refused"
                        );
                    }
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
            }
        }
    }

    /// Brings memory up to date at once instead of at the next look, for who may ask for what another server
    /// has just written. Whether there was something new. While the store is away memory stays as it is.
    pub async fn freshen(&self) -> bool {
        if !self.store.is_shared() || self.away.load(Ordering::Acquire) {
            return false;
        }
        let before = self.applied.load(Ordering::Acquire);
        let begun = self.looks.load(Ordering::Acquire);
        {
            // One at a time, however many ask: a look that began after this call serves it as well.
            let _turn = self.looking.lock().await;
            if self.looks.load(Ordering::Acquire) == begun
                && let Err(error) = self.look().await
            {
                tracing::debug!(error, "memory could not be brought up to date");
            }
        }
        self.applied.load(Ordering::Acquire) != before
    }

    /// Applies what is new in the feed; why not, in words. A change of this server that takes long is waited for: the
    /// store is not away then.
    async fn look(&self) -> Result<Memory, String> {
        self.looks.fetch_add(1, Ordering::AcqRel);
        let failed = || StoreError::query("read the feed of changes");
        let head = async {
            let mut connection = self.store.readers().acquire().await.map_err(failed())?;
            let head = feed::head(&mut connection).await?;
            Ok((connection, head))
        };
        let (mut connection, head) = in_time(head).await?;
        if head <= self.applied.load(Ordering::Acquire) && !self.unsure.load(Ordering::Acquire) {
            return Ok(Memory::Current);
        }
        let _writing = self.writing.lock().await;
        let before = self.applied.load(Ordering::Acquire);
        match in_time(self.catch_up(&mut connection)).await {
            // It answers, and there is more than fits into one look.
            Err(_) if self.applied.load(Ordering::Acquire) > before => Ok(Memory::Current),
            looked => looked,
        }
    }

    /// Applies what is new in the feed, unless some of it is gone. To be called by who holds `writing`.
    async fn catch_up(&self, connection: &mut AnyConnection) -> Result<Memory, StoreError> {
        if self.unsure.load(Ordering::Acquire) {
            return Ok(Memory::Behind);
        }
        let seen = self.applied.load(Ordering::Acquire);
        let Since::Changes(changes) = feed::since(connection, seen).await? else {
            return Ok(Memory::Behind);
        };
        // In parts: however far it is behind, each look brings it nearer.
        for part in changes.chunks(PART) {
            self.apply(connection, part).await?;
            if let Some(last) = part.last() {
                self.applied.store(last.seq, Ordering::Release);
            }
        }
        Ok(Memory::Current)
    }

    /// Loads everything again, while decisions go on from what memory held. Changes are refused meanwhile: there
    /// is no current state to plan them from.
    async fn reload(&self) -> Result<(), StoreError> {
        tracing::warn!(
            "this server missed changes that nobody tells any more: all configuration is loaded again"
        );
        let failed = || StoreError::query("read the configuration");
        // Whoever has the turn to write knows that what was given up on has come to its end.
        let turn = match self.unsure.load(Ordering::Acquire) {
            true => Some((self.writing.lock().await, self.store.begin().await?)),
            false => None,
        };
        let mut connection = self.store.readers().acquire().await.map_err(failed())?;
        let loaded = Loaded::read(&mut connection).await?;
        let _writing = match turn {
            Some((writing, _)) => writing,
            None => self.writing.lock().await,
        };
        self.unsure.store(false, Ordering::Release);
        let former = self.snapshot.swap(Arc::new(loaded.snapshot));
        self.applied.store(loaded.applied, Ordering::Release);
        // Letting go of millions of overrides takes its time, which is nobody else's.
        tokio::task::spawn_blocking(move || drop(former));
        tracing::info!("all configuration is loaded");
        Ok(())
    }

    /// Brings memory to the state of the store for what these rows name.
    async fn apply(&self, connection: &mut AnyConnection, changes: &[Changed]) -> Result<(), StoreError> {
        let named = |kind: Kind| -> BTreeSet<&str> {
            let of_kind = changes.iter().filter(|change| change.kind == Some(kind));
            of_kind.map(|change| change.object.as_str()).collect()
        };
        let mut next = Snapshot::clone(&self.snapshot.load());
        for id in named(Kind::Experiment) {
            readable(reload_experiment(&mut next, connection, id).await)?;
        }
        for id in named(Kind::Flag) {
            readable(reload_flag(&mut next, connection, id).await)?;
        }
        for id in named(Kind::Lab) {
            readable(reload_lab(&mut next, connection, id).await)?;
        }
        // After the experiments and flags: an override may be one of a new object.
        for change in changes
            .iter()
            .filter(|change| change.kind == Some(Kind::Overrides))
        {
            let change = readable(feed::overrides_at(connection, change.seq).await)?.flatten();
            let found = change.and_then(|c| Some((Arc::clone(next.overrides_of(c.experiment)?), c)));
            if let Some((overrides, change)) = found {
                overrides.apply(&change);
            }
        }
        let of_access = [Kind::Project, Kind::Token, Kind::Deployment, Kind::Organization];
        if of_access.into_iter().any(|kind| !named(kind).is_empty()) {
            // Few and small: all of them at once.
            next.access = reload_access(&next.access, connection).await?;
        }
        self.snapshot.store(Arc::new(next));
        Ok(())
    }
}

async fn reload_experiment(
    next: &mut Snapshot,
    connection: &mut AnyConnection,
    id: &str,
) -> Result<(), StoreError> {
    let corrupt = |why: String| StoreError::corrupt(format!("experiment {id}"), why);
    let id = Uuid::parse_str(id).map_err(|error| corrupt(error.to_string()))?;
    match store::experiments::one(connection, id).await? {
        Some((project, experiment)) => {
            let overrides = next.by_id(id).map(|entry| Arc::clone(&entry.overrides));
            let entry = Entry::new(project, experiment, overrides.unwrap_or_default());
            next.put(entry.map_err(|error| corrupt(error.to_string()))?);
        }
        None => next.remove(id),
    }
    Ok(())
}

async fn reload_flag(
    next: &mut Snapshot,
    connection: &mut AnyConnection,
    id: &str,
) -> Result<(), StoreError> {
    let corrupt = |why: String| StoreError::corrupt(format!("flag {id}"), why);
    let id = Uuid::parse_str(id).map_err(|error| corrupt(error.to_string()))?;
    match objects::one::<Flag>(connection, objects::Kind::Flag, id).await? {
        Some((project, flag)) => {
            let overrides = next.flags().by_id(id).map(|entry| Arc::clone(&entry.overrides));
            let entry = FlagEntry::new(in_project("flag", project)?, flag, overrides.unwrap_or_default());
            next.put_flag(entry.map_err(|error| corrupt(error.to_string()))?);
        }
        None => next.remove_flag(id),
    }
    Ok(())
}

async fn reload_lab(next: &mut Snapshot, connection: &mut AnyConnection, id: &str) -> Result<(), StoreError> {
    let id = Uuid::parse_str(id).map_err(|error| StoreError::corrupt(format!("lab {id}"), error))?;
    match objects::one::<Lab>(connection, objects::Kind::Lab, id).await? {
        Some((project, lab)) => next.labs.put(Arc::new((in_project("lab", project)?, lab))),
        None => {
            next.labs.remove(id);
        }
    }
    Ok(())
}

/// Lets what one object's row holds fail for that object only: the others are followed all the same.
fn readable<T>(read: Result<T, StoreError>) -> Result<Option<T>, StoreError> {
    match read {
        Ok(read) => Ok(Some(read)),
        Err(error @ StoreError::Corrupt { .. }) => {
            tracing::error!(%error, "a change by another server cannot be followed; memory keeps the former state");
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use std::task::Poll;

    use super::*;
    use crate::api::problem::Code;
    use crate::domain::{Environment, Key, Project};
    use crate::server::error::ApiError;
    use crate::server::store::{Store, StoreUrl};

    async fn registry(dir: &tempfile::TempDir) -> Arc<Registry> {
        let store = Store::open(&StoreUrl::in_dir(dir.path())).await.expect("a store");
        Registry::load(store, 4).await.expect("loads")
    }

    /// What a caller is told.
    fn told(refused: StoreError) -> (Code, String) {
        let problem = ApiError::from(refused).into_problem();
        (problem.code, problem.detail)
    }

    #[tokio::test]
    async fn who_waits_too_long_for_a_turn_is_refused_before_anything_is_changed() {
        let dir = tempfile::tempdir().expect("a directory");
        let registry = registry(&dir).await;
        let other = registry.writing.lock().await;
        let limit = Duration::from_secs(1);
        let refused = registry
            .begin_within(limit)
            .await
            .expect_err("the turn is somebody else's");
        let (code, detail) = told(refused);
        assert_eq!(code, Code::StoreUnavailable);
        assert!(
            detail.contains("under way for 1 s; nothing was changed"),
            "{detail}"
        );
        drop(other);
        // Neither is one that another server holds in the store waited for.
        let other = registry.store.begin().await.expect("begins");
        let refused = registry
            .begin_within(limit)
            .await
            .expect_err("the turn is somebody else's");
        assert_eq!(told(refused).0, Code::StoreUnavailable);
        drop(other);
        assert!(registry.begin().await.is_ok(), "the next one has its turn");
    }

    #[tokio::test]
    async fn nothing_is_changed_by_who_has_missed_what_others_changed() {
        let dir = tempfile::tempdir().expect("a directory");
        let registry = registry(&dir).await;
        let mut tx = registry.store.begin().await.expect("begins");
        sqlx::query("UPDATE feed SET pruned_to = pruned_to + 5")
            .execute(&mut *tx)
            .await
            .expect("rows that are gone");
        store::commit(tx).await.expect("committed");
        let (code, detail) = told(registry.begin().await.expect_err("memory is behind"));
        assert_eq!(code, Code::StoreUnavailable);
        assert!(
            detail.contains("cut off") && detail.contains("nothing was changed"),
            "{detail}"
        );
        assert_eq!(
            registry.look().await,
            Ok(Memory::Behind),
            "nor is it loaded under a lock"
        );
        registry.reload().await.expect("loads");
        assert!(registry.begin().await.is_ok());
    }

    #[tokio::test]
    async fn what_the_feed_does_not_tell_is_loaded_when_the_end_of_its_commit_was_not_seen() {
        let dir = tempfile::tempdir().expect("a directory");
        let registry = registry(&dir).await;
        let mut write = registry.begin().await.expect("its turn");
        let shop = Project {
            id: Uuid::now_v7(),
            key: Key::new("shop").expect("a key"),
            name: "Shop".to_owned(),
            environment: Environment::Production,
            protected: true,
            resource_version: 1,
        };
        let now = write.now();
        store::projects::insert(write.tx(), &shop, now)
            .await
            .expect("something is written");
        write.untold();
        {
            let mut commit = std::pin::pin!(write.commit(|_| panic!("nobody is there to see its end")));
            // Once is enough for the store to be asked; then its caller is gone.
            let asked = std::future::poll_fn(|context| Poll::Ready(commit.as_mut().poll(context))).await;
            assert!(asked.is_pending(), "the store answers later");
        }
        assert!(
            matches!(registry.begin().await, Err(StoreError::Behind)),
            "nothing is planned from a memory that may lack it"
        );
        assert_eq!(registry.look().await, Ok(Memory::Behind));
        registry.reload().await.expect("loads");
        assert_eq!(registry.look().await, Ok(Memory::Current));
        let held = registry
            .snapshot
            .load()
            .access
            .project(shop.id)
            .map(|held| (**held).clone());
        assert_eq!(held, Some(shop), "what was committed is in force");
        assert!(registry.begin().await.is_ok());
    }
}
