//! Makes a component of what a compiler puts out, for build tools.

use wasi_preview1_component_adapter_provider::{
    WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME, WASI_SNAPSHOT_PREVIEW1_REACTOR_ADAPTER,
};
use wasm_encoder::{CustomSection, Section as _};
use wasmparser::{Encoding, Parser, Payload};
use wit_component::ComponentEncoder;

/// Why a module cannot be made a component.
#[derive(Debug, thiserror::Error)]
pub enum ComponentizeError {
    /// The bytes are no core module.
    #[error("not a core WebAssembly module: {0}")]
    NotModule(String),
    /// The module does not say which world it is made for.
    #[error(
        "the module exports no workflows or activities: add `sandglass_guest::export! {{ .. }}` to \
         its crate, and `crate-type = [\"cdylib\"]` to its Cargo.toml"
    )]
    NoExports,
    /// The module contradicts the world it is made for.
    #[error("cannot make a component: {0}")]
    Encode(String),
}

/// Makes a component of a core module that was compiled for `wasm32-unknown-unknown`, without an
/// operating system, or for `wasm32-wasip1`. Which world it is for it says itself.
///
/// # Errors
/// [`ComponentizeError`], which says what to change.
pub fn to_component(core: &[u8]) -> Result<Vec<u8>, ComponentizeError> {
    let module = Module::read(core)?;
    if !module.has_world {
        return Err(ComponentizeError::NoExports);
    }
    let mut encoder = ComponentEncoder::default().validate(true);
    if module.has_wasi {
        let adapter = WASI_SNAPSHOT_PREVIEW1_REACTOR_ADAPTER;
        encoder = encoder
            .adapter(WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME, adapter)
            .map_err(|error| ComponentizeError::Encode(format!("{error:#}")))?;
    }
    encoder
        .module(core)
        .and_then(|mut encoder| encoder.encode())
        .map_err(|error| ComponentizeError::Encode(format!("{error:#}")))
}

/// Adds to a core module what says which world it is for: a custom section, `component-type:` and
/// a name. For compilers whose bindings cannot put it there.
pub fn add_world(core: &mut Vec<u8>, section: &str, world: &[u8]) {
    let section = CustomSection {
        name: section.into(),
        data: world.into(),
    };
    section.append_to(core);
}

/// What can be told of a module by reading it.
#[derive(Default)]
struct Module {
    /// Whether it carries the section in which bindings describe their world.
    has_world: bool,
    has_wasi: bool,
}

impl Module {
    fn read(core: &[u8]) -> Result<Self, ComponentizeError> {
        let broken =
            |error: wasmparser::BinaryReaderError| ComponentizeError::NotModule(error.to_string());
        let mut module = Self::default();
        for payload in Parser::new(0).parse_all(core) {
            match payload.map_err(broken)? {
                Payload::Version {
                    encoding: Encoding::Component,
                    ..
                } => {
                    return Err(ComponentizeError::NotModule(
                        "it is a component already".into(),
                    ));
                }
                Payload::CustomSection(section) if section.name().starts_with("component-type") => {
                    module.has_world = true;
                }
                Payload::ImportSection(imports) => {
                    for import in imports.into_imports() {
                        let import = import.map_err(broken)?;
                        module.has_wasi |= import.module == WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME;
                    }
                }
                _ => {}
            }
        }
        Ok(module)
    }
}
