//! The documents point at things that exist, and show code that is compiled and run.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

mod deployment;

use std::fs::read_to_string;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_path_buf()
}

/// Every Markdown file of the repository, but not of what was built or checked out inside it.
fn documents() -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![root()];
    while let Some(folder) = folders.pop() {
        for entry in folder.read_dir().unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap();
            if path.is_dir() && !name.starts_with('.') && !["target", "data", "node_modules"].contains(&name) {
                folders.push(path);
            } else if name.ends_with(".md") {
                found.push(path);
            }
        }
    }
    found
}

/// The targets of `[text](target)` outside of code.
fn links(text: &str) -> Vec<&str> {
    let mut in_code = false;
    let mut links = Vec::new();
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            in_code = !in_code;
        }
        if in_code {
            continue;
        }
        for (position, _) in line.match_indices("](") {
            let rest = &line[position + 2..];
            links.extend(rest.find(')').map(|end| &rest[..end]));
        }
    }
    links
}

/// The anchor that a heading gets: lower case, spaces to hyphens, punctuation dropped.
fn anchor(heading: &str) -> String {
    let kept = heading.to_lowercase();
    kept.chars()
        .filter(|character| character.is_alphanumeric() || [' ', '-', '_'].contains(character))
        .map(|character| if character == ' ' { '-' } else { character })
        .collect()
}

fn has_anchor(document: &Path, wanted: &str) -> bool {
    let text = read_to_string(document).unwrap();
    text.lines().filter(|line| line.starts_with('#')).any(|line| anchor(line.trim_start_matches('#').trim()) == wanted)
}

#[test]
fn links_between_documents_lead_somewhere() {
    let mut checked = 0;
    let mut broken = Vec::new();
    for document in documents() {
        let text = read_to_string(&document).unwrap();
        for link in links(&text) {
            // Paths inside `rustdoc` (`LockManager::acquire`) are rustdoc's to check.
            if link.contains("://") || link.starts_with("mailto:") || link.contains("::") {
                continue;
            }
            let (path, fragment) = link.split_once('#').unwrap_or((link, ""));
            let target = if path.is_empty() { document.clone() } else { document.parent().unwrap().join(path) };
            let is_document = target.extension().is_some_and(|extension| extension == "md");
            if !target.exists() || (is_document && !fragment.is_empty() && !has_anchor(&target, fragment)) {
                broken.push(format!("{}: {link}", document.display()));
            }
            checked += 1;
        }
    }
    assert!(broken.is_empty(), "{broken:#?}");
    assert!(checked > 10, "only {checked} links were found: does the test still read them?");
}

#[test]
fn every_decision_is_in_the_index() {
    let folder = root().join("docs/decisions");
    let index = read_to_string(folder.join("README.md")).unwrap();
    for entry in folder.read_dir().unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(name == "README.md" || index.contains(&format!("({name})")), "{name} is not in the index");
    }
}

#[test]
fn the_example_in_the_readme_is_the_quickstart_program() {
    let readme = read_to_string(root().join("README.md")).unwrap();
    let program = read_to_string(root().join("examples/quickstart/src/bin/together.rs")).unwrap();
    let (_, shown) = readme.split_once("```rust\n").expect("the README shows an example");
    let (shown, _) = shown.split_once("```").unwrap();
    assert_eq!(shown, program, "README.md and examples/quickstart/src/bin/together.rs differ");
}

#[test]
fn the_readme_names_every_crate() {
    let readme = read_to_string(root().join("README.md")).unwrap();
    for entry in root().read_dir().unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(!name.starts_with("nebula-") || readme.contains(&format!("({name})")), "{name} is not in the README");
    }
}

#[test]
fn anchors_are_made_as_the_forges_make_them() {
    assert_eq!(anchor("What `ci` does, and when"), "what-ci-does-and-when");
}
