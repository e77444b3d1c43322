//! The runtime of a template JIT.
