//! What can be told of a component by reading it, before anything is compiled.

use crate::{Error, allow, typed};
use serde::{Deserialize, Serialize};
use std::fmt;
use wasmparser::{
    ComponentExternalKind, ComponentTypeRef, Data, Encoding, Parser, Payload, Validator,
    WasmFeatures,
    component_types::{ComponentEntityType, ComponentItem},
};

/// Which world a component is made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ComponentKind {
    /// World `workflow`, `blocking-workflow` or `async-workflow`.
    Workflow,
    /// World `activity`.
    Activities,
}

/// What a component of workflows exports that are called for each event.
const ACTIVATION: &str = "sandglass:workflow/guest";

/// What a component of straight-line workflows exports.
pub(crate) const BLOCKING: &str = "sandglass:workflow/blocking-guest";

/// What a component of workflows exports that await.
pub(crate) const CONCURRENT: &str = "sandglass:workflow/async-guest";

/// What a component of activities exports.
pub(crate) const HANDLER: &str = "sandglass:workflow/activity-handler";

impl fmt::Display for ComponentKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Workflow => "workflows",
            Self::Activities => "activities",
        })
    }
}

impl ComponentKind {
    /// The interfaces of which a component of this kind exports one.
    fn exports(self) -> &'static [&'static str] {
        match self {
            Self::Workflow => &[ACTIVATION, BLOCKING, CONCURRENT],
            Self::Activities => &[HANDLER],
        }
    }
}

/// How the workflows of a component are called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WayIn {
    /// For each event: world `workflow`.
    Activation,
    /// Once, and they wait on a fiber: world `blocking-workflow`.
    Blocking,
    /// Once, and they await: world `async-workflow`.
    Concurrent,
}

/// The outside of a component.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Shape {
    /// Names of its imports.
    pub(crate) imports: Vec<String>,
    /// Names of its exports.
    pub(crate) exports: Vec<String>,
    /// Whether it exports functions by themselves, each of them a workflow type.
    has_functions: bool,
    /// Whether they, without a guest interface of ours, are `async`.
    are_async: bool,
    /// Whether it exports interfaces of its author's, whose functions are activity types.
    has_interfaces: bool,
    /// How the activities of its typed imports are run, as its manifest has said.
    pub(crate) options: Option<Vec<u8>>,
    /// Bytes of initial memory in all its modules.
    pub(crate) data_bytes: usize,
}

impl Shape {
    /// Reads a component.
    ///
    /// # Errors
    /// [`Error::CoreModule`] or [`Error::NotWasm`] if it is none.
    pub(crate) fn read(bytes: &[u8]) -> Result<Self, Error> {
        // Asked first: the parser's answer to other files is a dump of their bytes.
        if !bytes.starts_with(MAGIC) {
            return Err(Error::NotWasm(beginning(bytes)));
        }
        let mut shape = Self::default();
        // Nested modules and components have imports and exports too; only those outside count.
        let mut depth = 0_usize;
        for payload in Parser::new(0).parse_all(bytes) {
            match payload.map_err(not_wasm)? {
                Payload::Version {
                    encoding: Encoding::Module,
                    ..
                } if depth == 0 => {
                    return Err(Error::CoreModule);
                }
                Payload::Version { .. } => depth += 1,
                Payload::End(_) => depth = depth.saturating_sub(1),
                Payload::ComponentImportSection(imports) if depth == 1 => {
                    for import in imports {
                        let import = import.map_err(not_wasm)?;
                        // A type is one of an interface that is imported itself.
                        if !matches!(import.ty, ComponentTypeRef::Type(_)) {
                            shape.imports.push(import.name.name.to_owned());
                        }
                    }
                }
                Payload::ComponentExportSection(exports) if depth == 1 => {
                    for export in exports {
                        let export = export.map_err(not_wasm)?;
                        shape.export(export.name.name, export.kind);
                    }
                }
                Payload::CustomSection(section)
                    if depth == 1 && section.name() == typed::SECTION =>
                {
                    let before = shape.options.replace(section.data().to_vec());
                    if before.is_some() {
                        let twice = format!("there are two sections {}", typed::SECTION);
                        return Err(Error::Options(twice));
                    }
                }
                Payload::DataSection(segments) => {
                    for segment in segments {
                        let Data { data, .. } = segment.map_err(not_wasm)?;
                        shape.data_bytes += data.len();
                    }
                }
                _ => {}
            }
        }
        shape.are_async = shape.way_in() == WayIn::Blocking
            && !shape.has_export(BLOCKING)
            && has_async_function(bytes, &shape.exports);
        Ok(shape)
    }

    fn export(&mut self, name: &str, kind: ComponentExternalKind) {
        match kind {
            ComponentExternalKind::Func => self.has_functions = true,
            ComponentExternalKind::Instance if allow::is_authors(name) => {
                self.has_interfaces = true;
            }
            _ => {}
        }
        self.exports.push(name.to_owned());
    }

    /// Which world it is made for, by its exports. Of those that are its author's, functions that
    /// stand by themselves are workflows and those of interfaces are activities.
    ///
    /// # Errors
    /// [`Error::NoExports`] if for none.
    pub(crate) fn kind(&self) -> Result<ComponentKind, Error> {
        let exports = |kind: ComponentKind| {
            self.exports
                .iter()
                .any(|name| kind.exports().contains(&interface(name)) && served(name))
        };
        let kinds = [ComponentKind::Workflow, ComponentKind::Activities];
        match kinds.into_iter().find(|kind| exports(*kind)) {
            Some(kind) => Ok(kind),
            None if self.has_functions => Ok(ComponentKind::Workflow),
            None if self.has_interfaces => Ok(ComponentKind::Activities),
            None => Err(Error::NoExports),
        }
    }

    /// How its workflows are called. Functions by themselves await, or run straight ahead.
    pub(crate) fn way_in(&self) -> WayIn {
        if self.has_export(BLOCKING) {
            WayIn::Blocking
        } else if self.has_export(CONCURRENT) || self.are_async {
            WayIn::Concurrent
        } else if self.has_export(ACTIVATION) || !self.has_functions {
            WayIn::Activation
        } else {
            WayIn::Blocking
        }
    }

    /// Whether it exports this interface of ours.
    pub(crate) fn has_export(&self, wanted: &str) -> bool {
        self.exports.iter().any(|name| interface(name) == wanted)
    }

    /// Checks which world it is made for.
    ///
    /// # Errors
    /// [`Error::WrongKind`], [`Error::NoExports`]
    pub(crate) fn expect(&self, expected: ComponentKind) -> Result<(), Error> {
        let found = self.kind()?;
        if found != expected {
            return Err(Error::WrongKind { expected, found });
        }
        Ok(())
    }
}

/// Whether one of a component's exports is an `async` function. A component that is not valid has
/// none: compiling it says what is wrong.
fn has_async_function(bytes: &[u8], exports: &[String]) -> bool {
    let mut validator = Validator::new_with_features(WasmFeatures::all());
    let Ok(types) = validator.validate_all(bytes) else {
        return false;
    };
    let types = types.as_ref();
    exports
        .iter()
        .any(|name| match types.component_item_for_export(name) {
            Some(ComponentItem {
                ty: ComponentEntityType::Func(id),
                ..
            }) => types[*id].async_,
            _ => false,
        })
}

/// The name without its version.
pub(crate) fn interface(name: &str) -> &str {
    name.split_once('@')
        .map_or(name, |(interface, _)| interface)
}

/// Whether the version of an interface of ours is one that this host serves. Versions 0.1.x are
/// compatible with each other, as the linker takes them too.
pub(crate) fn served(name: &str) -> bool {
    name.split_once('@')
        .is_some_and(|(_, version)| version.starts_with("0.1."))
}

/// What all WebAssembly begins with.
const MAGIC: &[u8] = b"\0asm";

/// How a file that is no WebAssembly begins, in words.
fn beginning(bytes: &[u8]) -> String {
    match bytes {
        [] => "the file is empty".into(),
        [b'(', ..] => "it looks like the text format, which has to be assembled first".into(),
        _ => "the file does not begin with \\0asm".into(),
    }
}

fn not_wasm(error: wasmparser::BinaryReaderError) -> Error {
    Error::NotWasm(error.to_string())
}
