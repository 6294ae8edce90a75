//! `cargo xtask bench`: ours against the limit and the peers.

use std::path::Path;

use crate::error::{Error, Result};
use crate::packages::{self, MARIADB, POSTGRES, RABBITMQ, REDIS};
use crate::steps::Steps;
use crate::workspace;

pub(crate) fn run(area: Option<&str>, arguments: &[String]) -> Result {
    let areas = choose(area, workspace::targets_in(Path::new("benches/versus/benches")))?;
    // The benchmarks start private servers of their own, so that nothing else runs on the one that is measured.
    packages::ensure(&[REDIS, MARIADB, POSTGRES, RABBITMQ])?;
    let mut steps = Steps::new();
    for area in &areas {
        let mut bench = workspace::cargo(["bench", "--package", "nebula-versus", "--bench", area, "--"]);
        bench.args(arguments);
        steps.command(area, bench);
    }
    steps.conclude()
}

fn choose(area: Option<&str>, known: Vec<String>) -> Result<Vec<String>> {
    match area {
        None => Ok(known),
        Some(area) if known.iter().any(|name| name == area) => Ok(vec![area.to_owned()]),
        Some(area) => Err(Error::new(format!("there is no benchmark `{area}`; there are: {}", known.join(", ")))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_area_is_chosen_by_name_or_all_are() {
        let known = || vec!["auth".to_owned(), "lock".to_owned()];
        assert_eq!(choose(None, known()).unwrap(), ["auth", "lock"]);
        assert_eq!(choose(Some("lock"), known()).unwrap(), ["lock"]);
        let error = choose(Some("clock"), known()).unwrap_err().to_string();
        assert!(error.contains("`clock`") && error.contains("auth, lock"), "{error}");
    }
}
