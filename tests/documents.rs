//! The documents: their links lead somewhere, and the commands of the README are those of the CI.

use std::fs;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn documents() -> Vec<PathBuf> {
    let here = [root(), root().join("docs")];
    let entries = here.iter().flat_map(|dir| fs::read_dir(dir).expect("a directory"));
    entries
        .map(|e| e.expect("an entry").path())
        .filter(|p| p.extension().is_some_and(|e| e == "md"))
        .collect()
}

/// The targets of `[text](target)` outside code blocks, without those on the web.
fn links(text: &str) -> Vec<String> {
    let mut found = vec![];
    for (n, part) in text.split("```").enumerate() {
        if n % 2 == 1 {
            continue;
        }
        for (at, _) in part.match_indices("](") {
            let target = part[at + 2..].split([')', '#']).next().unwrap_or_default();
            if !target.is_empty() && !target.contains("://") {
                found.push(target.to_owned());
            }
        }
    }
    found
}

#[test]
fn links_lead_somewhere() {
    let mut broken = vec![];
    for document in documents() {
        let text = fs::read_to_string(&document).expect("a readable document");
        let folder = document.parent().unwrap_or(Path::new("."));
        let dead = links(&text).into_iter().filter(|link| !folder.join(link).exists());
        broken.extend(dead.map(|link| format!("{}: {link}", document.display())));
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
    assert!(links("a [b](c.md), [d](https://e), ```[f](g)``` [h](i#j)") == ["c.md", "i"]);
}

#[test]
fn the_ci_runs_the_test_command_of_the_readme() {
    let readme = fs::read_to_string(root().join("README.md")).expect("a README");
    let ci = fs::read_to_string(root().join(".ci/run")).expect("a CI script");
    let commands: Vec<&str> =
        readme.split("```sh\n").skip(1).filter_map(|block| block.lines().next()).collect();
    assert_eq!(commands.len(), 2, "one command runs the main job, one the tests: {commands:?}");
    assert!(commands[0].starts_with("cargo run --release --example fib"), "{}", commands[0]);
    assert!(ci.lines().any(|line| line == format!("step {}", commands[1])), "{}", commands[1]);
}
