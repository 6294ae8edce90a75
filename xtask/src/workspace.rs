//! Where things are: the root, the crates, their examples.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::error::{Context, Error, Result};

/// The crates an application developer adds. `nebula-macros` comes with them and `nebula-test-support` stays here.
pub(crate) const LIBRARIES: &[&str] = &[
    "nebula-auth",
    "nebula-cache",
    "nebula-delay-queue",
    "nebula-lock",
    "nebula-notification",
    "nebula-redis",
    "nebula-rule-engine",
    "nebula-tenant",
];

/// Everything but the benchmarks against peers, which nobody should have to build in order to test.
pub(crate) const ALL_BUT_PEERS: &[&str] = &["--workspace", "--exclude", "nebula-versus"];

/// Makes the root of the workspace the current directory, wherever `cargo xtask` was typed.
pub(crate) fn enter() -> Result {
    // At run time before compile time: several clones may share one target directory.
    let manifest = env::var("CARGO_MANIFEST_DIR").unwrap_or_else(|_| env!("CARGO_MANIFEST_DIR").to_owned());
    let root = Path::new(&manifest).parent().ok_or_else(|| Error::new("xtask has no parent directory"))?;
    env::set_current_dir(root).context(format_args!("entering {}", root.display()))
}

/// A `cargo` of the version that runs us, without the variables that describe xtask itself.
pub(crate) fn cargo<'a>(arguments: impl IntoIterator<Item = &'a str>) -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(arguments).env_remove("CARGO_MANIFEST_DIR").env_remove("CARGO_MANIFEST_PATH");
    command
}

/// Where the libraries are that tests of procedural macros are linked against: the value of `LD_LIBRARY_PATH`.
pub(crate) fn compiler_libraries() -> Result<String> {
    let rustc = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let asked = Command::new(rustc).args(["--print", "target-libdir", "--print", "sysroot"]).output();
    let said = String::from_utf8(asked.context("asking rustc where it is")?.stdout);
    let said = said.map_err(|_| Error::new("rustc lives in a folder whose name is not UTF-8"))?;
    match said.lines().collect::<Vec<_>>()[..] {
        [libraries, root] => Ok(format!("{libraries}:{root}/lib")),
        _ => Err(Error::new(format!("rustc says where it is in a new way: {said}"))),
    }
}

/// How many things are worth doing at once.
pub(crate) fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZeroUsize::get)
}

/// Where cargo has put the programs of this build: beside xtask.
pub(crate) fn built_programs() -> Result<PathBuf> {
    let own = env::current_exe().context("finding xtask's own program file")?;
    own.parent().map(Path::to_path_buf).ok_or_else(|| Error::new("xtask's program file is in no directory"))
}

/// The file stems of the `.rs` files in a directory (and of directories with a `main.rs`), sorted. None if absent.
pub(crate) fn targets_in(directory: &Path) -> Vec<String> {
    let Ok(entries) = directory.read_dir() else { return Vec::new() };
    let mut names: Vec<String> = entries
        .filter_map(std::result::Result::ok)
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "rs") || path.join("main.rs").is_file())
        .filter_map(|path| Some(path.file_stem()?.to_str()?.to_owned()))
        .collect();
    names.sort();
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    fn root() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_path_buf()
    }

    #[test]
    fn every_publishable_library_is_listed() {
        let mut found: Vec<String> = root()
            .read_dir()
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| name.starts_with("nebula-") && !["nebula-macros", "nebula-test-support"].contains(&&**name))
            .collect();
        found.sort();
        assert_eq!(found, LIBRARIES, "a crate that is missing in LIBRARIES is not checked alone");
    }

    #[test]
    fn targets_are_found_by_their_file_names() {
        assert!(targets_in(&root().join("xtask/src")).contains(&"workspace".to_owned()));
        assert_eq!(targets_in(&root().join("no/such/directory")), Vec::<String>::new());
    }
}
