//! Starts the ticketing platform.

use std::process::ExitCode;

use clap::Parser;
use ticketing::{cli, problem::chain};

#[tokio::main]
async fn main() -> ExitCode {
    match cli::run(cli::Cli::parse()).await {
        Ok(code) => code,
        Err(error) => {
            eprintln!("ticketing: {}", chain(error.as_ref()));
            ExitCode::FAILURE
        }
    }
}
