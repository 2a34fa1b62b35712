//! Editing an experiment or a flag: the copy that is worked on, what differs from where it began, and how the
//! changes of somebody else come in.
//!
//! | file | what it does |
//! |---|---|
//! | [`path`] | the parts of an experiment that change and merge by themselves |
//! | [`merge`] | three copies become one |
//! | [`draft`] | the working copy: changes, what cannot be read, undo, conflicts with somebody else, kept on disk |
//! | [`flag`] | the same of a flag |
//! | [`disk`] | what is kept on disk of a draft, and what is found there |
//! | [`cell`] | one field on the screen: its text, and a text taken into it |
//! | `refusal` | the field that a refusal is about, and its words |
//! | `typed`, `set` | what is typed as a value; fields that take more than a value |
//! | [`sheet`] | which fields stand on a screen, row by row |
//! | [`identity`] | where a field stands after somebody else's changes |
//! | [`rows`] | adding, removing and moving what stands in rows |
//! | [`difference`] | in what copies of a flag differ, in words |
//! | [`consequences`] | what saving will do to people, in words |
//! | [`wizard`] | the steps of a new experiment |
//!
//! All of it is pure. A draft never changes anything on the server: saving has its dialog.

pub mod cell;
pub mod consequences;
pub mod difference;
pub mod disk;
pub mod draft;
pub mod flag;
pub mod identity;
pub mod merge;
pub mod path;
mod refusal;
pub mod rows;
mod set;
pub mod sheet;
mod typed;
pub mod wizard;

pub use cell::{Attr, Cell, Fixed, Kind, Part, Which};
pub use disk::{DraftKey, Kept, Left, Of, OnDisk, Place};
pub use draft::{Draft, Side, StoredDraft};
pub use flag::{FlagDraft, FlagPart, StoredFlag};
pub use path::Path;
pub use refusal::refused;
pub use sheet::Sheet;
