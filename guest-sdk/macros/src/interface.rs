//! Reads a trait that stands for an interface, each of whose functions is an activity of somebody
//! else's, and writes the functions that start them.

use proc_macro2::{Ident, TokenStream};
use quote::{format_ident, quote};
use syn::ext::IdentExt;
use syn::parse::{Parse, ParseStream};
use syn::{Attribute, Error, LitStr, Result, Token, Visibility, braced};

use crate::function::{Argument, Function};
use crate::options::ActivityOptions;

/// What stands in the parentheses of `#[activities]`: the interface, and options for all.
pub(crate) struct Named {
    interface: LitStr,
    options: ActivityOptions,
}

impl Parse for Named {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        let interface = input.parse()?;
        if !input.is_empty() {
            input.parse::<Token![,]>()?;
        }
        let options: ActivityOptions = input.parse()?;
        match options.name {
            Some(name) => Err(Error::new(
                name.span(),
                "the functions have names of their own",
            )),
            None => Ok(Self { interface, options }),
        }
    }
}

/// The trait.
pub(crate) struct Interface {
    attributes: Vec<Attribute>,
    visibility: Visibility,
    name: Ident,
    functions: Vec<(ActivityOptions, Function)>,
}

impl Parse for Interface {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        let attributes = input.call(Attribute::parse_outer)?;
        let visibility = input.parse()?;
        input.parse::<Token![trait]>()?;
        let name = input.parse()?;
        let content;
        braced!(content in input);
        let mut functions = Vec::new();
        while !content.is_empty() {
            functions.push(declared(content.parse()?)?);
        }
        Ok(Self {
            attributes,
            visibility,
            name,
            functions,
        })
    }
}

/// A function with the options that stand on it.
fn declared(mut function: Function) -> Result<(ActivityOptions, Function)> {
    if function.body.is_some() {
        let message = "the function is served by somebody else: end it with `;`";
        return Err(Error::new(function.name.span(), message));
    }
    let is_options = |attribute: &Attribute| attribute.path().is_ident("activity");
    let own = function.attributes.iter().find(|one| is_options(one));
    let options = match own {
        Some(own) => own.parse_args()?,
        None => ActivityOptions::default(),
    };
    function
        .attributes
        .retain(|attribute| !is_options(attribute));
    Ok((options, function))
}

/// Makes a type of the trait's name that has the functions.
pub(crate) fn expand(named: &Named, interface: &Interface) -> TokenStream {
    let Interface {
        attributes,
        visibility,
        name,
        functions,
    } = interface;
    let functions = functions
        .iter()
        .map(|(options, function)| each(named, visibility, options, function));
    quote! {
        #(#attributes)*
        #[derive(Debug, Clone, Copy)]
        #visibility struct #name;

        #[allow(dead_code, reason = "not all that an interface has need be called")]
        impl #name {
            #(#functions)*
        }
    }
}

fn each(
    named: &Named,
    visibility: &Visibility,
    options: &ActivityOptions,
    function: &Function,
) -> TokenStream {
    let (name, result) = (&function.name, &function.result);
    let own_name = match &options.name {
        Some(name) => name.value(),
        None => name.unraw().to_string().replace('_', "-"),
    };
    let activity_type = format!("{}.{own_name}", named.interface.value());
    let (of_all, own) = (&named.options.setters, &options.setters);
    let (docs, conditions) = (
        function.docs().collect::<Vec<_>>(),
        function.conditions().collect::<Vec<_>>(),
    );
    let (parameters, names) = (function.parameters(), function.names());
    let arguments = function
        .arguments
        .iter()
        .map(|Argument { name, .. }| quote!(.argument(&#name)));
    let call = format_ident!("{}_call", name.unraw());
    let value = quote!(<#result as ::sandglass_guest::__private::Outcome>::Value);
    let starts = format!("Describes a call of `{activity_type}` without starting it.");
    quote! {
        #(#docs)*
        #(#conditions)*
        #visibility fn #name(#parameters) -> ::sandglass_guest::Activity<#value> {
            Self::#call(#names).start()
        }

        #[doc = #starts]
        #(#conditions)*
        #visibility fn #call(#parameters) -> ::sandglass_guest::ActivityCall<#value> {
            ::sandglass_guest::ActivityCall::new(#activity_type)
                .with(::sandglass_guest::ActivityOptions::new() #of_all)
                .with(::sandglass_guest::ActivityOptions::new() #own)
                #(#arguments)*
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn expanded(named: &str, interface: &str) -> Result<String> {
        let (named, interface) = (syn::parse_str(named)?, syn::parse_str(interface)?);
        Ok(expand(&named, &interface).to_string().replace(' ', ""))
    }

    #[test]
    fn each_function_is_an_activity_of_the_interface() {
        let text = expanded(
            "\"shop:payments/cards\", start_to_close = \"1s\"",
            "pub trait Cards {
                async fn charge_all(order: Order) -> Result<u8, Failure>;
                #[activity(heartbeat = \"2s\", name = \"undo\")]
                async fn refund() -> Result<(), Failure>;
            }",
        )
        .unwrap();
        for part in [
            "pubstructCards;",
            "pubfncharge_all(order:Order,)->::sandglass_guest::Activity<",
            "new(\"shop:payments/cards.charge-all\").with(::sandglass_guest::ActivityOptions::new()\
             .start_to_close(::core::time::Duration::from_millis(1000u64)))",
            ".argument(&order)",
            "pubfnrefund_call()",
            "new(\"shop:payments/cards.undo\")",
            ".heartbeat(::core::time::Duration::from_millis(2000u64))",
        ] {
            assert!(text.contains(part), "{part} is not in {text}");
        }
    }

    #[test]
    fn what_is_no_interface_is_refused_with_the_reason() {
        for (named, interface, reason) in [
            (
                "start_to_close = \"1s\"",
                "trait A {}",
                "expected string literal",
            ),
            (
                "\"a:b/c\", name = \"x\"",
                "trait A {}",
                "names of their own",
            ),
            ("\"a:b/c\"", "struct A;", "expected `trait`"),
            (
                "\"a:b/c\"",
                "trait A { async fn f() -> Result<(), Failure> {} }",
                "end it with `;`",
            ),
        ] {
            let message = expanded(named, interface).unwrap_err().to_string();
            assert!(message.contains(reason), "{interface}: {message}");
        }
    }
}
