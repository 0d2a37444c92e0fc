//! The parts of the `sandglass` command, callable without a process of their own.

pub mod args;
pub mod build;
pub mod cargo;
pub mod component;
pub mod description;
pub mod exit;
pub mod history;
pub mod inspect;
pub mod language;
pub mod limits;
pub mod logging;
pub mod new;
pub mod outcome;
pub mod output;
pub mod payload;
pub mod run;
pub mod served;
pub mod server;
pub mod terminal;
pub mod time;
pub mod toolchain;
pub mod workflow;

use args::{Cli, Command, OutputForm};
use clap::error::ErrorKind;
use exit::{Exit, Outcome};
use serde_json::json;

/// Runs a command and returns its exit code. What went wrong is told on stderr, or in a JSON
/// document on stdout if that is asked for.
#[must_use]
pub fn main(cli: &Cli) -> Exit {
    match logging::start(cli.global.log_format).and_then(|()| dispatch(cli)) {
        Ok(exit) => exit,
        Err(stop) => {
            match cli.global.output {
                OutputForm::Json => print_error(&stop.to_string(), stop.exit),
                OutputForm::Text => output::note(&format!("error: {stop}")),
            }
            stop.exit
        }
    }
}

/// Tells what is wrong with a command line, or the help that it asks for; returns the exit code.
#[must_use]
pub fn refuse(error: &clap::Error) -> Exit {
    if !error.use_stderr() {
        // Nothing can be done about a terminal that cannot be written.
        let _ = error.print();
        return Exit::Completed;
    }
    // The arguments could not be parsed, but whoever wants JSON reads nothing else.
    let args: Vec<_> = std::env::args_os().collect();
    let apart = args.windows(2).any(|pair| pair == ["--output", "json"]);
    if apart || args.iter().any(|arg| arg == "--output=json") {
        print_error(&message(error), Exit::Usage);
    } else {
        let _ = error.print();
    }
    Exit::Usage
}

/// What is wrong with a command line, in one line, without what surrounds it for people.
fn message(error: &clap::Error) -> String {
    if error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        return "a command or an argument is missing; --help lists them".into();
    }
    let text = error.to_string();
    let text = text.strip_prefix("error: ").unwrap_or(&text);
    let is_said = |part: &&str| !part.starts_with("Usage:") && !part.starts_with("For more");
    let parts = text.split("\n\n").take_while(is_said);
    parts.map(output::one_line).collect::<Vec<_>>().join("; ")
}

fn print_error(text: &str, exit: Exit) {
    // Nothing can be done about a stdout that cannot be written.
    let _ = output::print_json(&json!({ "error": text, "exit_code": exit as u8 }));
}

fn dispatch(cli: &Cli) -> Outcome {
    let form = cli.global.output;
    match &cli.command {
        Command::Build(args) => build::build(args, form),
        Command::Inspect(args) => inspect::inspect(args, form),
        Command::New(args) => new::new(args, form),
        Command::Run(args) => run::run(args, form),
        Command::Server(args) => server::server(args, form),
        Command::Component(command) => component::manage(command, form),
        Command::Limits(args) => limits::limits(args, form),
        Command::Workflow(command) => workflow::workflow(command, form),
        Command::Activity(command) => workflow::activity(command, form),
    }
}
