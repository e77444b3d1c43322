//! What an instruction costs to compile where the templates are written, beside dynasm-rs and ready bytes.
//!
//! `cargo bench -p jit-benches --bench macro_time`

use jit_benches::contest::{Spread, aim_at_most};
use jit_benches::macro_time::{Contestant as Source, INSTRUCTIONS, source};
use jit_benches::{Contestant, contest};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;
use std::{env, fs};

const ROUNDS: usize = 9;
/// Builds of the macros, each from nothing.
const BUILDS: usize = 3;
const EMPTY: &str = "empty bodies";
const EMPTY_DYNASM: &str = "empty bodies, dynasm-rs";
const X64: &str = "`x64!`";
const TEMPLATES: &str = "`templates!`";
const READY: &str = "ready bytes";
const DYNASM: &str = "dynasm-rs";

fn main() {
    let scratch = Scratch::new();
    println!(
        "{INSTRUCTIONS} instructions, {ROUNDS} rounds; `cargo build --release`, what they need being built"
    );
    let ours =
        scratch.package("ours", &format!("jit-runtime = {{ path = {:?} }}", workspace().join("jit-runtime")));
    let dynasm = scratch.package("theirs", "dynasm = \"5.1\"\ndynasmrt = \"5.1\"");
    let instructions = contest(
        ROUNDS,
        vec![
            building(EMPTY, &ours, Source::X64, true),
            building(X64, &ours, Source::X64, false),
            building(TEMPLATES, &ours, Source::Templates, false),
            building(READY, &ours, Source::Ready, false),
            building(EMPTY_DYNASM, &dynasm, Source::Dynasm, true),
            building(DYNASM, &dynasm, Source::Dynasm, false),
        ],
    );
    let per = 1e6 * INSTRUCTIONS as f64;
    println!("\n{:12}  {:>24}  {:>24}", "", "ms / instruction", "s / build");
    for (name, empty) in [(X64, EMPTY), (TEMPLATES, EMPTY), (READY, EMPTY), (DYNASM, EMPTY_DYNASM)] {
        let (each, all) = (instructions.above(name, empty, per), instructions.time(name, 1e9));
        println!("{name:12}  {:>24}  {:>24}", each.to_string(), all.to_string());
    }
    for empty in [EMPTY, EMPTY_DYNASM] {
        println!("{empty:38}  {:>24}", instructions.time(empty, 1e9).to_string());
    }
    for name in [X64, TEMPLATES] {
        aim_at_most(&format!("{name}, ms an instruction"), instructions.above(name, EMPTY, per).median, 0.3);
    }

    let macros = format!("jit-asm-macros = {{ path = {:?} }}", workspace().join("jit-asm-macros"));
    let seconds =
        Spread::of((0..BUILDS).map(|n| from_nothing(&scratch, &format!("macros{n}"), &macros)).collect());
    println!("\nThe macros with all that they need, from nothing, two jobs: {seconds} s");
    aim_at_most("s to build the macros", seconds.median, 15.0);
}

/// A build of `package` with its source written anew.
fn building<'a>(name: &'static str, package: &'a Path, who: Source, empty: bool) -> Contestant<'a> {
    let text = source(who, empty);
    Contestant::new(name, move || {
        fs::write(package.join("src/lib.rs"), &text).expect("a source in the scratch directory");
        build(package, &[]);
    })
}

/// The seconds that a package with nothing in it takes to build, with everything that it needs.
fn from_nothing(scratch: &Scratch, name: &str, dependencies: &str) -> f64 {
    let package = scratch.package(name, dependencies);
    let start = Instant::now();
    build(&package, &["--jobs", "2"]);
    start.elapsed().as_secs_f64()
}

fn build(package: &Path, options: &[&str]) {
    let cargo = env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let done = Command::new(cargo)
        .args(["build", "--release", "--offline", "--quiet", "--target-dir", "target"])
        .args(options)
        .current_dir(package)
        .status()
        .expect("cargo runs");
    assert!(done.success(), "{} does not build", package.display());
}

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("benches stands in the workspace").to_owned()
}

/// A directory that is removed in the end.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Scratch {
        let path = env::temp_dir().join(format!("jit-macro-time-{}", std::process::id()));
        fs::create_dir_all(&path).expect("a scratch directory");
        Scratch(path)
    }

    /// An empty package with the versions of this workspace.
    fn package(&self, name: &str, dependencies: &str) -> PathBuf {
        let package = self.0.join(name);
        fs::create_dir_all(package.join("src")).expect("a scratch directory");
        let manifest = format!(
            "[package]\nname = {name:?}\nversion = \"0.0.0\"\nedition = \"2024\"\n\n[workspace]\n\n[dependencies]\n{dependencies}\n"
        );
        fs::write(package.join("Cargo.toml"), manifest).expect("a manifest");
        fs::write(package.join("src/lib.rs"), "").expect("a source");
        fs::copy(workspace().join("Cargo.lock"), package.join("Cargo.lock"))
            .expect("the versions of the workspace");
        package
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
