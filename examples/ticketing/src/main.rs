//! Starts the ticketing platform.

use std::process::ExitCode;

use clap::Parser;
use mimalloc::MiMalloc;
use ticketing::{cli, problem::chain};

/// The C library's allocator lets threads wait for each other, and musl's more so.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

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
