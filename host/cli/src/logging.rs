//! Log lines: on stderr, filtered by `SANDGLASS_LOG`, as text or JSON.

use crate::{
    args::LogForm,
    exit::{Stop, usage},
    terminal::{self, LogWriter},
};
use std::{
    env,
    io::{self, IsTerminal},
};
use tracing_subscriber::EnvFilter;

/// The variable that says which log lines appear.
const FILTER: &str = "SANDGLASS_LOG";

/// What appears if the variable is not set: what is wrong, and what guests say to people.
const DEFAULT: &str = "warn,guest=info";

/// Starts logging.
///
/// # Errors
/// With exit code 2 if the filter is malformed.
pub fn start(form: LogForm) -> Result<(), Stop> {
    terminal::set_json(form == LogForm::Json);
    let text = env::var(FILTER).unwrap_or_default();
    let text = if text.is_empty() { DEFAULT } else { &text };
    let filter = EnvFilter::try_new(text).map_err(|error| usage!("{FILTER}={text}: {error}"))?;
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(|| LogWriter)
        .with_ansi(io::stderr().is_terminal());
    let started = match form {
        LogForm::Text => lines.try_init(),
        LogForm::Json => lines.json().flatten_event(true).try_init(),
    };
    started.map_err(|error| Stop::host(anyhow::anyhow!("cannot start logging: {error}")))
}
