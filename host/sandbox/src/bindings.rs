//! The host's side of the WIT worlds, generated. The worlds share the Rust types of what
//! crosses in several, so that each is converted in one place.

/// World `workflow`: every call is synchronous and returns at once.
pub(crate) mod workflow {
    wasmtime::component::bindgen!({
        path: "../../wit",
        world: "workflow",
        imports: { default: trappable },
    });
}

/// World `blocking-workflow`: called on a fiber, which is left where the guest waits.
pub(crate) mod blocking {
    wasmtime::component::bindgen!({
        path: "../../wit",
        world: "blocking-workflow",
        imports: {
            "sandglass:workflow/blocking.wait": async | trappable,
            "sandglass:workflow/blocking.wait-any": async | trappable,
            "sandglass:workflow/blocking.wait-start": async | trappable,
            "sandglass:workflow/blocking.next-signal": async | trappable,
            "sandglass:workflow/blocking.next-update": async | trappable,
            "sandglass:workflow/blocking.wait-canceled": async | trappable,
            default: trappable,
        },
        exports: { default: async },
        with: {
            "sandglass:workflow/types": crate::bindings::contract::types,
            "sandglass:workflow/activities": crate::bindings::contract::activities,
            "sandglass:workflow/attributes": crate::bindings::contract::attributes,
            "sandglass:workflow/cancellation": crate::bindings::contract::cancellation,
            "sandglass:workflow/children": crate::bindings::contract::children,
            "sandglass:workflow/compensation": crate::bindings::contract::compensation,
            "sandglass:workflow/execution": crate::bindings::contract::execution,
            "sandglass:workflow/externals": crate::bindings::contract::externals,
            "sandglass:workflow/info": crate::bindings::contract::info,
            "sandglass:workflow/log": crate::bindings::contract::log,
            "sandglass:workflow/timers": crate::bindings::contract::timers,
            "sandglass:workflow/updates": crate::bindings::contract::updates,
        },
    });
}

/// World `async-workflow`: what it awaits are futures of the host.
pub(crate) mod concurrent {
    wasmtime::component::bindgen!({
        path: "../../wit",
        world: "async-workflow",
        imports: { default: trappable },
        exports: { default: async },
        with: {
            "sandglass:workflow/types": crate::bindings::contract::types,
            "sandglass:workflow/activities": crate::bindings::contract::activities,
            "sandglass:workflow/attributes": crate::bindings::contract::attributes,
            "sandglass:workflow/cancellation": crate::bindings::contract::cancellation,
            "sandglass:workflow/children": crate::bindings::contract::children,
            "sandglass:workflow/compensation": crate::bindings::contract::compensation,
            "sandglass:workflow/execution": crate::bindings::contract::execution,
            "sandglass:workflow/externals": crate::bindings::contract::externals,
            "sandglass:workflow/info": crate::bindings::contract::info,
            "sandglass:workflow/log": crate::bindings::contract::log,
            "sandglass:workflow/timers": crate::bindings::contract::timers,
            "sandglass:workflow/updates": crate::bindings::contract::updates,
        },
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
            "sandglass:workflow/types": crate::bindings::contract::types,
            "sandglass:workflow/log": crate::bindings::contract::log,
        },
    });
}

pub(crate) use contract::types;

/// The interfaces that several worlds have.
use workflow::sandglass::workflow as contract;

/// WASI 0.2 as workflows are served it; what it does is in [`crate::wasi`].
pub(crate) mod wasi {
    wasmtime::component::bindgen!({
        path: "wit",
        world: "wasi",
        imports: { default: trappable },
    });
}
