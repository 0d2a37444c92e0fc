//! Which imports a component may have, and what to use in place of the others.
//!
//! Checked before anything is compiled or run: a workflow that could read a clock or a file would
//! pass its first execution and differ in its replay.

use crate::{
    ComponentKind, Error,
    shape::{Shape, WayIn, interface, served},
};
use std::fmt;

/// The interfaces that all worlds of workflows have, without package and version.
const WORKFLOW: &[&str] = &[
    "types",
    "activities",
    "children",
    "externals",
    "timers",
    "cancellation",
    "compensation",
    "updates",
    "attributes",
    "info",
    "log",
    "execution",
];

/// What world `workflow` has beside them.
const WAITS: &str = "waits";

/// What world `blocking-workflow` has beside them.
const BLOCKING: &str = "blocking";

/// What world `async-workflow` has beside them.
const CONCURRENT: &str = "async-waits";

impl WayIn {
    /// What such workflows wait by.
    fn waits(self) -> &'static str {
        match self {
            Self::Activation => WAITS,
            Self::Blocking => BLOCKING,
            Self::Concurrent => CONCURRENT,
        }
    }
}

/// The interfaces of world `activity`, without package and version.
const ACTIVITY: &[&str] = &["types", "activity-context", "log"];

/// The WASI 0.2 interfaces that are served, without versions: all but http. Workflows have no
/// sockets, and of the others what is the same in each replay ([`crate::wasi`]).
const WASI: &[&str] = &[
    "wasi:cli/environment",
    "wasi:cli/exit",
    "wasi:cli/stderr",
    "wasi:cli/stdin",
    "wasi:cli/stdout",
    "wasi:cli/terminal-input",
    "wasi:cli/terminal-output",
    "wasi:cli/terminal-stderr",
    "wasi:cli/terminal-stdin",
    "wasi:cli/terminal-stdout",
    "wasi:clocks/monotonic-clock",
    "wasi:clocks/wall-clock",
    "wasi:filesystem/preopens",
    "wasi:filesystem/types",
    "wasi:io/error",
    "wasi:io/poll",
    "wasi:io/streams",
    "wasi:random/insecure",
    "wasi:random/insecure-seed",
    "wasi:random/random",
    "wasi:sockets/instance-network",
    "wasi:sockets/ip-name-lookup",
    "wasi:sockets/network",
    "wasi:sockets/tcp",
    "wasi:sockets/tcp-create-socket",
    "wasi:sockets/udp",
    "wasi:sockets/udp-create-socket",
];

/// An import that a component may not have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForbiddenImport {
    /// Its full name.
    pub name: String,
    /// Why not, and what to use instead.
    pub advice: &'static str,
}

impl fmt::Display for ForbiddenImport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.name, self.advice)
    }
}

/// Says why an import is forbidden, or nothing if it is allowed.
pub(crate) fn verdict(kind: ComponentKind, shape: &Shape, name: &str) -> Option<ForbiddenImport> {
    let way_in = shape.way_in();
    let is_own = |short: &str| match kind {
        ComponentKind::Workflow => WORKFLOW.contains(&short) || short == way_in.waits(),
        ComponentKind::Activities => ACTIVITY.contains(&short),
    };
    let advice = match interface(name).strip_prefix("sandglass:workflow/") {
        Some(short) if is_own(short) && served(name) => return None,
        Some(short) if is_own(short) => "this host serves version 0.1 of it",
        Some(BLOCKING) if kind == ComponentKind::Workflow => {
            "only for components that export `blocking-guest`"
        }
        Some(CONCURRENT) if kind == ComponentKind::Workflow => {
            "only for components that export `async-guest`"
        }
        Some(WAITS) if kind == ComponentKind::Workflow => {
            "only for components that export `guest`; this one waits in its calls"
        }
        Some(_) => match kind {
            ComponentKind::Workflow => {
                "not an interface that workflows have; do what needs it in an activity"
            }
            ComponentKind::Activities => "not an interface that activities have",
        },
        None if is_authors(name) && kind == ComponentKind::Workflow => match way_in {
            WayIn::Blocking | WayIn::Concurrent => return None,
            WayIn::Activation => {
                "a call of it would wait, and this component is called for each event; do what \
                 needs it in an activity that is scheduled by its name"
            }
        },
        None if is_served(kind, interface(name)) && is_wasi_0_2(name) => return None,
        None if is_served(kind, interface(name)) => "this host serves version 0.2 of it",
        None => match kind {
            ComponentKind::Workflow => instead_in_workflow(interface(name)),
            ComponentKind::Activities => instead_in_activity(interface(name)),
        },
    };
    Some(ForbiddenImport {
        name: name.to_owned(),
        advice,
    })
}

/// Whether an import or export is neither ours nor WASI's. Workflows that wait in their calls may
/// have any such import: its functions are activities.
#[must_use]
pub fn is_authors(name: &str) -> bool {
    !name.starts_with("sandglass:") && !name.starts_with("wasi:")
}

/// Checks all imports of a component.
///
/// # Errors
/// [`Error::ForbiddenImports`] with every one that is not allowed.
pub(crate) fn check(kind: ComponentKind, shape: &Shape) -> Result<(), Error> {
    let forbidden: Vec<_> = shape
        .imports
        .iter()
        .filter_map(|name| verdict(kind, shape, name))
        .collect();
    if forbidden.is_empty() {
        Ok(())
    } else {
        Err(Error::ForbiddenImports(forbidden))
    }
}

/// One line per import, each beginning on a new one.
pub(crate) fn list(imports: &[ForbiddenImport]) -> String {
    imports
        .iter()
        .map(|import| format!("\n  {import}"))
        .collect()
}

fn is_served(kind: ComponentKind, interface: &str) -> bool {
    let has_sockets = kind == ComponentKind::Activities;
    WASI.contains(&interface) && (has_sockets || !interface.starts_with("wasi:sockets/"))
}

fn is_wasi_0_2(name: &str) -> bool {
    name.split_once('@')
        .is_some_and(|(_, version)| version.starts_with("0.2."))
}

fn instead_in_workflow(interface: &str) -> &'static str {
    match interface.split('/').next() {
        Some("wasi:sockets" | "wasi:http") => "a workflow has no network; use it in an activity",
        Some("wasi:clocks") => "a workflow has no such clock; use now() and sleep() of the SDK",
        _ => "not an interface of sandglass:workflow@0.1.0; do what needs it in an activity",
    }
}

fn instead_in_activity(interface: &str) -> &'static str {
    if interface.starts_with("wasi:http/") {
        return "not served to activities; use wasi:sockets on a granted host";
    }
    "neither an interface of sandglass:workflow@0.1.0 nor one of WASI 0.2; \
     use the files and sockets of WASI, as granted"
}
