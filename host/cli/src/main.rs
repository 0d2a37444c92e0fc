//! The `sandglass` command: reads the arguments, calls what they ask for, exits with its code.

use clap::Parser;
use sandglass_cli::args::Cli;
use std::process::ExitCode;

fn main() -> ExitCode {
    match Cli::try_parse() {
        Ok(cli) => sandglass_cli::main(&cli).into(),
        Err(error) => sandglass_cli::refuse(&error).into(),
    }
}
