//! gdb and perf look at a process that runs JIT code: this one, started again.
//!
//! Where a tool is not installed, or may not look, the run says so, and claims nothing.
#![allow(unsafe_code)] // to enter code

#[cfg(all(target_os = "linux", target_arch = "x86_64", target_env = "gnu", feature = "gdb"))]
#[path = "debuggers/looked_at.rs"]
mod looked_at;
#[cfg(all(target_os = "linux", target_arch = "x86_64", target_env = "gnu", feature = "gdb"))]
#[path = "debuggers/tools.rs"]
mod tools;

#[cfg(all(target_os = "linux", target_arch = "x86_64", target_env = "gnu", feature = "gdb"))]
fn main() {
    let mut arguments = std::env::args().skip(1);
    match (arguments.next().as_deref(), arguments.next()) {
        (Some("debugged"), strategy) => looked_at::debugged(strategy.as_deref() == Some("flip")),
        (Some("debugged-c"), _) => looked_at::debugged_c(),
        (Some("dumped"), Some(directory)) => looked_at::dumped(directory.as_ref()),
        (Some("mapped"), _) => looked_at::mapped(),
        _ => tools::all(),
    }
}

#[cfg(not(all(target_os = "linux", target_arch = "x86_64", target_env = "gnu", feature = "gdb")))]
fn main() {
    eprintln!("no debugger is asked: this is about Linux with the GNU C library, and the feature `gdb`");
}
