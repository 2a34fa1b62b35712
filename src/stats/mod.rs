//! Posteriors, sample ratio mismatch, sequential tests and power. Pure, deterministic.
