//! What a decision needs and the configuration does not hold.

use crate::domain::OverrideSubject;

/// What is known about subjects beside the configuration of one experiment. No I/O: an implementation
/// answers from memory.
///
/// Variants are named by their key, whatever its case. A key that the experiment does not have (any
/// more) is ignored, and the explanation says so.
pub trait Lookups {
    /// The variant that the id is forced into. `id` is never empty.
    fn forced(&self, subject: OverrideSubject, id: &str) -> Option<&str> {
        let _ = (subject, id);
        None
    }

    /// The variant that the subject, named by the id that is bucketed, was given first. Asked only where
    /// the experiment is sticky.
    fn remembered(&self, subject_id: &str) -> Option<&str> {
        let _ = subject_id;
        None
    }

    /// A random number, uniform over all 32 bits: in event mode it stands for the hash of an event that
    /// has no id.
    fn random(&self) -> u32;
}
