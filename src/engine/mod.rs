//! The embedded ClickHouse: install, configure, launch, supervise.
