//! The macro that makes a crate a component.

/// Makes the crate a component with these workflow and activity types.
///
/// ```text
/// sandglass_guest::export! { workflows: [order], activities: [charge, refund] }
/// ```
///
/// `sandglass build` builds it for `wasm32-unknown-unknown`, or with `--wasi` for `wasm32-wasip1`,
/// to serve the workflows, and for `wasm32-wasip1` to serve the activities. Either list may be left
/// out; then that component does not exist. An activity that was declared without a body is served
/// by another component or by the host and is not listed.
#[macro_export]
macro_rules! export {
    (workflows: [$($workflow:ty),+ $(,)?] $(, activities: [])? $(,)?) => {
        const _: () = {
            /// The workflow types of this component.
            #[allow(dead_code, reason = "used on one target only")]
            fn workflows() -> ::std::vec::Vec<$crate::__private::Definition> {
                ::std::vec![$(<$workflow>::__definition()),+]
            }

            $crate::__export_workflows!(workflows);
        };
    };
    ($(workflows: [],)? activities: [$($activity:ty),+ $(,)?] $(,)?) => {
        const _: () = {
            /// The activity types of this component.
            #[allow(dead_code, reason = "used on one target only")]
            fn activities() -> ::std::vec::Vec<$crate::__private::Definition> {
                ::std::vec![$(<$activity>::__definition()),+]
            }

            $crate::__export_activities!(activities);
        };
    };
    (workflows: [$($workflow:ty),+ $(,)?], activities: [$($activity:ty),+ $(,)?] $(,)?) => {
        $crate::export! { workflows: [$($workflow),+] }
        $crate::export! { activities: [$($activity),+] }
    };
}

/// Exports the world `workflow`, in builds that serve it.
#[doc(hidden)]
#[macro_export]
#[cfg(all(
    target_arch = "wasm32",
    any(not(target_os = "wasi"), sandglass_workflows)
))]
macro_rules! __export_workflows {
    ($definitions:ident) => {
        use $crate::__private::bindings::workflow as world;

        struct Component;

        impl world::exports::sandglass::workflow::guest::Guest for Component {
            fn definitions() -> ::std::vec::Vec<world::sandglass::workflow::types::Definition> {
                let definitions = $definitions().into_iter();
                definitions
                    .map(|definition| world::sandglass::workflow::types::Definition {
                        name: definition.name.into(),
                    })
                    .collect()
            }

            fn activate(event: world::exports::sandglass::workflow::guest::Event) {
                $crate::__private::activate(&$definitions(), event);
            }

            fn query(
                name: ::std::string::String,
                arguments: ::std::vec::Vec<world::sandglass::workflow::types::Payload>,
                _header: ::std::vec::Vec<(
                    ::std::string::String,
                    world::sandglass::workflow::types::Payload,
                )>,
            ) -> ::std::result::Result<
                world::sandglass::workflow::types::Payload,
                world::sandglass::workflow::types::Failure,
            > {
                $crate::__private::answer_query(&name, &arguments)
            }

            fn validate_update(
                update: world::exports::sandglass::workflow::guest::Update,
            ) -> ::std::result::Result<(), world::sandglass::workflow::types::Failure> {
                $crate::__private::validate_update(&update)
            }
        }

        world::export!(Component with_types_in $crate::__private::bindings::workflow);
    };
}

/// Exports nothing here: this build does not serve workflows.
#[doc(hidden)]
#[macro_export]
#[cfg(not(all(
    target_arch = "wasm32",
    any(not(target_os = "wasi"), sandglass_workflows)
)))]
macro_rules! __export_workflows {
    ($definitions:ident) => {};
}

/// Exports the world `activity`, in builds that serve it.
#[doc(hidden)]
#[macro_export]
#[cfg(all(
    target_arch = "wasm32",
    all(target_os = "wasi", not(sandglass_workflows))
))]
macro_rules! __export_activities {
    ($definitions:ident) => {
        use $crate::__private::bindings::activity as world;
        use $crate::__private::bindings::workflow::sandglass::workflow::types;

        struct Component;

        impl world::exports::sandglass::workflow::activity_handler::Guest for Component {
            fn definitions() -> ::std::vec::Vec<types::Definition> {
                let definitions = $definitions().into_iter();
                definitions
                    .map(|definition| types::Definition { name: definition.name.into() })
                    .collect()
            }

            fn run(
                task: world::exports::sandglass::workflow::activity_handler::ActivityTask,
            ) -> ::std::result::Result<types::Payload, types::Failure> {
                $crate::__private::attempt(&$definitions(), task)
            }
        }

        world::export!(Component with_types_in $crate::__private::bindings::activity);
    };
}

/// Exports nothing here: this build does not serve activities.
#[doc(hidden)]
#[macro_export]
#[cfg(not(all(
    target_arch = "wasm32",
    all(target_os = "wasi", not(sandglass_workflows))
)))]
macro_rules! __export_activities {
    ($definitions:ident) => {};
}
