//! Programs that the tests need, and how to get them on Debian and Ubuntu.

use std::env;
use std::io::IsTerminal as _;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::error::{Error, Result};
use crate::steps::execute;

/// A program that must be on the machine. Any one of `programs` will do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Need {
    programs: &'static [&'static str],
    debian: &'static [&'static str],
    ubuntu: &'static [&'static str],
}

pub(crate) const REDIS: Need =
    Need { programs: &["redis-server"], debian: &["redis-server"], ubuntu: &["redis-server"] };

/// The server's own program lies in a folder that is not on an ordinary user's PATH; this one comes with it.
pub(crate) const MARIADB: Need =
    Need { programs: &["mariadb-install-db"], debian: &["mariadb-server"], ubuntu: &["mariadb-server"] };

pub(crate) const POSTGRES: Need = Need { programs: &["initdb"], debian: &["postgresql"], ubuntu: &["postgresql"] };

/// The pooler that the tests of tenants put before PostgreSQL.
pub(crate) const PGBOUNCER: Need = Need { programs: &["pgbouncer"], debian: &["pgbouncer"], ubuntu: &["pgbouncer"] };

pub(crate) const RABBITMQ: Need =
    Need { programs: &["rabbitmq-server"], debian: &["rabbitmq-server"], ubuntu: &["rabbitmq-server"] };

/// With what it needs besides: its sandbox for users other than root, and a font.
pub(crate) const BROWSER: Need = Need {
    programs: &["chromium", "chromium-browser", "google-chrome"],
    debian: &["chromium", "chromium-sandbox", "fonts-liberation"],
    ubuntu: &["chromium-browser"],
};

pub(crate) const BROWSER_DRIVER: Need =
    Need { programs: &["chromedriver"], debian: &["chromium-driver"], ubuntu: &["chromium-chromedriver"] };

/// Installs what is missing, and says what to type if that is not possible here.
pub(crate) fn ensure(needs: &[Need]) -> Result {
    let missing = missing(needs, is_here);
    if missing.is_empty() {
        return Ok(());
    }
    let packages = packages(&missing, is_ubuntu());
    eprintln!("installing {}", packages.join(" "));
    let Some(mut install) = installation(&packages) else {
        return Err(cannot(&missing, &packages, "there is no apt-get, or neither root nor sudo"));
    };
    execute(&mut install).map_err(|error| cannot(&missing, &packages, &error.to_string()))?;
    let still_missing = self::missing(needs, is_here);
    if still_missing.is_empty() {
        return Ok(());
    }
    Err(cannot(&still_missing, &packages, "the packages are installed, but the programs are not on the PATH"))
}

fn missing(needs: &[Need], present: impl Fn(&str) -> bool) -> Vec<Need> {
    needs.iter().filter(|need| !need.programs.iter().any(|program| present(program))).copied().collect()
}

fn packages(missing: &[Need], ubuntu: bool) -> Vec<&'static str> {
    missing.iter().flat_map(|need| if ubuntu { need.ubuntu } else { need.debian }).copied().collect()
}

fn cannot(missing: &[Need], packages: &[&str], reason: &str) -> Error {
    let programs: Vec<String> = missing.iter().map(|need| need.programs.join(" or ")).collect();
    Error::new(format!(
        "the tests need {}, which is missing and could not be installed ({reason}).\n\
         On Debian or Ubuntu: sudo apt-get update && sudo apt-get install --yes {}",
        programs.join(", "),
        packages.join(" ")
    ))
}

/// The installation as a command of root's; none if it cannot work here.
fn installation(packages: &[&str]) -> Option<Command> {
    if !on_path("apt-get") {
        return None;
    }
    let mut command = if is_root() {
        Command::new("sh")
    } else if on_path("sudo") {
        let mut sudo = Command::new("sudo");
        if !std::io::stdin().is_terminal() {
            sudo.arg("--non-interactive");
        }
        sudo.arg("sh");
        sudo
    } else {
        return None;
    };
    command.args(["-c", include_str!("install.sh"), "install.sh"]).args(packages);
    Some(command)
}

fn is_root() -> bool {
    let id = Command::new("id").arg("-u").stderr(Stdio::null()).output();
    id.is_ok_and(|output| output.stdout.trim_ascii() == b"0")
}

fn is_ubuntu() -> bool {
    std::fs::read_to_string("/etc/os-release").is_ok_and(|text| text.lines().any(|line| line == "ID=ubuntu"))
}

fn is_here(program: &str) -> bool {
    on_path(program) || of_postgres(program)
}

/// PostgreSQL keeps its programs in a folder for each version, where the tests find them as well.
fn of_postgres(program: &str) -> bool {
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    versions.into_iter().any(|version| is_program(&version.path().join("bin").join(program)))
}

fn on_path(program: &str) -> bool {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path).any(|directory| is_program(&directory.join(program)))
}

fn is_program(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    path.metadata().is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_of_several_programs_is_enough() {
        let needs = [REDIS, BROWSER, BROWSER_DRIVER];
        let missing = missing(&needs, |program| program == "google-chrome");
        assert_eq!(packages(&missing, false), ["redis-server", "chromium-driver"]);
        assert_eq!(packages(&missing, true), ["redis-server", "chromium-chromedriver"]);
    }

    #[test]
    fn nothing_missing_asks_for_nothing() {
        assert!(missing(&[REDIS, BROWSER], |_| true).is_empty());
        assert!(ensure(&[]).is_ok());
    }

    #[test]
    fn a_failure_names_the_program_and_the_command_that_installs_it() {
        let text = cannot(&[REDIS, BROWSER], &["redis-server", "chromium"], "no apt-get").to_string();
        assert!(text.contains("redis-server, chromium or chromium-browser"), "{text}");
        assert!(text.contains("sudo apt-get update && sudo apt-get install --yes redis-server chromium"), "{text}");
        assert!(text.contains("no apt-get"), "{text}");
    }

    #[test]
    fn programs_are_found_on_the_path() {
        assert!(on_path("sh"));
        assert!(!on_path("no-such-program-here"));
    }
}
