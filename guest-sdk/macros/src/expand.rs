//! Writes the items that stand for a workflow or an activity.
//!
//! The function keeps its name in the namespace of values; a type of the same name, which no value
//! can have, carries what belongs to it. So one import brings both.

use proc_macro2::TokenStream;
use quote::{format_ident, quote};
use syn::ext::IdentExt;
use syn::{Ident, LitStr, Result};

use crate::function::{Argument, Function};
use crate::options::{ActivityOptions, WorkflowOptions};

fn type_name(function: &Function, given: Option<&LitStr>) -> LitStr {
    given
        .cloned()
        .unwrap_or_else(|| LitStr::new(&function.name.unraw().to_string(), function.name.span()))
}

/// Makes the function itself and the type with its definition.
pub(crate) fn workflow(options: &WorkflowOptions, function: &Function) -> Result<TokenStream> {
    let Some(definition) = function.definition(&function.name) else {
        let message = "a workflow needs a body";
        return Err(syn::Error::new(function.name.span(), message));
    };
    let type_name = type_name(function, options.name.as_ref());
    let Function {
        attributes,
        visibility,
        name,
        ..
    } = function;
    let (docs, conditions) = (function.docs(), function.conditions().collect::<Vec<_>>());
    let (decode, values) = decode(function);
    let count = function.arguments.len();
    Ok(quote! {
        #(#attributes)*
        #visibility #definition

        #(#docs)*
        #(#conditions)*
        #[allow(
            non_camel_case_types,
            dead_code,
            reason = "named as its function; used by `export!`"
        )]
        #visibility enum #name {}

        #(#conditions)*
        #[allow(dead_code, reason = "for callers that name the type")]
        impl #name {
            /// The workflow type's name.
            pub const NAME: &'static str = #type_name;

            #[doc(hidden)]
            pub fn __definition() -> ::sandglass_guest::__private::Definition {
                fn begin(
                    arguments: ::sandglass_guest::__private::Payloads,
                ) -> ::sandglass_guest::__private::Body {
                    ::std::boxed::Box::pin(async move {
                        let mut arguments =
                            ::sandglass_guest::__private::Arguments::new(arguments, #count)?;
                        #decode
                        arguments.finish()?;
                        ::sandglass_guest::__private::encode_outcome(#name(#(#values),*).await)
                    })
                }
                ::sandglass_guest::__private::Definition { name: Self::NAME, begin }
            }
        }
    })
}

/// Makes the function that starts the activity and the type with its call and implementation.
pub(crate) fn activity(options: &ActivityOptions, function: &Function) -> Result<TokenStream> {
    let type_name = type_name(function, options.name.as_ref());
    let Function {
        visibility,
        name,
        result,
        ..
    } = function;
    let setters = &options.setters;
    let docs = function.docs().collect::<Vec<_>>();
    let conditions = function.conditions().collect::<Vec<_>>();
    let (parameters, names) = (function.parameters(), function.names());
    let arguments = function
        .arguments
        .iter()
        .map(|Argument { name, .. }| quote!(.argument(&#name)));
    let implementation = implementation(function);
    let value = quote!(<#result as ::sandglass_guest::__private::Outcome>::Value);
    Ok(quote! {
        #(#docs)*
        #(#conditions)*
        #[allow(dead_code, reason = "an activity may have no caller in its own crate")]
        #visibility fn #name(#parameters) -> ::sandglass_guest::Activity<#value> {
            #name::call(#names).start()
        }

        #(#docs)*
        #(#conditions)*
        #[allow(
            non_camel_case_types,
            dead_code,
            reason = "named as its function; used by `export!`"
        )]
        #visibility enum #name {}

        #(#conditions)*
        #[allow(dead_code, reason = "for callers that change options, and for `export!`")]
        impl #name {
            /// The activity type's name.
            pub const NAME: &'static str = #type_name;

            /// Describes a call without starting it.
            pub fn call(#parameters) -> ::sandglass_guest::ActivityCall<#value> {
                ::sandglass_guest::ActivityCall::new(Self::NAME)
                    .with(::sandglass_guest::ActivityOptions::new() #setters)
                    #(#arguments)*
            }

            #implementation
        }
    })
}

/// The body of an activity and its registration, if it has one.
fn implementation(function: &Function) -> TokenStream {
    let Some(definition) = function.definition(&format_ident!("__body")) else {
        return TokenStream::new();
    };
    let attributes = function.body_attributes();
    let (decode, values) = decode(function);
    let (name, count) = (&function.name, function.arguments.len());
    quote! {
        #(#attributes)*
        #definition

        #[doc(hidden)]
        pub fn __definition() -> ::sandglass_guest::__private::Definition {
            fn begin(
                arguments: ::sandglass_guest::__private::Payloads,
            ) -> ::sandglass_guest::__private::Body {
                ::std::boxed::Box::pin(async move {
                    let mut arguments =
                        ::sandglass_guest::__private::Arguments::new(arguments, #count)?;
                    #decode
                    arguments.finish()?;
                    ::sandglass_guest::__private::encode_outcome(#name::__body(#(#values),*).await)
                })
            }
            ::sandglass_guest::__private::Definition { name: Self::NAME, begin }
        }
    }
}

/// Statements that take each argument out of `arguments`, and the names they give them.
///
/// The names are not the user's own: one of those may be the name of the function.
fn decode(function: &Function) -> (TokenStream, Vec<Ident>) {
    let numbered = function.arguments.iter().enumerate();
    numbered
        .map(|(index, Argument { name, kind, .. })| {
            let (text, value) = (name.unraw().to_string(), format_ident!("argument_{index}"));
            (quote!(let #value: #kind = arguments.next(#text)?;), value)
        })
        .unzip()
}
