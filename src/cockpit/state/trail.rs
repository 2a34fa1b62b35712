//! The way through the pages of a table of any size: only one page is held.

/// Where the pages up to the shown one begin, as the answers told it.
#[derive(Debug)]
pub struct Trail<T> {
    /// The beginnings of the pages after the first one.
    after: Vec<T>,
}

impl<T> Default for Trail<T> {
    fn default() -> Self {
        Self { after: Vec::new() }
    }
}

impl<T: Clone> Trail<T> {
    /// Where the shown page begins; none for the first one.
    #[must_use]
    pub fn after(&self) -> Option<T> {
        self.after.last().cloned()
    }

    /// Number of the shown page, from 0.
    #[must_use]
    pub fn page(&self) -> usize {
        self.after.len()
    }

    /// Goes on to the page that begins at `next`. False when there is none, or it is not known yet.
    pub fn forward(&mut self, next: Option<T>) -> bool {
        let known = next.is_some();
        self.after.extend(next);
        known
    }

    /// Goes back to the page before. False on the first one.
    pub fn back(&mut self) -> bool {
        self.after.pop().is_some()
    }

    /// Back to the first page.
    pub fn restart(&mut self) {
        self.after.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_leads_forth_and_back() {
        let mut trail = Trail::default();
        assert!(!trail.back(), "the first page");
        assert!(!trail.forward(None), "the last page");
        assert!(trail.forward(Some("b")));
        assert!(trail.forward(Some("c")));
        assert_eq!((trail.page(), trail.after()), (2, Some("c")));
        assert!(trail.back());
        assert_eq!((trail.page(), trail.after()), (1, Some("b")));
        assert!(trail.back());
        assert_eq!((trail.page(), trail.after()), (0, None));
        trail.forward(Some("b"));
        trail.restart();
        assert_eq!(trail.after(), None);
    }
}
