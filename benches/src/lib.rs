//! Shared by the benchmarks: paired timing and medians.
