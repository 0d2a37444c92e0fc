//! Asking a server, over gRPC: the port that Temporal's clients use, with its TLS and its keys.

use crate::exit::{Exit, Stop};
use anyhow::anyhow;
use sandglass_server::{Call, Client, ClientError, ClientSettings, Reason};
use serde_json::Value;

/// A server, by its address.
#[derive(Clone)]
pub struct Served(Client);

fn stop(error: ClientError) -> Stop {
    let exit = match &error {
        ClientError::Settings(_) => Exit::Usage,
        ClientError::Unreachable(_) => Exit::Host,
        ClientError::Refused { reason, .. } => match reason {
            Reason::Request => Exit::Usage,
            Reason::State => Exit::Failed,
            Reason::Server => Exit::Host,
        },
    };
    Stop {
        exit,
        error: anyhow!("{error}"),
    }
}

impl Served {
    /// A server. Nothing is sent yet.
    ///
    /// # Errors
    /// With exit code 2 if the settings make no sense.
    pub fn at(settings: ClientSettings) -> Result<Self, Stop> {
        Client::new(settings).map(Self).map_err(stop)
    }

    /// Asks, and returns what is answered.
    ///
    /// # Errors
    /// With exit code 6 if the server cannot be reached or fails, with 1 if what was asked does not
    /// fit how things stand, with 2 if it is refused.
    pub fn ask(&self, call: Call) -> Result<Vec<u8>, Stop> {
        self.0.ask(call).map_err(stop)
    }

    /// As [`Served::ask`], for what is answered with a document.
    ///
    /// # Errors
    /// As there.
    pub fn document(&self, call: Call) -> Result<Value, Stop> {
        let text = self.ask(call)?;
        serde_json::from_slice(&text)
            .map_err(|error| Stop::host(anyhow!("the server has answered no JSON: {error}")))
    }
}
