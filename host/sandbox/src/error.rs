//! Why a component cannot be loaded. What a running guest does wrong is a `TaskFailure` or an
//! `ActivityOutcome` instead: that is data of its run.

use crate::{ComponentKind, ForbiddenImport};
use std::{io, path::PathBuf};

/// Why the sandbox cannot load or prepare something.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The bytes are no WebAssembly at all.
    #[error("not a WebAssembly component: {0}")]
    NotWasm(String),
    /// The bytes are a core module.
    #[error("this is a core module, not a component: build it with `sandglass build`")]
    CoreModule,
    /// The component is larger than any that is loaded.
    #[error("the component has {bytes} bytes, more than the {max} that are loaded")]
    TooLarge {
        /// Its size in bytes.
        bytes: usize,
        /// The most that is loaded.
        max: usize,
    },
    /// The component is for the other world.
    #[error("this component has {found}, expected {expected}")]
    WrongKind {
        /// What the caller asked for.
        expected: ComponentKind,
        /// What the component is.
        found: ComponentKind,
    },
    /// The component exports neither workflows nor activities.
    #[error(
        "the component exports neither sandglass:workflow/guest nor \
         sandglass:workflow/activity-handler at version 0.1, nor functions of its own: add \
         `sandglass_guest::export!` to its crate and build it with `sandglass build`"
    )]
    NoExports,
    /// The component asks for more than its world has.
    #[error("forbidden imports:{}", crate::allow::list(.0))]
    ForbiddenImports(Vec<ForbiddenImport>),
    /// The component does not validate, or differs from its world.
    #[error("invalid component: {0}")]
    Invalid(String),
    /// Its own functions cannot be workflows or activities.
    #[error("{0}")]
    Typed(String),
    /// What it says of how activities are run is wrong.
    #[error("options of activities: {0}")]
    Options(String),
    /// The list of its types could not be read.
    #[error("the component's definitions cannot be read: {0}")]
    Definitions(String),
    /// Its list of types is empty.
    #[error("the component lists no types")]
    NoTypes,
    /// A directory or host that is granted cannot be.
    #[error("cannot grant {grant}: {reason}")]
    Grant {
        /// The directory or host.
        grant: String,
        /// Why not.
        reason: String,
    },
    /// The directory of compiled components cannot be used.
    #[error("compile cache {}: {source}", path.display())]
    Cache {
        /// The directory.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The host's machine does not support the settings.
    #[error("engine: {0}")]
    Engine(String),
}

impl Error {
    pub(crate) fn engine(error: wasmtime::Error) -> Self {
        Self::Engine(format!("{error:#}"))
    }

    pub(crate) fn invalid(error: wasmtime::Error) -> Self {
        Self::Invalid(format!("{error:#}"))
    }
}
