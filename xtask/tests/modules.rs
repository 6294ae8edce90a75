//! The modules of the ticketing platform depend on each other in one direction, and each keeps its layers apart as
//! `docs/architecture.md` lists them.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::read_to_string,
    path::{Path, PathBuf},
};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_path_buf()
}

/// A source file of the platform: its module, its path within `src`, and what is compiled of it outside of tests.
struct Source {
    module: String,
    path: String,
    text: String,
}

fn sources() -> Vec<Source> {
    let src = root().join("examples/ticketing/src");
    let (mut found, mut folders) = (Vec::new(), vec![src.clone()]);
    while let Some(folder) = folders.pop() {
        for entry in folder.read_dir().unwrap() {
            let file = entry.unwrap().path();
            if file.is_dir() {
                folders.push(file);
                continue;
            }
            let path = file.strip_prefix(&src).unwrap().to_str().unwrap().to_owned();
            if !path.ends_with(".rs") || path.ends_with("tests.rs") || ["lib.rs", "main.rs"].contains(&path.as_str()) {
                continue;
            }
            let text = read_to_string(&file).unwrap();
            let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
            let text = text.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n");
            let module = path.split(['/', '.']).next().unwrap().to_owned();
            found.push(Source { module, path, text });
        }
    }
    found
}

/// The names that follow `crate::` in a text, also those of a list.
fn named(text: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for part in text.split("crate::").skip(1) {
        let Some(list) = part.strip_prefix('{') else {
            found.insert(word(part));
            continue;
        };
        let (mut depth, mut item) = (0_u32, String::new());
        for character in list.chars() {
            match character {
                '}' if depth == 0 => break,
                '}' => depth -= 1,
                '{' => depth += 1,
                ',' if depth == 0 => {
                    found.insert(word(item.trim()));
                    item.clear();
                }
                _ if depth == 0 => item.push(character),
                _ => {}
            }
        }
        found.insert(word(item.trim()));
    }
    found
}

fn word(text: &str) -> String {
    text.chars().take_while(|character| character.is_alphanumeric() || *character == '_').collect()
}

/// The edge of the platform: what knows the whole of it, such as routes.
fn is_edge(source: &Source) -> bool {
    let uses = named(&source.text);
    ["app", "http"].iter().any(|outer| source.module == *outer || uses.contains(*outer))
}

#[test]
fn modules_depend_on_each_other_in_one_direction() {
    let sources = sources();
    let modules: BTreeSet<&str> = sources.iter().map(|source| source.module.as_str()).collect();
    let mut uses: BTreeMap<&str, BTreeMap<String, &str>> = BTreeMap::new();
    for source in sources.iter().filter(|source| !is_edge(source)) {
        let of = uses.entry(&source.module).or_default();
        for name in named(&source.text) {
            if name != source.module && modules.contains(name.as_str()) {
                of.entry(name).or_insert(&source.path);
            }
        }
    }
    assert!(uses.len() > 40 && uses["order"].contains_key("inventory"), "{uses:?}");
    // What needs nothing that is left is done; what can never be done goes round in a circle.
    while !uses.is_empty() {
        let done: Vec<_> = uses
            .iter()
            .filter(|(_, of)| !of.keys().any(|name| uses.contains_key(name.as_str())))
            .map(|(name, _)| *name)
            .collect();
        if done.is_empty() {
            uses = round(uses);
            panic!("these modules need each other; the file that says so stands beside each: {uses:#?}");
        }
        uses.retain(|name, _| !done.contains(name));
    }
}

/// Those of which others are in need as well: the circle, and what is on the way from one to another.
fn round<'s>(mut uses: BTreeMap<&'s str, BTreeMap<String, &'s str>>) -> BTreeMap<&'s str, BTreeMap<String, &'s str>> {
    loop {
        let needed: BTreeSet<String> = uses.values().flat_map(|of| of.keys().cloned()).collect();
        let before = uses.len();
        uses.retain(|name, _| needed.contains(*name));
        let left: BTreeSet<String> = uses.keys().map(|name| (*name).to_owned()).collect();
        for of in uses.values_mut() {
            of.retain(|name, _| left.contains(name));
        }
        if uses.len() == before {
            return uses;
        }
    }
}

/// What `docs/architecture.md` lists: by module the files and folders of domain, storage and edge.
fn layers() -> BTreeMap<String, [Vec<String>; 3]> {
    let text = read_to_string(root().join("docs/architecture.md")).unwrap();
    let table = text.split("| Module | Domain | Storage | Edge |").nth(1).unwrap();
    let rows = table.lines().skip(2).take_while(|line| line.starts_with('|'));
    rows.map(|row| {
        let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
        let files = |cell: &str| cell.split('`').skip(1).step_by(2).map(str::to_owned).collect();
        (cells[0].trim_matches('`').to_owned(), [files(cells[1]), files(cells[2]), files(cells[3])])
    })
    .collect()
}

#[test]
fn domain_is_pure_sql_is_in_the_storage_and_only_the_edge_knows_the_platform() {
    let (layers, sources) = (layers(), sources());
    let modules: Vec<&str> = layers.keys().map(String::as_str).collect();
    let seeds = "admission inventory marketing notification order payment risk search show user";
    assert_eq!(modules, seeds.split(' ').collect::<Vec<_>>());
    let mut wrong = Vec::new();
    for (module, [domain, storage, edge]) in &layers {
        let of: Vec<&Source> = sources.iter().filter(|source| source.module == *module).collect();
        let is_in = |files: &[String], source: &Source| {
            let path = source.path.strip_prefix(&format!("{module}/")).unwrap();
            files.iter().any(|file| path == file || file.ends_with('/') && path.starts_with(file.as_str()))
        };
        for (layer, files) in [("domain", domain), ("storage", storage), ("edge", edge)] {
            assert!(!files.is_empty(), "{module} has no {layer}");
            for file in files {
                let there = root().join("examples/ticketing/src").join(module).join(file).exists();
                if !there {
                    wrong.push(format!("{module}/{file} is listed and not there"));
                }
            }
        }
        for source in of {
            let text = &source.text;
            let waits = text.contains("async ") || text.contains(".await");
            let stores = text.contains("sql::") || text.contains(".sql\")") || text.contains("sea_orm");
            let is_facade = source.path.ends_with("/mod.rs");
            if is_in(domain, source) && (waits || stores || text.contains("Database")) {
                wrong.push(format!("{} is of the domain, and waits or stores", source.path));
            }
            if !is_in(storage, source) && !is_in(edge, source) && stores && !is_facade {
                wrong.push(format!("{} has SQL and is not of the storage", source.path));
            }
            if is_edge(source) != is_in(edge, source) {
                wrong.push(format!("{}: who knows `app` or `http` is of the edge, and nobody else", source.path));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}
