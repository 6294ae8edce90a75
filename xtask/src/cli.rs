//! The command line.

use crate::error::{Error, Result};

pub(crate) const USAGE: &str = "\
usage: cargo xtask <command>

  test [-- ARGS]          installs what is missing (apt), starts the test servers, runs every example and every test.
                          ARGS go to `cargo test`; with ARGS the examples are left out: `cargo xtask test -- -p nebula-lock`
  servers                 starts the servers a developer needs, prints the configuration to use, runs until Ctrl-C
  ci [--full]             what the continuous integration runs: test, fmt, clippy, docs, each crate alone.
                          --full adds the feature powerset, repeated fault tests and long campaigns, large filters, a
                          publishing rehearsal and cargo-deny
  bench [AREA] [-- ARGS]  measures ours against the limit and the peers; `-- --quick` for a short run
  coverage [-- ARGS]      line coverage with cargo-tarpaulin, as target/coverage/tarpaulin-report.html
  help                    this text";

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Command {
    Help,
    Test { arguments: Vec<String> },
    Servers,
    Ci { full: bool },
    Bench { area: Option<String>, arguments: Vec<String> },
    Coverage { arguments: Vec<String> },
}

impl Command {
    pub(crate) fn parse(arguments: impl IntoIterator<Item = String>) -> Result<Self> {
        let mut own: Vec<String> = arguments.into_iter().collect();
        let passed_on = match own.iter().position(|argument| argument == "--") {
            Some(separator) => {
                let rest = own.split_off(separator + 1);
                own.pop();
                Some(rest)
            }
            None => None,
        };
        let mut own = own.into_iter();
        let name = own.next().unwrap_or_else(|| "help".to_owned());
        let command = match name.as_str() {
            "help" | "-h" | "--help" => Self::Help,
            "test" => Self::Test { arguments: passed_on.clone().unwrap_or_default() },
            "servers" => Self::Servers,
            "ci" => Self::Ci { full: flag(&mut own, "--full")? },
            "bench" => Self::Bench { area: own.next(), arguments: passed_on.clone().unwrap_or_default() },
            "coverage" => Self::Coverage { arguments: passed_on.clone().unwrap_or_default() },
            unknown => return Err(Error::new(format!("there is no command `{unknown}`"))),
        };
        if let Some(surplus) = own.next() {
            return Err(Error::new(format!("`{name}` does not know `{surplus}`; arguments for cargo go after `--`")));
        }
        if passed_on.is_some() && !command.passes_on() {
            return Err(Error::new(format!("`{name}` passes nothing on, so `--` means nothing to it")));
        }
        Ok(command)
    }

    fn passes_on(&self) -> bool {
        matches!(self, Self::Test { .. } | Self::Bench { .. } | Self::Coverage { .. })
    }
}

fn flag(own: &mut impl Iterator<Item = String>, name: &str) -> Result<bool> {
    match own.next() {
        None => Ok(false),
        Some(given) if given == name => Ok(true),
        Some(given) => Err(Error::new(format!("`{given}` is not `{name}`"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Command> {
        Command::parse(line.split_whitespace().map(str::to_owned))
    }

    fn words(line: &str) -> Vec<String> {
        line.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn nothing_asks_for_help() {
        assert_eq!(parse("").unwrap(), Command::Help);
        assert_eq!(parse("--help").unwrap(), Command::Help);
    }

    #[test]
    fn arguments_after_the_separator_are_passed_on_untouched() {
        assert_eq!(parse("test").unwrap(), Command::Test { arguments: vec![] });
        assert_eq!(
            parse("test -- -p nebula-lock -- --nocapture").unwrap(),
            Command::Test { arguments: words("-p nebula-lock -- --nocapture") }
        );
    }

    #[test]
    fn bench_takes_an_optional_area() {
        assert_eq!(parse("bench").unwrap(), Command::Bench { area: None, arguments: vec![] });
        assert_eq!(
            parse("bench lock -- --quick").unwrap(),
            Command::Bench { area: Some("lock".to_owned()), arguments: words("--quick") }
        );
        assert_eq!(
            parse("bench -- --quick").unwrap(),
            Command::Bench { area: None, arguments: words("--quick") },
            "the separator is not an area"
        );
    }

    #[test]
    fn ci_knows_one_flag() {
        assert_eq!(parse("ci").unwrap(), Command::Ci { full: false });
        assert_eq!(parse("ci --full").unwrap(), Command::Ci { full: true });
        assert!(parse("ci --fast").unwrap_err().to_string().contains("--fast"));
        assert!(parse("ci --full twice").is_err());
    }

    #[test]
    fn a_misplaced_argument_is_refused_and_named() {
        let error = parse("test -p nebula-lock").unwrap_err().to_string();
        assert!(error.contains("`-p`") && error.contains("after `--`"), "{error}");
        assert!(parse("servers -- x").unwrap_err().to_string().contains("passes nothing on"));
        assert!(parse("tset").unwrap_err().to_string().contains("`tset`"));
    }
}
