//! Dashboard, alert rules, images and checklists of the ticketing platform speak of things that exist.

use std::{
    collections::BTreeSet,
    fs::read_to_string,
    path::{Path, PathBuf},
};

use super::{has_anchor, root};

/// What Prometheus itself says of each target.
const PROMETHEUS: &[&str] = &["up"];
/// What a histogram's name is followed by where it is asked for.
const PARTS: &[&str] = &["_bucket", "_sum", "_count"];

fn deploy(file: &str) -> String {
    read_to_string(root().join("examples/ticketing/deploy").join(file)).unwrap()
}

/// The sources of the program and of the libraries, without their tests.
fn sources() -> String {
    let mut folders = vec![root().join("examples/ticketing/src")];
    folders.extend(root().read_dir().unwrap().filter_map(|entry| {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        (name.starts_with("nebula-") && name != "nebula-test-support").then(|| path.join("src"))
    }));
    let mut text = String::new();
    while let Some(folder) = folders.pop() {
        for entry in folder.read_dir().unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                text.push_str(&read_to_string(path).unwrap());
            }
        }
    }
    text
}

/// Whether what follows a word makes it a function or an aggregation: `rate(`, `sum by (`.
fn is_function(after: &str) -> bool {
    let after = after.trim_start();
    after.starts_with('(') || after.starts_with("by ") || after.starts_with("without ")
}

/// The metrics that an expression asks for.
fn metrics(expression: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut rest = expression;
    while let Some(first) = rest.chars().next() {
        let skip = |end: char| 1 + rest[1..].find(end).map_or(rest.len() - 1, |at| at + end.len_utf8());
        match first {
            '"' => rest = &rest[skip('"')..],
            '{' => rest = &rest[skip('}')..],
            '[' => rest = &rest[skip(']')..],
            _ if first.is_ascii_alphanumeric() || first == '_' => {
                let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_' && c != '.').unwrap_or(rest.len());
                let (word, after) = rest.split_at(end);
                rest = after;
                match word {
                    "by" | "without" | "on" | "ignoring" => rest = &after[after.find(')').unwrap() + 1..],
                    "or" | "and" | "unless" | "offset" | "bool" => {}
                    _ if first.is_ascii_digit() || is_function(after) => {}
                    _ => found.push(word.to_owned()),
                }
            }
            _ => rest = &rest[first.len_utf8()..],
        }
    }
    found
}

#[test]
fn the_metrics_of_an_expression_are_found() {
    let expression = r#"histogram_quantile(0.95, sum by (le) (rate(a_seconds_bucket{x="b_c {"}[5m]))) > 3 or b_total unless b_total offset 15m"#;
    assert_eq!(metrics(expression), ["a_seconds_bucket", "b_total", "b_total"]);
}

fn unknown(expressions: &[String]) -> BTreeSet<String> {
    let sources = sources();
    let written = |name: &str| sources.contains(&format!("\"{name}\""));
    let known = |name: &String| {
        let histogram = PARTS
            .iter()
            .filter_map(|part| name.strip_suffix(part))
            .any(|name| name.ends_with("_seconds") && written(name));
        PROMETHEUS.contains(&name.as_str()) || histogram || written(name)
    };
    expressions.iter().flat_map(|expression| metrics(expression)).filter(|name| !known(name)).collect()
}

#[test]
fn alert_rules_ask_for_metrics_that_exist_and_name_their_run_books() {
    let rules = deploy("prometheus/alerts.yaml");
    let lines = |key: &str| -> Vec<String> {
        let values = rules.lines().filter_map(|line| line.trim_start().strip_prefix(key)?.strip_prefix(": "));
        values.map(str::to_owned).collect()
    };
    let (alerts, expressions, books) = (lines("- alert"), lines("expr"), lines("runbook"));
    assert!(alerts.len() > 20, "only {} rules were found: does the test still read them?", alerts.len());
    assert_eq!((alerts.len(), alerts.len()), (expressions.len(), books.len()), "every rule has both, each on its line");
    assert!(unknown(&expressions).is_empty(), "nobody writes {:?}", unknown(&expressions));
    for (alert, book) in alerts.iter().zip(books) {
        let (page, section) = book.split_once('#').unwrap();
        assert!(has_anchor(&root().join(page), section), "{alert}: there is no {book}");
        let page = read_to_string(root().join(page)).unwrap();
        assert!(page.contains(&format!("`{alert}`")), "the run-books do not name {alert}");
    }
}

#[test]
fn the_dashboard_asks_for_metrics_that_exist() {
    let dashboard = deploy("grafana/dashboard.json");
    let mut expressions = Vec::new();
    for (_, rest) in dashboard.match_indices("\"expr\": \"").map(|(at, start)| dashboard.split_at(at + start.len())) {
        let mut escaped = false;
        let end = rest.find(|c| {
            let ends = c == '"' && !escaped;
            escaped = c == '\\' && !escaped;
            ends
        });
        expressions.push(rest[..end.unwrap()].replace("\\\"", "\""));
    }
    assert!(expressions.len() > 40, "only {} questions were found: does the test still read them?", expressions.len());
    assert!(unknown(&expressions).is_empty(), "nobody writes {:?}", unknown(&expressions));
}

#[test]
fn the_image_is_built_by_the_compiler_of_the_project() {
    let toolchain = read_to_string(root().join("rust-toolchain.toml")).unwrap();
    let channel = toolchain.lines().find_map(|line| line.strip_prefix("channel = \"")?.strip_suffix('"')).unwrap();
    assert!(deploy("Dockerfile").lines().any(|line| line == format!("ARG RUST={channel}")), "not {channel}");
}

/// Tests as the documents of the platform name them: `tests/file.rs::name`, relative to the platform or to the root.
fn named_tests(text: &str) -> Vec<(PathBuf, &str)> {
    let codes = text.split('`').skip(1).step_by(2);
    let tests = codes.filter_map(|code| code.split_once(".rs::"));
    tests.map(|(file, name)| (Path::new(file).with_extension("rs"), name)).collect()
}

#[test]
fn the_tests_that_documents_name_exist() {
    for document in ["docs/checklist.md", "docs/guarantees.md"] {
        let text = read_to_string(root().join(document)).unwrap();
        let tests = named_tests(&text);
        assert!(tests.len() > 20, "only {} tests were found in {document}", tests.len());
        for (file, name) in tests {
            let places = [root().join("examples/ticketing").join(&file), root().join(&file)];
            let source = places.iter().find_map(|place| read_to_string(place).ok());
            let source = source.unwrap_or_else(|| panic!("{document}: there is no {}", file.display()));
            let there = source.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').any(|word| word == name);
            assert!(there, "{document}: {} has no test {name}", file.display());
        }
    }
}

#[test]
fn the_checklist_counts_its_lines() {
    let text = read_to_string(root().join("docs/checklist.md")).unwrap();
    let rows: Vec<Vec<&str>> = text
        .lines()
        .filter_map(|line| line.strip_prefix("| ")?.strip_suffix(" |"))
        .map(|line| line.split(" | ").collect::<Vec<_>>())
        .filter(|cells| cells.len() == 4 && cells[0].chars().any(|c| c.is_ascii_digit()))
        .collect();
    let ids: BTreeSet<&str> = rows.iter().map(|cells| cells[0]).collect();
    assert!(ids.len() == rows.len() && rows.len() > 150, "{} lines, {} ids", rows.len(), ids.len());
    for state in ["yes", "in part", "not yet", "otherwise", "later"] {
        let counted = rows.iter().filter(|cells| cells[2] == state).count();
        assert!(text.contains(&format!("| {state} | {counted} |")), "{counted} lines are `{state}`");
    }
    let strange: Vec<_> =
        rows.iter().filter(|cells| !["yes", "in part", "not yet", "otherwise", "later"].contains(&cells[2])).collect();
    assert!(strange.is_empty(), "{strange:?}");
}
