//! What can be told of a component to people.

use crate::{ComponentKind, Error, ForbiddenImport, Typed, allow, shape::Shape};
use sandglass_engine::Digest;

/// All about one component.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inspection {
    /// Which world it is made for.
    pub kind: ComponentKind,
    /// The SHA-256 digest of its bytes.
    pub digest: Digest,
    /// Its size in bytes.
    pub size_bytes: usize,
    /// Its workflow or activity types; empty if it cannot be loaded.
    pub types: Vec<String>,
    /// Its functions of its author's own types; none if it cannot be loaded.
    pub typed: Typed,
    /// Its imports, each with whether it may have it.
    pub imports: Vec<ImportVerdict>,
    /// Settings of the engine it runs on, as names and values.
    pub settings: Vec<(&'static str, String)>,
    /// Why it cannot be loaded, if so.
    pub problem: Option<String>,
}

/// One import of a component.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportVerdict {
    /// Its full name.
    pub name: String,
    /// Why the component may not have it; `None` if it may.
    pub forbidden: Option<ForbiddenImport>,
}

/// Puts together what is known.
pub(crate) fn inspection(
    kind: ComponentKind,
    digest: Digest,
    size_bytes: usize,
    shape: &Shape,
    types: Result<(Vec<String>, Typed), Error>,
    mut settings: Vec<(&'static str, String)>,
) -> Inspection {
    if kind == ComponentKind::Activities {
        // An attempt has the limits of its activity, not a budget for each event.
        settings.retain(|(name, _)| *name != "activation-budget-ms");
    }
    let imports = shape.imports.iter().map(|name| ImportVerdict {
        name: name.clone(),
        forbidden: allow::verdict(kind, shape, name),
    });
    let imports = imports.collect();
    let ((types, typed), problem) = match types {
        Ok(types) => (types, None),
        Err(error) => (Default::default(), Some(error.to_string())),
    };
    Inspection {
        kind,
        digest,
        size_bytes,
        types,
        typed,
        imports,
        settings,
        problem,
    }
}
