//! The walls of `ARCHITECTURE.md` as a table: who may name whom, crate to crate and module to module.
//!
//! A new edge is a reviewed line here. The check is of text, so it cannot be fooled by what compiles:
//! dependencies as the manifests write them, and `crate::module` paths in the sources.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Each crate and the crates of this workspace that its `[dependencies]` may name.
const CRATES: &[(&str, &[&str])] = &[
    ("jit-asm", &[]),
    ("jit-asm-macros", &["jit-asm"]),
    ("jit-runtime", &["jit-asm", "jit-asm-macros"]),
    ("jit-vm", &["jit-runtime"]),
];

/// Each module of `jit-runtime` and the modules it may name: the table in `ARCHITECTURE.md`.
const RUNTIME: &[(&str, &[&str])] = &[
    ("memory", &[]),
    ("registers", &[]),
    ("stitch", &["memory"]),
    ("frame", &["stitch"]),
    ("abi", &["registers", "stitch", "frame"]),
    ("transition", &["memory", "stitch", "frame", "abi"]),
    ("deopt", &["stitch", "frame"]),
    ("tier", &["memory", "deopt", "transition"]),
    ("observe", &["memory", "stitch", "frame", "deopt"]),
    // Asserts of all their types what may go to another thread.
    ("threads", &["memory", "registers", "stitch", "frame", "abi", "transition", "deopt", "tier", "observe"]),
];

/// Each module of `jit-asm`, and of its `x64`, and what it may name.
const ASM: &[(&str, &[&str])] = &[
    ("cond", &[]),
    ("constant", &[]),
    ("features", &[]),
    ("reg", &[]),
    ("location", &["reg"]),
    ("template", &["features", "reg"]),
    ("padding", &[]),
    ("sink", &["padding", "template"]),
    ("x64", &["features", "location", "reg", "template"]),
    ("syntax", &["reg", "template", "x64"]),
];

/// Each module of `jit-vm`, from the bytecode up to the tiers, and what it may name.
const VM: &[(&str, &[&str])] = &[
    ("value", &[]),
    ("op", &[]),
    ("module", &["value", "op"]),
    ("verify", &["value", "op", "module"]),
    ("error", &["value", "op", "verify"]),
    ("semantics", &["value", "op", "error"]),
    ("build", &["value", "op", "module"]),
    ("text", &["value", "op", "module", "verify"]),
    ("profile", &["value", "op", "verify"]),
    ("interpreter", &["value", "op", "verify", "error", "semantics", "profile"]),
    ("abi", &["value"]),
    ("baseline", &["value", "op", "module", "verify", "profile", "semantics", "abi"]),
    ("mixed", &["value", "op", "verify", "error", "profile", "interpreter", "abi", "baseline"]),
    // The checkers of the interpreter: they may name neither it nor what it computes with.
    ("testing", &["value", "op", "module", "verify", "error", "build", "text"]),
];

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// The Rust files of a module: `name.rs`, and everything under `name/`.
fn files_of(src: &Path, module: &str) -> Vec<PathBuf> {
    let mut found = vec![];
    let file = src.join(format!("{module}.rs"));
    if file.is_file() {
        found.push(file);
    }
    let mut rooms = vec![src.join(module)];
    while let Some(room) = rooms.pop() {
        let Ok(entries) = fs::read_dir(&room) else { continue };
        for entry in entries {
            let path = entry.expect("a readable directory").path();
            if path.is_dir() {
                rooms.push(path);
            } else if path.extension().is_some_and(|e| e == "rs") {
                found.push(path);
            }
        }
    }
    found
}

/// The modules that `text` names as `crate::module`, also inside `use crate::{a::B, c}`.
fn named_modules(text: &str) -> BTreeSet<String> {
    let word = |s: &str| s.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>();
    let mut names = BTreeSet::new();
    for (at, _) in text.match_indices("crate::") {
        // `$crate` and `other_crate::` are other things.
        if text[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_') {
            continue;
        }
        let rest = &text[at + "crate::".len()..];
        if !rest.starts_with('{') {
            names.insert(word(rest));
            continue;
        }
        let mut depth = 0;
        let mut fresh = true;
        for (i, c) in rest.char_indices() {
            match c {
                '{' => {
                    depth += 1;
                    fresh = depth == 1;
                    continue;
                }
                '}' => depth -= 1,
                ',' => {
                    fresh = depth == 1;
                    continue;
                }
                _ => {}
            }
            if depth == 0 {
                break;
            }
            if fresh && !c.is_whitespace() {
                names.insert(word(&rest[i..]));
                fresh = false;
            }
        }
    }
    names
}

/// Code only: what follows `//` on a line is prose, and may link wherever it likes.
fn code(text: &str) -> String {
    text.lines().map(|l| l.split("//").next().unwrap_or("")).collect::<Vec<_>>().join("\n")
}

fn broken(src: &Path, table: &[(&str, &[&str])]) -> Vec<String> {
    let rooms: BTreeSet<&str> = table.iter().map(|(m, _)| *m).collect();
    let mut found = vec![];
    for (module, may) in table {
        for file in files_of(src, module) {
            let text = fs::read_to_string(&file).expect("a readable source");
            for named in named_modules(&code(&text)) {
                if rooms.contains(named.as_str()) && named != *module && !may.contains(&named.as_str()) {
                    found.push(format!("{} names `{named}`; {module} may name {may:?}", file.display()));
                }
            }
        }
    }
    found
}

#[test]
fn no_crate_names_one_above_it() {
    for (name, may) in CRATES {
        let manifest = fs::read_to_string(root().join(name).join("Cargo.toml")).expect("a manifest");
        let dependencies =
            manifest.split("\n[").find(|section| section.starts_with("dependencies]")).unwrap_or("");
        for (other, _) in CRATES {
            let named = dependencies.lines().any(|l| l.split(['.', ' ', '=']).next() == Some(other));
            assert!(!named || may.contains(other), "{name} depends on {other}; it may on {may:?}");
        }
    }
}

#[test]
fn modules_keep_their_walls() {
    let mut found = broken(&root().join("jit-runtime/src"), RUNTIME);
    found.extend(broken(&root().join("jit-asm/src"), ASM));
    found.extend(broken(&root().join("jit-vm/src"), VM));
    assert!(found.is_empty(), "{}", found.join("\n"));
}

/// The rows of the table of `jit-runtime` in `ARCHITECTURE.md`: a module, whom it may name, whether it is a room of
/// `unsafe`.
fn rows_of_the_page() -> Vec<(String, Vec<String>, bool)> {
    let page = fs::read_to_string(root().join("ARCHITECTURE.md")).expect("the page");
    let table = page.split("\n| module | may name |").nth(1).expect("the table").lines().skip(2);
    let row = |line: &str| {
        let [_, module, may, _, room, _] = line.split('|').map(str::trim).collect::<Vec<_>>()[..] else {
            panic!("{line} is no row")
        };
        let may = may.split(", ").filter(|named| *named != "nobody").map(str::to_owned).collect();
        (module.trim_matches('`').to_owned(), may, !room.is_empty())
    };
    table.take_while(|line| line.starts_with('|')).map(row).collect()
}

#[test]
fn the_page_has_the_same_table() {
    let page = rows_of_the_page();
    let page: Vec<(&str, Vec<&str>)> =
        page.iter().map(|(m, may, _)| (&**m, may.iter().map(|m| &**m).collect())).collect();
    let here: Vec<(&str, Vec<&str>)> = RUNTIME.iter().map(|(m, may)| (*m, may.to_vec())).collect();
    assert_eq!(page, here);
}

/// Only rooms take the lint away that denies `unsafe`, and each of them needs to.
#[test]
fn unsafe_stays_in_its_rooms() {
    for (module, _, is_room) in rows_of_the_page() {
        let takes_it_away = |file: &PathBuf| {
            let text = fs::read_to_string(file).expect("a readable source");
            code(&text).contains("allow(unsafe_code")
        };
        let found: Vec<_> =
            files_of(&root().join("jit-runtime/src"), &module).into_iter().filter(takes_it_away).collect();
        assert_eq!(!found.is_empty(), is_room, "{module}: {found:?}");
    }
}

/// Every module stands in the table: one that does not would have no walls at all.
#[test]
fn every_module_has_walls() {
    for (src, table) in [("jit-runtime/src", RUNTIME), ("jit-asm/src", ASM), ("jit-vm/src", VM)] {
        for entry in fs::read_dir(root().join(src)).expect("sources") {
            let path = entry.expect("an entry").path();
            let name = path.file_stem().expect("a name").to_string_lossy().into_owned();
            assert!(
                name == "lib" || table.iter().any(|(m, _)| *m == name),
                "{} is in no table of walls",
                path.display()
            );
        }
    }
}

/// The names in the groups and paths of declarations that begin with `start`, as `pub use m::{A, B}` has them.
fn names_in<'a>(text: &'a str, start: &str) -> Vec<&'a str> {
    let declarations = text.split(start).skip(1).filter_map(|rest| rest.split(';').next());
    let names = declarations.flat_map(|declared| {
        let group = declared.split_once('{').map_or(declared, |(_, group)| group.trim_end_matches('}'));
        group.split(',').map(|name| name.rsplit("::").next().unwrap_or(name))
    });
    names.filter_map(|name| name.split_whitespace().next()).collect()
}

/// The types that a module of `jit-runtime` gives to its clients. Traits are not among them, nor are functions and
/// constants.
fn public_types(module: &str) -> BTreeSet<String> {
    let src = root().join("jit-runtime/src");
    let read = |path: &PathBuf| code(&fs::read_to_string(path).expect("a readable source"));
    let all: Vec<String> = files_of(&src, module).iter().map(read).collect();
    let declared = |word: &str| {
        let names = all.iter().flat_map(|text| text.split(word).skip(1));
        let until = |c: char| !c.is_alphanumeric() && c != '_';
        names.map(|rest| rest.split(until).next().unwrap_or("").to_owned()).collect::<BTreeSet<_>>()
    };
    let types =
        ["pub struct ", "pub enum ", "pub type ", "pub union "].iter().flat_map(|word| declared(word));
    let types: BTreeSet<String> = types.collect();
    let top = read(&src.join(module).join("mod.rs"));
    let mut names: BTreeSet<String> = names_in(&top, "pub use ").into_iter().map(str::to_owned).collect();
    for open in top.split("\npub mod ").skip(1).filter_map(|rest| rest.split(';').next()) {
        let Ok(text) = fs::read_to_string(src.join(module).join(format!("{open}.rs"))) else { continue };
        for word in ["\npub struct ", "\npub enum "] {
            let names_here = text.split(word).skip(1);
            let until = |c: char| !c.is_alphanumeric() && c != '_';
            names.extend(names_here.map(|rest| rest.split(until).next().unwrap_or("").to_owned()));
        }
    }
    names.intersection(&types).cloned().collect()
}

/// Of each type it is asserted what may go to another thread: it is imported there, and rustc says what is not used.
#[test]
fn every_public_type_may_go_to_other_threads_or_may_not() {
    let threads = fs::read_to_string(root().join("jit-runtime/src/threads.rs")).expect("a readable source");
    let mut missing = vec![];
    for (module, _) in RUNTIME.iter().filter(|(module, _)| *module != "threads") {
        let asserted: BTreeSet<&str> = ["", "::policy"]
            .iter()
            .flat_map(|inner| names_in(&threads, &format!("use crate::{module}{inner}::")))
            .collect();
        let types = public_types(module);
        assert!(types.len() > 4, "{module}: {types:?}");
        missing.extend(types.into_iter().filter(|name| !asserted.contains(&**name)).map(|n| (*module, n)));
    }
    assert!(missing.is_empty(), "not in `threads.rs`: {missing:?}");
}

#[test]
fn the_check_sees_paths_and_groups() {
    let text = "use crate::a::B;\nuse crate::{c::{D, E}, f};\nlet x = crate::g::h(); $crate::i; my_crate::j";
    let seen: Vec<String> = named_modules(text).into_iter().collect();
    assert_eq!(seen, ["a", "c", "f", "g", "i"]);
}
