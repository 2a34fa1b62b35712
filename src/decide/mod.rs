//! Bucketing, rule matching and the decision with its explanation. Pure.
