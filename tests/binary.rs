//! What a user's program carries: the bytes of its templates and their descriptions, and nothing of the table that
//! made them.
//!
//! A small package is built as a user would, for release, and its binary is searched. The same search in the macros'
//! own library, which does carry the table, shows that it would find something.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

/// Names that the table has and the package below does not use, and the path of the table in symbols.
const OF_THE_TABLE: [&str; 5] = ["movsxd", "cmovnae", "setnge", "cannot be encoded", "jit_asm3x64"];

const PROGRAM: &str = r#"
use jit_runtime::{Gpr, stitch::{Assembler, Label}, templates, x64};

templates! {
    /// Adds a slot, and leaves on overflow.
    fn add_slot(sum: Gpr, slot: i32, overflow: Label) = x64!< add {sum: r64}, [rbp + {slot}]; jo {overflow} >;
}

fn main() {
    let mut asm = Assembler::with_listing();
    let overflow = asm.label();
    add_slot(&mut asm, Gpr::R9, -16, overflow);
    x64!(asm => xor eax, eax; ret);
    asm.bind(overflow);
    x64!(asm => ud2);
    println!("{:x?}, {:?}", asm.seal().expect("one label, bound").bytes(), add_slot::TEMPLATE);
}
"#;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// What cargo prints, run in `directory`.
fn cargo(directory: &Path, arguments: &[&str]) -> String {
    let done =
        Command::new(env!("CARGO")).args(arguments).current_dir(directory).output().expect("cargo runs");
    assert!(done.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&done.stderr));
    String::from_utf8(done.stdout).expect("cargo speaks UTF-8")
}

/// A user's package with the versions of this workspace.
fn package(name: &str) -> PathBuf {
    let package = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    fs::create_dir_all(package.join("src")).expect("a directory for tests");
    let runtime = root().join("jit-runtime");
    let manifest = format!(
        "[package]\nname = \"user\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\n[workspace]\n\n\
         [dependencies]\njit-runtime = {{ path = {runtime:?}, default-features = false }}\n"
    );
    fs::write(package.join("Cargo.toml"), manifest).expect("a manifest");
    fs::write(package.join("src/main.rs"), PROGRAM).expect("a source");
    fs::copy(root().join("Cargo.lock"), package.join("Cargo.lock")).expect("the versions of the workspace");
    package
}

fn found_in(file: &Path) -> Vec<&'static str> {
    let bytes = fs::read(file).expect("what was built");
    let is_in = |text: &&str| bytes.windows(text.len()).any(|window| window == text.as_bytes());
    OF_THE_TABLE.into_iter().filter(is_in).collect()
}

#[test]
fn a_release_binary_carries_nothing_of_the_table() {
    let package = package("user");
    cargo(&package, &["build", "--release", "--offline", "--target-dir", "target"]);
    let built = package.join("target/release");
    let is_macros = |path: &PathBuf| {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        name.contains("jit_asm_macros") && path.extension().is_some_and(|e| e == env::consts::DLL_EXTENSION)
    };
    let mut libraries = fs::read_dir(built.join("deps")).expect("what was built").filter_map(|entry| {
        let path = entry.ok()?.path();
        is_macros(&path).then_some(path)
    });
    assert_eq!(
        found_in(&libraries.next().expect("the macros were built")),
        OF_THE_TABLE,
        "the search finds it"
    );
    let program = built.join(format!("user{}", env::consts::EXE_SUFFIX));
    assert_eq!(found_in(&program), [""; 0]);
    // It is a program that uses its templates, text included.
    assert!(
        cargo(&package, &["run", "--release", "--offline", "--quiet", "--target-dir", "target"])
            .contains("jo {overflow}")
    );
}

#[test]
fn the_contract_depends_on_nothing() {
    // `default` is empty: a feature that it brought would be named.
    let tree = |directory: &Path, arguments: &[&str]| {
        let arguments =
            [&["tree", "--offline", "--prefix", "none", "--format", "{lib} [{f}]"], arguments].concat();
        cargo(directory, &arguments)
    };
    let alone = tree(&root(), &["--package", "jit-asm", "--edges", "normal,build"]);
    assert_eq!(alone, "jit_asm [default]\n", "neither a feature nor a dependency");
    let linked = tree(&package("user-tree"), &["--edges", "normal,no-proc-macro"]);
    let contract: Vec<&str> = linked.lines().filter(|line| line.starts_with("jit_asm")).collect();
    assert_eq!(contract, ["jit_asm [default]"], "a user's program links the contract alone");
}
