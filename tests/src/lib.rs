//! What the black-box tests share: guests built by the real tool, the binary, and a host on a clock
//! that is moved by hand, with the activities of the scenarios.

mod activities;
mod binary;
mod certificates;
mod host;
mod lives;
mod log;
mod patience;
mod server;
pub mod sweep;
mod temporal;
mod world;

pub use activities::{OnCancel, Probe};
pub use binary::{cache, compiled, component, component_file, repository, sandglass};
pub use certificates::certified;
pub use host::{HandleUnderTest, HostUnderTest};
pub use patience::{PATIENCE, Patience};
pub use server::{Server, with_scenarios};
pub use temporal::{
    DevServer, clients, javascript, javascript_toolchain, script, script_with, temporal, texts,
    toolchain,
};
pub use world::{RunUnderTest, World, WorldBuilder};
