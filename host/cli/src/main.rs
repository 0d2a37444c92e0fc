//! The `sandglass` command: reads the arguments, calls what they ask for, exits with its code.

use clap::Parser;
use sandglass_cli::args::Cli;
use std::process::ExitCode;

/// A fifth of what a durable activity costs is memory that is taken and given back.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    match Cli::try_parse() {
        Ok(cli) => sandglass_cli::main(&cli).into(),
        Err(error) => sandglass_cli::refuse(&error).into(),
    }
}
