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
                print_error(&stop.to_string(), stop.exit);
            }
            stop.exit
        }
    }
}

/// Prints what is wrong with a command line, or the help that it asks for; returns the exit code.
#[must_use]
pub fn refuse(error: &clap::Error) -> Exit {
    // Nothing can be done about a terminal that cannot be written.
    let _ = error.print();
    if !error.use_stderr() {
        return Exit::Completed;
    }
    // The arguments could not be parsed, but whoever wants JSON reads nothing else.
    let args: Vec<_> = std::env::args_os().collect();
    let apart = args.windows(2).any(|pair| pair == ["--output", "json"]);
    if apart || args.iter().any(|arg| arg == "--output=json") {
        print_error(error.to_string().trim(), Exit::Usage);
    }
    Exit::Usage
}

fn print_error(text: &str, exit: Exit) {
    // It is on stderr already; a second failure changes nothing.
    let _ = output::print_json(&json!({ "error": text, "exit_code": exit as u8 }));
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
