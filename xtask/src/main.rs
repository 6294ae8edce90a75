//! The project's chores, as `cargo xtask <command>`. `cargo xtask help` lists them.
//!
//! This is the first thing a newcomer builds, so it has no dependencies: the standard library starts processes just as
//! well. Each command is one file; what they share is [`steps`] (run, time, sum up), [`packages`] (what must be
//! installed) and [`servers`] (what must be running).

mod bench;
mod checks;
mod child;
mod ci;
mod cli;
mod coverage;
mod deep;
mod disk;
mod error;
mod packages;
mod programs;
mod rabbitmq;
mod second_look;
mod servers;
mod shared;
mod steps;
mod test_programs;
mod testing;
mod workspace;

use std::process::ExitCode;

use cli::Command;
use error::Result;

fn main() -> ExitCode {
    let outcome = match Command::parse(std::env::args().skip(1)) {
        Ok(command) => run(command),
        Err(error) => {
            eprintln!("xtask: {error}\n\n{}", cli::USAGE);
            return ExitCode::from(2);
        }
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("\nxtask: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> Result {
    workspace::enter()?;
    match command {
        Command::Help => {
            println!("{}", cli::USAGE);
            Ok(())
        }
        Command::Test { arguments } => testing::run(&arguments),
        Command::Servers => servers::run(),
        Command::Ci { full } => ci::run(full),
        Command::Bench { area, arguments } => bench::run(area.as_deref(), &arguments),
        Command::Coverage { arguments } => coverage::run(&arguments),
    }
}
