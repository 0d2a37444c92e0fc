//! Where runs are: at a server, or in a store file.

use super::{DbArgs, KeyArgs, ServedArgs};
use crate::{
    exit::{Exit, Stop},
    served::{Body, Served},
};
use clap::Args;
use sandglass::{Error, remote::Client};
use std::path::Path;

/// Which server, or which store file.
#[derive(Debug, Clone, Args)]
pub struct PlaceArgs {
    /// The HTTP address of a server, such as 127.0.0.1:8233; goes before the store file
    #[arg(long, env = "SANDGLASS_ADDRESS", value_name = "HOST:PORT")]
    pub address: Option<String>,
    /// Who asks
    #[command(flatten)]
    pub key: KeyArgs,
    /// The store file
    #[command(flatten)]
    pub db: DbArgs,
}

impl PlaceArgs {
    /// That server.
    #[must_use]
    pub fn at(server: &ServedArgs) -> Self {
        Self {
            address: Some(server.address.clone()),
            key: server.key.clone(),
            db: DbArgs { db: "".into() },
        }
    }

    /// The store file.
    #[must_use]
    pub fn file(&self) -> &Path {
        &self.db.db
    }

    /// The server, if one is meant.
    ///
    /// # Errors
    /// With exit code 2 if its address is none.
    pub fn server(&self) -> Result<Option<Served>, Stop> {
        let address = self.address.as_deref().filter(|text| !text.is_empty());
        let served = |address| Served::at(address, self.key.api_key.clone());
        address.map(served).transpose()
    }

    /// Whoever answers for the runs: the server, or the owner of the store if it has one.
    ///
    /// # Errors
    /// It does not answer.
    pub fn client(&self) -> Result<Option<Client>, Error> {
        // What it refuses is not asked for again.
        let failed = |stop: Stop| match stop.exit {
            Exit::Usage => Error::LimitExceeded(stop.to_string()),
            _ => Error::System {
                what: "ask the server".into(),
                reason: stop.to_string(),
            },
        };
        let Some(server) = self.server().map_err(failed)? else {
            return Client::connect(self.file());
        };
        Ok(Some(Client::over(Box::new(move |request| {
            let request = serde_json::from_slice(request).expect("the client has written JSON");
            let answer = server.ask("POST", "/command", Body::Json(&request));
            Ok(answer.map_err(failed)?.to_string().into_bytes())
        }))))
    }

    /// How people call the place.
    #[must_use]
    pub fn name(&self) -> String {
        match self.address.as_deref().filter(|text| !text.is_empty()) {
            Some(address) => format!("the server at {address}"),
            None => self.file().display().to_string(),
        }
    }
}
