//! System V in both directions: C functions made of templates, and calls of functions that compilers made.
#![cfg(all(target_os = "linux", target_arch = "x86_64", target_env = "gnu", feature = "disassemble"))]
#![allow(unsafe_code)]

mod caller;
mod compiler;
mod matrix;
mod samples;
#[path = "../support/mod.rs"]
mod support;
