//! The host's side of the WIT worlds, generated. The two worlds share the Rust types of what
//! crosses in both, so that each is converted in one place.

/// World `workflow`: every call is synchronous and returns at once.
pub(crate) mod workflow {
    wasmtime::component::bindgen!({
        path: "../../wit",
        world: "workflow",
        imports: { default: trappable },
    });
}

/// World `activity`: exports are called on a fiber, because WASI may block.
pub(crate) mod activity {
    wasmtime::component::bindgen!({
        path: "../../wit",
        world: "activity",
        imports: { default: trappable },
        exports: { default: async },
        with: {
            "sandglass:workflow/types": crate::bindings::workflow::sandglass::workflow::types,
            "sandglass:workflow/log": crate::bindings::workflow::sandglass::workflow::log,
        },
    });
}

pub(crate) use workflow::sandglass::workflow::types;

/// WASI 0.2 as workflows are served it; what it does is in [`crate::wasi`].
pub(crate) mod wasi {
    wasmtime::component::bindgen!({
        path: "wit",
        world: "wasi",
        imports: { default: trappable },
    });
}
