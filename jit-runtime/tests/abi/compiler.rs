//! Functions of the tested signatures, compiled by the C compiler of this machine.

use std::ffi::{CString, c_void};
use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::Command;

/// A library with, for signature number n, `callee_n` and `caller_n`.
pub(crate) struct Library {
    handle: *mut c_void,
    file: PathBuf,
}

const HEAD: &str = "\
#include <stdint.h>
#include <string.h>
struct i64_i64 { int64_t a; int64_t b; };
struct i64_f64 { int64_t a; double b; };
struct f64_i64 { double a; int64_t b; };
struct f64_f64 { double a; double b; };
uint64_t seen[25], result[2], misaligned;
";

/// The text of both functions. The callee notes its arguments in `seen` and returns `result`; the caller calls with the
/// arguments in `in` and stores what comes out.
pub(crate) fn text(number: usize, arguments: &[&str], returns: &str) -> String {
    let parameters: Vec<String> = arguments.iter().enumerate().map(|(i, ty)| format!("{ty} a{i}")).collect();
    let parameters = if parameters.is_empty() { "void".to_owned() } else { parameters.join(", ") };
    let mut text = format!("{returns} callee_{number}({parameters}) {{\n");
    text += "    misaligned |= (uintptr_t)__builtin_frame_address(0) & 15;\n";
    for i in 0..arguments.len() {
        let _ = writeln!(text, "    seen[{i}] = 0; memcpy(&seen[{i}], &a{i}, sizeof a{i});");
    }
    let value = |what: &str| match returns {
        "void" => String::new(),
        _ => format!("    {returns} r; {what}\n"),
    };
    text += &value("memcpy(&r, result, sizeof r); return r;");
    let _ = writeln!(
        text,
        "}}\nvoid caller_{number}({returns} (*f)({parameters}), const uint64_t *in, uint64_t *out) {{"
    );
    for (i, ty) in arguments.iter().enumerate() {
        let _ = writeln!(text, "    {ty} a{i}; memcpy(&a{i}, &in[{i}], sizeof a{i});");
    }
    let passed: Vec<String> = (0..arguments.len()).map(|i| format!("a{i}")).collect();
    let call = format!("f({})", passed.join(", "));
    text += &match returns {
        "void" => format!("    {call};\n"),
        _ => value(&format!("r = {call}; memcpy(out, &r, sizeof r);")),
    };
    text + "}\n"
}

impl Library {
    /// Compile. `None` if there is no C compiler.
    pub(crate) fn compile(functions: &str) -> Option<Library> {
        let file = std::env::temp_dir().join(format!("jit-abi-{}", std::process::id()));
        let (source, library) = (file.with_extension("c"), file.with_extension("so"));
        std::fs::write(&source, HEAD.to_owned() + functions).expect("a writable directory");
        let output = Command::new("cc")
            .args(["-O1", "-w", "-shared", "-fPIC", "-o"])
            .args([&library, &source])
            .output();
        let _ = std::fs::remove_file(&source);
        let output = output.ok()?;
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let name = CString::new(library.to_str().expect("a name")).expect("no zeros");
        // SAFETY: a library of plain functions, without initialisers.
        let handle = unsafe { libc::dlopen(name.as_ptr(), libc::RTLD_NOW) };
        assert!(!handle.is_null(), "the library that was compiled can be loaded");
        Some(Library { handle, file: library })
    }

    pub(crate) fn address(&self, name: &str) -> usize {
        let name = CString::new(name).expect("no zeros");
        // SAFETY: the library is loaded until `self` is dropped.
        let address = unsafe { libc::dlsym(self.handle, name.as_ptr()) };
        assert!(!address.is_null(), "{name:?}");
        address.expose_provenance()
    }
}

impl Drop for Library {
    fn drop(&mut self) {
        // SAFETY: loaded once, and nobody has its addresses any longer.
        unsafe { libc::dlclose(self.handle) };
        let _ = std::fs::remove_file(&self.file);
    }
}
