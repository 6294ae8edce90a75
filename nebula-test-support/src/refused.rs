//! Programs that must not compile, and what the compiler says about them.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

/// Compiles every program in `folder` (of the crate under test) and holds what the compiler says against the file `.stderr`
/// beside it. With `REFUSED=write` in the environment these files are written instead.
///
/// The programs are given to `rustc` together with the newest build of each of `crates` that lies beside the running test:
/// nothing that `cargo test` has built for the test is built again, whatever its features are.
///
/// # Panics
/// If a program compiles, if the compiler says something else, or if there is no program.
pub fn refused(folder: &str, crates: &[&str]) {
    let here = env::current_dir().unwrap_or_else(|error| panic!("no working directory: {error}"));
    let built = beside_this_test();
    let externs: Vec<String> =
        crates.iter().map(|name| format!("--extern={name}={}", newest(&built, name).display())).collect();
    let out = tempfile::tempdir().unwrap_or_else(|error| panic!("no temporary folder: {error}"));
    let mut programs = listed(&here.join(folder));
    programs.retain(|path| path.extension().is_some_and(|extension| extension == "rs"));
    programs.sort();
    assert!(!programs.is_empty(), "no program in {folder}");
    let mut wrong = Vec::new();
    for program in programs {
        let program = program.strip_prefix(&here).unwrap_or(&program);
        let output = Command::new(env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()))
            .args(["--edition=2024", "--crate-type=bin", "--emit=metadata", "--color=never", "--diagnostic-width=140"])
            .args(["-Adead_code", "--out-dir"])
            .arg(out.path())
            .arg(format!("-Ldependency={}", built.display()))
            .args(&externs)
            .arg(program)
            .output()
            .unwrap_or_else(|error| panic!("rustc cannot be run: {error}"));
        let said = neutral(&String::from_utf8_lossy(&output.stderr), &program.to_string_lossy());
        let expected = program.with_extension("stderr");
        if output.status.success() {
            wrong.push(format!("{} compiles", program.display()));
        } else if env::var("REFUSED").is_ok_and(|wish| wish == "write") {
            fs::write(&expected, said).unwrap_or_else(|error| panic!("{}: {error}", expected.display()));
        } else if fs::read_to_string(&expected).unwrap_or_default() != said {
            wrong.push(format!("{} does not say what the compiler says:\n{said}", expected.display()));
        }
    }
    assert!(wrong.is_empty(), "{}\n(REFUSED=write writes what the compiler says)", wrong.join("\n\n"));
}

/// The folder of what was built for the running test.
fn beside_this_test() -> PathBuf {
    let test = env::current_exe().unwrap_or_else(|error| panic!("where is this test? {error}"));
    test.parent().map(Path::to_path_buf).unwrap_or_default()
}

fn listed(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    entries.filter_map(|entry| Some(entry.ok()?.path())).collect()
}

/// The library of this name that was built last.
fn newest(built: &Path, name: &str) -> PathBuf {
    let prefix = format!("lib{name}-");
    let is_it = |path: &PathBuf| {
        let file = path.file_name().and_then(|file| file.to_str()).unwrap_or_default();
        file.starts_with(&prefix) && path.extension().is_some_and(|extension| extension == "rlib")
    };
    let found =
        listed(built).into_iter().filter(is_it).max_by_key(|path| path.metadata().and_then(|it| it.modified()).ok());
    found.unwrap_or_else(|| panic!("{name} is not in {}: is it a dependency of the test?", built.display()))
}

/// Without what differs between machines, and without what stands in files that are not the program's.
fn neutral(said: &str, program: &str) -> String {
    let mut lines = Vec::new();
    let (mut foreign, mut listing) = (false, false);
    for line in said.lines() {
        let text = line.trim_start();
        // Which types implement a trait depends on everything that is linked in.
        if listing && line.starts_with("          ") {
            continue;
        }
        listing = line.contains("other types implement trait");
        let place = text.strip_prefix("--> ").or_else(|| text.strip_prefix("::: "));
        if let Some(place) = place {
            foreign = !place.starts_with(program);
            if foreign {
                let file = place.split(".rs:").next().unwrap_or(place);
                let file =
                    if file.starts_with('/') { file.rsplit_once("/src/").map_or(file, |(_, rest)| rest) } else { file };
                let indent = line.strip_suffix(place).unwrap_or_default();
                lines.push(format!("{indent}{file}.rs"));
                continue;
            }
        } else if foreign && text.starts_with(|first: char| first == '|' || first == '.' || first.is_ascii_digit()) {
            continue;
        } else {
            foreign = false;
        }
        if !(line.starts_with("error: aborting due to")
            || line.starts_with("For more information about")
            || line.starts_with("Some errors have detailed explanations"))
        {
            lines.push(line.trim_end().to_owned());
        }
    }
    while lines.last().is_some_and(String::is_empty) {
        lines.pop();
    }
    lines.join("\n") + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAID: &str = "\
error: no
 --> tests/a.rs:1:2
  |
1 | no
  | ^^
note: there
   --> /home/me/lock/src/held.rs:7:8
    |
7   |   fn held() {}
    |      ^^^^
   ::: kit/src/other.rs:9:1
    |
9   | struct Other;
    | -----
  = help: the following other types implement trait `Body`:
            &str
            String
          and 7 others
  = note: so it is

error: aborting due to 1 previous error

For more information about this error, try `rustc --explain E0308`.
";

    const NEUTRAL: &str = "\
error: no
 --> tests/a.rs:1:2
  |
1 | no
  | ^^
note: there
   --> held.rs
   ::: kit/src/other.rs
  = help: the following other types implement trait `Body`:
  = note: so it is
";

    #[test]
    fn what_differs_between_machines_is_left_out() {
        assert_eq!(neutral(SAID, "tests/a.rs"), NEUTRAL);
    }
}
