//! Logs. They go to a file or to standard error, never to the cockpit's screen.
