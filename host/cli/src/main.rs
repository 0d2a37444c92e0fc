//! The `sandglass` command: reads the arguments, calls what they ask for, exits with its code.

use clap::Parser;
use sandglass_cli::args::Cli;
use std::process::ExitCode;

fn main() -> ExitCode {
    sandglass_cli::main(&Cli::parse()).into()
}
