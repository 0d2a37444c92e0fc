//! The parts of the `sandglass` command, callable without a process of their own.

pub mod args;
pub mod build;
pub mod cargo;
pub mod component;
pub mod description;
pub mod exit;
pub mod history;
pub mod inspect;
pub mod logging;
pub mod new;
pub mod outcome;
pub mod output;
pub mod payload;
pub mod run;
pub mod terminal;
pub mod time;
pub mod toolchain;
pub mod workflow;

use args::{Cli, Command, OutputForm};
use exit::{Exit, Outcome};
use serde_json::json;

/// Runs a command and returns its exit code. What went wrong is told on stderr, and on stdout too
/// if JSON is asked for.
#[must_use]
pub fn main(cli: &Cli) -> Exit {
    match logging::start(cli.global.log_format).and_then(|()| dispatch(cli)) {
        Ok(exit) => exit,
        Err(stop) => {
            output::note(&format!("error: {stop}"));
            if cli.global.output == OutputForm::Json {
                let document = json!({ "error": stop.to_string(), "exit_code": stop.exit as u8 });
                // A second failure to write changes nothing about the first.
                let _ = output::print_json(&document);
            }
            stop.exit
        }
    }
}

fn dispatch(cli: &Cli) -> Outcome {
    let form = cli.global.output;
    match &cli.command {
        Command::Build(args) => build::build(args, form),
        Command::Inspect(args) => inspect::inspect(args, form),
        Command::New(args) => new::new(args, form),
        Command::Run(args) => run::run(args, form),
        Command::Workflow(command) => workflow::workflow(command, form),
    }
}
