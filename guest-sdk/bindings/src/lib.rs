//! Raw bindings of the guest contract, as `wit-bindgen` generates them.
//!
//! [`workflow`] and [`activity`] are worlds of `wit/`, where each item is explained; with the
//! feature `async-workflow` there is that world too, which shares the interfaces of `workflow`. A
//! guest implements the `Guest` trait found under `exports` and passes its type to the world's
//! `export!`. Most guests use the crate `sandglass-guest` instead, which is built on this one.
//!
//! Each world is described to the host only in a build that can serve it: `activity` for
//! `target_os = "wasi"`, `workflow` for any other target, and for that one too with the flag
//! `--cfg sandglass_workflows`, which `sandglass build --wasi` gives.
//!
//! The files are checked in so that building a guest needs no generator; `sandglass-guest-generate`
//! rewrites them.

#[rustfmt::skip]
#[allow(missing_docs, clippy::all, reason = "generated")]
pub mod activity;
#[cfg(feature = "async-workflow")]
#[rustfmt::skip]
#[allow(missing_docs, clippy::all, reason = "generated")]
pub mod async_workflow;
#[rustfmt::skip]
#[allow(missing_docs, clippy::all, reason = "generated")]
pub mod workflow;
