//! `sandglass server` under clients that are careless, broken or hostile: they get clear errors,
//! and others are served.

#![expect(clippy::unwrap_used, reason = "tests")]

#[path = "door/configured.rs"]
mod configured;
#[path = "door/faults.rs"]
mod faults;
#[path = "door/fuzz.rs"]
mod fuzz;
#[path = "door/idle.rs"]
mod idle;
#[path = "door/idle_runs.rs"]
mod idle_runs;
#[path = "door/kills.rs"]
mod kills;
#[path = "door/lists.rs"]
mod lists;
#[path = "door/manifests.rs"]
mod manifests;
#[path = "door/returns.rs"]
mod returns;
#[path = "door/roles.rs"]
mod roles;
#[path = "door/secrets.rs"]
mod secrets;
#[path = "door/stop.rs"]
mod stop;
#[path = "door/tls.rs"]
mod tls;
#[path = "door/traps.rs"]
mod traps;
#[path = "door/wire.rs"]
mod wire;
#[path = "door/workers.rs"]
mod workers;
