//! What the compiler and its companions say of the sources, and of each library as an application sees it: alone, with the
//! features it asks for.

use std::process::Command;

use crate::error::{Context, Error};
use crate::steps::{Steps, execute, execute_beside};
use crate::workspace::{self, LIBRARIES};

/// Formatting, lints, documentation, and each library alone. Leaves room for what runs beside.
pub(crate) fn all() -> Steps {
    let mut steps = Steps::new();
    let mut beside =
        |name: &str, command: Command| steps.run(name, || execute_beside(&command).map(|()| String::new()));
    beside("fmt", workspace::cargo(["fmt", "--all", "--check"]));
    // This compiles the benchmarks too, those against peers included.
    let clippy = ["clippy", "--workspace", "--all-targets", "--all-features", "--", "-D", "warnings"];
    beside("clippy", workspace::cargo(clippy));
    let mut docs = workspace::cargo(["doc", "--workspace", "--all-features", "--no-deps"]);
    docs.env("RUSTDOCFLAGS", "-D warnings");
    beside("docs", docs);
    each_library_alone(&mut steps);
    steps
}

/// Each library with its default features and with none: what the workspace as a whole unifies away.
fn each_library_alone(steps: &mut Steps) {
    steps.run("each crate alone", || {
        for library in LIBRARIES {
            execute_beside(&workspace::cargo(["check", "--package", library]))?;
            execute_beside(&workspace::cargo(["check", "--package", library, "--no-default-features"]))?;
        }
        Ok(format!("{} crates, default and no features", LIBRARIES.len()))
    });
}

/// Each library with every combination of its features. Warnings count.
pub(crate) fn feature_powerset(steps: &mut Steps) {
    steps.run("feature powerset", || {
        let mut checked = 0;
        for library in LIBRARIES {
            let manifest = std::fs::read_to_string(format!("{library}/Cargo.toml"))
                .context(format_args!("reading the manifest of {library}"))?;
            for combination in powerset(&features(&manifest)) {
                let features = combination.join(",");
                let arguments = ["check", "--package", library, "--no-default-features", "--features", &features];
                execute(workspace::cargo(arguments).env("RUSTFLAGS", "-D warnings"))?;
                checked += 1;
            }
        }
        if checked <= LIBRARIES.len() {
            return Err(Error::new("no features were found: has the layout of the manifests changed?"));
        }
        Ok(format!("{checked} combinations"))
    });
}

/// The names in a manifest's `[features]` table, without `default`.
fn features(manifest: &str) -> Vec<String> {
    manifest
        .lines()
        .skip_while(|line| line.trim() != "[features]")
        .skip(1)
        .take_while(|line| !line.starts_with('['))
        .filter(|line| !line.trim_start().starts_with('#'))
        .filter_map(|line| line.split_once('=').map(|(name, _)| name.trim().to_owned()))
        .filter(|name| name != "default")
        .collect()
}

/// All combinations; of more than eight items, those of up to two and of all but one, and all.
fn powerset(items: &[String]) -> Vec<Vec<&str>> {
    let few = |chosen: &u32| {
        let count = chosen.count_ones() as usize;
        items.len() <= 8 || count <= 2 || count + 1 >= items.len()
    };
    (0..1_u32 << items.len())
        .filter(few)
        .map(|chosen| {
            let is_chosen = |index: &usize| chosen & (1 << index) != 0;
            (0..items.len()).filter(is_chosen).map(|index| items[index].as_str()).collect()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn features_are_read_from_a_manifest() {
        let manifest = "[package]\nname = \"x\"\n\n[features]\ndefault = [\"a\"]\na = []\n# b = []\nc = [\"dep:d\"]\n\n[dependencies]\nd = \"1\"\n";
        assert_eq!(features(manifest), ["a", "c"]);
        assert_eq!(features("[package]\n"), Vec::<String>::new());
    }

    #[test]
    fn a_powerset_has_every_combination_once() {
        let items = ["a", "b", "c"].map(str::to_owned);
        let mut sets: Vec<String> = powerset(&items).iter().map(|set| set.concat()).collect();
        sets.sort();
        assert_eq!(sets, ["", "a", "ab", "abc", "ac", "b", "bc", "c"]);
        let many: Vec<String> = (0..13).map(|number| number.to_string()).collect();
        assert_eq!(powerset(&many).len(), 1 + 13 + 78 + 13 + 1);
    }
}
