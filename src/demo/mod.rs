//! The demo: replay of real data and simulated live traffic.
