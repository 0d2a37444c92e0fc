//! Where runs are: at a server, or in a store file.

use super::{DbArgs, ReachArgs, ServedArgs};
use crate::{
    exit::{Exit, Stop, usage},
    served::Served,
};
use clap::Args;
use sandglass::{Error, remote::Client};
use sandglass_server::Call;
use std::path::Path;

/// Which server, or which store file.
#[derive(Debug, Clone, Args)]
pub struct PlaceArgs {
    /// The address of a server, such as 127.0.0.1:7233; goes before the store file
    #[arg(long, env = "SANDGLASS_ADDRESS", value_name = "HOST:PORT")]
    pub address: Option<String>,
    /// The store file
    #[command(flatten)]
    pub db: DbArgs,
    /// How a server is asked
    #[command(flatten)]
    pub reach: ReachArgs,
}

impl PlaceArgs {
    /// That server.
    #[must_use]
    pub fn at(server: &ServedArgs) -> Self {
        Self {
            address: Some(server.address.clone()),
            reach: server.reach.clone(),
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
    /// With exit code 2 if its address is none, or the options make no sense.
    pub fn server(&self) -> Result<Option<Served>, Stop> {
        let address = self.address.as_deref().filter(|text| !text.is_empty());
        let namespace = &self.reach.namespace;
        match address {
            Some(address) => self.reach.server(address).map(Some),
            // Not another run of the same id by mistake.
            None if namespace != "default" => Err(usage!(
                "namespace {namespace:?} is one of a server: give its --address; a store file has \
                 no namespaces"
            )),
            None => Ok(None),
        }
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
            server.ask(Call::Run(request.to_vec())).map_err(failed)
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
