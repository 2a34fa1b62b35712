//! Objects of all projects in memory, found by id and by key.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use uuid::Uuid;

/// What can be put on a [`Shelf`].
pub trait Shelved {
    /// Its id.
    fn id(&self) -> Uuid;
    /// The project it belongs to.
    fn project(&self) -> Uuid;
    /// Its key in lower case; unique in the project.
    fn name_folded(&self) -> String;
}

/// Objects of one kind. Cheap enough to clone for each write: objects are shared.
#[derive(Debug)]
pub struct Shelf<T> {
    by_id: HashMap<Uuid, Arc<T>>,
    /// Project → key in lower case → object.
    by_key: HashMap<Uuid, HashMap<String, Arc<T>>>,
}

impl<T> Default for Shelf<T> {
    fn default() -> Self {
        Self {
            by_id: HashMap::new(),
            by_key: HashMap::new(),
        }
    }
}

impl<T> Clone for Shelf<T> {
    fn clone(&self) -> Self {
        Self {
            by_id: self.by_id.clone(),
            by_key: self.by_key.clone(),
        }
    }
}

impl<T: Shelved> Shelf<T> {
    /// The object of a project with this UUID, else with this key, whatever its case.
    #[must_use]
    pub fn find(&self, project: Uuid, id_or_key: &str) -> Option<&Arc<T>> {
        let by_id = Uuid::try_parse(id_or_key)
            .ok()
            .and_then(|id| self.by_id.get(&id))
            .filter(|object| object.project() == project);
        by_id.or_else(|| self.by_key.get(&project)?.get(folded(id_or_key).as_ref()))
    }

    /// The object with this id, of whatever project.
    #[must_use]
    pub fn by_id(&self, id: Uuid) -> Option<&Arc<T>> {
        self.by_id.get(&id)
    }

    /// The objects of a project, in no order.
    pub fn of_project(&self, project: Uuid) -> impl Iterator<Item = &Arc<T>> {
        self.by_key.get(&project).into_iter().flat_map(HashMap::values)
    }

    /// All objects of all projects, in no order.
    pub fn all(&self) -> impl Iterator<Item = &Arc<T>> {
        self.by_id.values()
    }

    /// Puts an object in the place of its former state.
    pub fn put(&mut self, object: Arc<T>) {
        // Its key may be another one now.
        self.remove(object.id());
        let keys = self.by_key.entry(object.project()).or_default();
        keys.insert(object.name_folded(), Arc::clone(&object));
        self.by_id.insert(object.id(), object);
    }

    /// Takes an object out.
    pub fn remove(&mut self, id: Uuid) -> Option<Arc<T>> {
        let object = self.by_id.remove(&id)?;
        if let Some(keys) = self.by_key.get_mut(&object.project()) {
            keys.remove(&object.name_folded());
        }
        Some(object)
    }
}

/// A key in the form under which it is found.
pub fn folded(key: &str) -> Cow<'_, str> {
    if key.bytes().any(|b| b.is_ascii_uppercase()) {
        Cow::Owned(key.to_ascii_lowercase())
    } else {
        Cow::Borrowed(key)
    }
}
