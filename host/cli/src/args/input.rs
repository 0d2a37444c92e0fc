//! Values that go with a request, and how they are given: the options of Temporal's command line
//! for arguments, results and details, by its names.

use super::values::{parse_entry, parse_metadata};
use crate::payload::{self, Given};
use clap::Args;
use sandglass_engine::Payload;
use std::path::PathBuf;

/// Arguments, one for each time that an option is given.
#[derive(Debug, Clone, Default, Args)]
pub struct InputArgs {
    /// An argument in JSON, or @FILE to read it; once for each argument
    #[arg(short, long, value_name = "JSON|@FILE")]
    input: Vec<String>,
    /// A file with an argument; once for each argument
    #[arg(long, value_name = "FILE", conflicts_with = "input")]
    input_file: Vec<PathBuf>,
    /// What is said of the arguments, such as encoding=binary/plain for what is not JSON; a key
    /// that is repeated is for one argument after another
    #[arg(long, value_name = "KEY=VALUE", value_parser = parse_metadata)]
    input_meta: Vec<(String, String)>,
    /// What is given of the arguments is base64
    #[arg(long)]
    input_base64: bool,
}

impl InputArgs {
    /// The arguments.
    ///
    /// # Errors
    /// Names the one that cannot be read, or is not what it is said to be.
    pub fn read(&self) -> anyhow::Result<Vec<Payload>> {
        payload::read(&Given {
            option: "--input",
            texts: &self.input,
            files: &self.input_file,
            metadata: &self.input_meta,
            is_base64: self.input_base64,
        })
    }

    /// Whether there are any.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.input.is_empty() && self.input_file.is_empty()
    }
}

/// Arguments of a signal that goes with a start.
#[derive(Debug, Clone, Default, Args)]
pub struct SignalInputArgs {
    /// An argument of the signal in JSON, or @FILE to read it; may be repeated
    #[arg(long, value_name = "JSON|@FILE")]
    signal_input: Vec<String>,
    /// A file with an argument of the signal; may be repeated
    #[arg(long, value_name = "FILE", conflicts_with = "signal_input")]
    signal_input_file: Vec<PathBuf>,
    /// As --input-meta, for the arguments of the signal
    #[arg(long, value_name = "KEY=VALUE", value_parser = parse_metadata)]
    signal_input_meta: Vec<(String, String)>,
    /// What is given of the signal's arguments is base64
    #[arg(long)]
    signal_input_base64: bool,
}

impl SignalInputArgs {
    /// The arguments.
    ///
    /// # Errors
    /// As [`InputArgs::read`].
    pub fn read(&self) -> anyhow::Result<Vec<Payload>> {
        payload::read(&Given {
            option: "--signal-input",
            texts: &self.signal_input,
            files: &self.signal_input_file,
            metadata: &self.signal_input_meta,
            is_base64: self.signal_input_base64,
        })
    }
}

/// The result of an activity.
#[derive(Debug, Clone, Default, Args)]
pub struct ResultArgs {
    /// Its result in JSON, or @FILE to read it [default: null]
    #[arg(long, value_name = "JSON|@FILE")]
    result: Option<String>,
    /// A file with its result
    #[arg(long, value_name = "FILE", conflicts_with = "result")]
    result_file: Option<PathBuf>,
    /// What is said of the result, such as encoding=binary/plain for what is not JSON
    #[arg(long, value_name = "KEY=VALUE", value_parser = parse_metadata)]
    result_meta: Vec<(String, String)>,
    /// What is given of the result is base64
    #[arg(long)]
    result_base64: bool,
}

impl ResultArgs {
    /// The result.
    ///
    /// # Errors
    /// As [`InputArgs::read`].
    pub fn read(&self) -> anyhow::Result<Payload> {
        let read = payload::read(&Given {
            option: "--result",
            texts: self.result.as_slice(),
            files: self.result_file.as_slice(),
            metadata: &self.result_meta,
            is_base64: self.result_base64,
        })?;
        Ok(read
            .into_iter()
            .next()
            .unwrap_or_else(|| Payload::json("null")))
    }
}

/// What is told of a failure beside its message.
#[derive(Debug, Clone, Default, Args)]
pub struct DetailArgs {
    /// A value that goes with the failure, in JSON, or @FILE to read it
    #[arg(long, value_name = "JSON|@FILE")]
    detail: Option<String>,
    /// A file with that value
    #[arg(long, value_name = "FILE", conflicts_with = "detail")]
    detail_file: Option<PathBuf>,
    /// What is said of that value, such as encoding=binary/plain for what is not JSON
    #[arg(long, value_name = "KEY=VALUE", value_parser = parse_metadata)]
    detail_meta: Vec<(String, String)>,
    /// What is given of that value is base64
    #[arg(long)]
    detail_base64: bool,
}

impl DetailArgs {
    /// The value, if there is one.
    ///
    /// # Errors
    /// As [`InputArgs::read`].
    pub fn read(&self) -> anyhow::Result<Vec<Payload>> {
        payload::read(&Given {
            option: "--detail",
            texts: self.detail.as_slice(),
            files: self.detail_file.as_slice(),
            metadata: &self.detail_meta,
            is_base64: self.detail_base64,
        })
    }
}

/// Headers of a start or a message.
#[derive(Debug, Clone, Default, Args)]
pub struct HeaderArgs {
    /// A header that goes with it, in JSON; may be repeated
    #[arg(long, value_name = "KEY=JSON", value_parser = parse_entry)]
    headers: Vec<(String, String)>,
}

impl HeaderArgs {
    /// The headers.
    #[must_use]
    pub fn all(&self) -> Vec<(String, Payload)> {
        let all = self.headers.iter();
        all.map(|(key, json)| (key.clone(), Payload::json(json.as_bytes())))
            .collect()
    }
}
