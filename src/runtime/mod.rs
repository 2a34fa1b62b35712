//! The cockpit's loop: input, effects, cancellation, reconnecting.
