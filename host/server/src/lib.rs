//! Temporal's public gRPC API in front of a Sandglass host, for Temporal's own clients, command
//! line and activity workers.
//!
//! It is a subset, and says so: a call that is not served is refused by its name. No rule of runs
//! lives here; each call is translated to one of the host's and its answer back.
//!
//! Reading order: `entrance` has what all calls pass, `rpc` the calls, `front` the namespaces,
//! `door` what the calls of one share, `served` which there are and who may make them; `history`
//! is the largest part, the host's events as Temporal's.

mod access;
mod activities;
mod attributes;
mod beyond;
mod body;
mod bounds;
mod certificate;
mod client;
mod commands;
mod components;
mod control;
mod describe;
mod door;
mod entrance;
mod failure;
mod front;
mod health;
mod history;
mod http;
mod keys;
mod listen;
mod multi;
mod named;
mod operate;
mod payload;
mod poll;
mod proto;
mod query;
mod queues;
mod remembered;
mod rpc;
mod serve;
mod served;
mod start;
mod status;
mod system;
mod time;
mod tls;
mod unsent;
mod update;
mod visibility;
mod workers;
mod working;

pub use client::{Call, Client, ClientError, ClientSettings, Component, Reason};
pub use keys::{ApiKey, CertificateName, ClientCertificate, Role, Roles, digest_of};
pub use serve::{ServeError, Server, Settings};
pub use tls::{BadTls, ClientTls, TlsSettings};
pub use visibility::RunFilter;
