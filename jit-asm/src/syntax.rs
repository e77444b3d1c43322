//! Statements out of proc-macro2 tokens.
