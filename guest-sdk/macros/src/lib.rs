//! The attributes `#[workflow]` and `#[activity]` of the Rust guest SDK.
//!
//! They only wrap: each makes a type with the function's name whose methods call into
//! `sandglass-guest`, where everything is decided. The crate `sandglass-guest` exports and explains
//! them.

mod expand;
mod function;
mod interface;
mod options;

use proc_macro::TokenStream;

/// Makes an `async fn` a workflow type, named as the function or by `#[workflow(name = "..")]`.
///
/// Its arguments are decoded from the run's; one that does not decode fails the run. It returns a
/// `Result` of a value that can be encoded and an error that can become a `Failure`. The function
/// itself stays as it is, so that other workflows can call it. `sandglass_guest::export!` lists the
/// types of a component.
#[proc_macro_attribute]
pub fn workflow(attribute: TokenStream, item: TokenStream) -> TokenStream {
    syn::parse(attribute)
        .and_then(|options| Ok((options, syn::parse(item)?)))
        .and_then(|(options, function)| expand::workflow(&options, &function))
        .unwrap_or_else(|error| error.to_compile_error())
        .into()
}

/// Makes a trait the activities of an interface that somebody else serves.
///
/// `#[activities("shop:payments/cards", start_to_close = "30s")]` takes the interface's name in WIT
/// and the options that hold for all; `#[activity(..)]` on a function has those of its own. The
/// trait becomes a type with the functions: `Cards::charge(order)` starts the activity
/// `shop:payments/cards.charge`, `Cards::charge_call(order)` only describes it. A name with `_` has
/// `-` in WIT.
#[proc_macro_attribute]
pub fn activities(attribute: TokenStream, item: TokenStream) -> TokenStream {
    syn::parse(attribute)
        .and_then(|named| Ok((named, syn::parse(item)?)))
        .map(|(named, interface)| interface::expand(&named, &interface))
        .unwrap_or_else(|error| error.to_compile_error())
        .into()
}

/// Makes an `async fn` an activity type, and a function of that name that starts it.
///
/// The options and all that is made are explained at the module `sandglass_guest::activity`.
#[proc_macro_attribute]
pub fn activity(attribute: TokenStream, item: TokenStream) -> TokenStream {
    syn::parse(attribute)
        .and_then(|options| Ok((options, syn::parse(item)?)))
        .and_then(|(options, function)| expand::activity(&options, &function))
        .unwrap_or_else(|error| error.to_compile_error())
        .into()
}
