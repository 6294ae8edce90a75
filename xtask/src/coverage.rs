//! `cargo xtask coverage`: which lines the tests run.

use crate::error::Result;
use crate::packages::{self, BROWSER, BROWSER_DRIVER, MARIADB, PGBOUNCER, POSTGRES, RABBITMQ, REDIS};
use crate::servers::Servers;
use crate::steps::execute;
use crate::{deep, workspace};

pub(crate) fn run(arguments: &[String]) -> Result {
    packages::ensure(&[REDIS, MARIADB, POSTGRES, PGBOUNCER, RABBITMQ, BROWSER, BROWSER_DRIVER])?;
    deep::ensure_cargo_tool("cargo-tarpaulin")?;
    let servers = Servers::start()?.with_rabbitmq()?;
    let mut coverage = workspace::cargo(["tarpaulin"]);
    coverage
        .args(workspace::ALL_BUT_PEERS)
        .args(["--exclude", "xtask", "--all-features", "--engine", "llvm", "--no-fail-fast"])
        // A directory of its own: the instrumented build would throw the ordinary one away. Child processes count too.
        .args(["--target-dir", "target/coverage/build", "--skip-clean", "--follow-exec"])
        .args(["--exclude-files", "*/tests/*", "--exclude-files", "*/benches/*", "--exclude-files", "*/examples/*"])
        .args(["--timeout", "600", "--out", "html", "--out", "lcov", "--output-dir", "target/coverage"])
        .args(arguments)
        .envs(servers.environment());
    execute(&mut coverage)?;
    println!("target/coverage/tarpaulin-report.html, target/coverage/lcov.info");
    Ok(())
}
