//! A cursor in a list that is read anew.

/// The place of the row under the cursor once `after` has come in place of `before`: rows are told apart by a key,
/// not by their place. Where the row is gone, the cursor stays where it was.
#[must_use]
pub fn follow<T, K: PartialEq>(before: &[T], after: &[T], at: usize, key: impl Fn(&T) -> K) -> usize {
    let wanted = before.get(at).map(&key);
    let found = wanted.and_then(|wanted| after.iter().position(|row| key(row) == wanted));
    found.unwrap_or(at).min(after.len().saturating_sub(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cursor_stays_on_its_row() {
        let followed = |after: &[i32], at| follow(&[1, 2, 3], after, at, |n| *n);
        assert_eq!(followed(&[0, 1, 2, 3], 1), 2);
        assert_eq!(followed(&[3], 2), 0);
        assert_eq!(followed(&[1, 3], 1), 1, "the row is gone");
        assert_eq!(followed(&[1], 1), 0);
        assert_eq!(followed(&[], 1), 0);
        assert_eq!(follow(&[], &[1, 2], 1, |n| *n), 1);
    }
}
