//! Reads the function that an attribute stands on.
//!
//! Only the signature is parsed, piece by piece. The parser for all of Rust would be compiled with
//! every guest and take longer than the guest.

use proc_macro2::{Group, Ident, TokenStream};
use quote::quote;
use syn::parse::{Parse, ParseStream};
use syn::punctuated::Punctuated;
use syn::{Attribute, Error, Result, Token, Type, Visibility, parenthesized};

/// An `async fn` of plain arguments, with or without a body.
pub(crate) struct Function {
    pub(crate) attributes: Vec<Attribute>,
    pub(crate) visibility: Visibility,
    pub(crate) name: Ident,
    pub(crate) arguments: Vec<Argument>,
    pub(crate) result: Type,
    /// With its braces.
    pub(crate) body: Option<Group>,
}

/// One argument.
pub(crate) struct Argument {
    mutability: Option<Token![mut]>,
    pub(crate) name: Ident,
    pub(crate) kind: Type,
}

impl Parse for Function {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        let attributes = input.call(Attribute::parse_outer)?;
        let visibility = input.parse()?;
        if !input.peek(Token![async]) {
            return Err(input.error("the function must be `async`"));
        }
        input.parse::<Token![async]>()?;
        input.parse::<Token![fn]>()?;
        let name: Ident = input.parse()?;
        if input.peek(Token![<]) {
            let message = "the function cannot be generic: callers name it by its type name only";
            return Err(input.error(message));
        }
        let arguments;
        parenthesized!(arguments in input);
        let arguments = Punctuated::<Argument, Token![,]>::parse_terminated(&arguments)?;
        if !input.peek(Token![->]) {
            return Err(input.error("the function must return a `Result<T, E>`"));
        }
        input.parse::<Token![->]>()?;
        let result = input.parse()?;
        let body = match input.parse::<Option<Token![;]>>()? {
            Some(_) => None,
            None => Some(input.parse()?),
        };
        Ok(Self {
            attributes,
            visibility,
            name,
            arguments: arguments.into_iter().collect(),
            result,
            body,
        })
    }
}

impl Parse for Argument {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        if input.peek(Token![&]) || input.peek(Token![self]) {
            return Err(input.error("methods are not supported, only free functions"));
        }
        let mutability = input.parse()?;
        if !(input.peek(syn::Ident) && input.peek2(Token![:]) && !input.peek2(Token![::])) {
            let message = "the argument must be a plain name; take it apart in the body";
            return Err(input.error(message));
        }
        let name = input.parse()?;
        input.parse::<Token![:]>()?;
        let kind = input.parse()?;
        if let Type::Reference(reference) = &kind {
            let message = "the argument must be an owned value: it is decoded from a payload";
            return Err(Error::new(reference.and_token.span, message));
        }
        Ok(Self {
            mutability,
            name,
            kind,
        })
    }
}

impl Function {
    /// The doc comments among the attributes.
    pub(crate) fn docs(&self) -> impl Iterator<Item = &Attribute> {
        self.attributes
            .iter()
            .filter(|attribute| attribute.path().is_ident("doc"))
    }

    /// `cfg` attributes, which must be on every item that is made.
    pub(crate) fn conditions(&self) -> impl Iterator<Item = &Attribute> {
        self.attributes
            .iter()
            .filter(|attribute| attribute.path().is_ident("cfg"))
    }

    /// Attributes that concern the body, such as `expect`.
    pub(crate) fn body_attributes(&self) -> impl Iterator<Item = &Attribute> {
        self.attributes.iter().filter(|attribute| {
            !attribute.path().is_ident("doc") && !attribute.path().is_ident("cfg")
        })
    }

    /// The function under a name, if it has a body.
    pub(crate) fn definition(&self, name: &Ident) -> Option<TokenStream> {
        let (result, body) = (&self.result, self.body.as_ref()?);
        let parameters = self.arguments.iter().map(|argument| {
            let Argument {
                mutability,
                name,
                kind,
            } = argument;
            quote!(#mutability #name: #kind)
        });
        Some(quote!(async fn #name(#(#parameters),*) -> #result #body))
    }

    /// The arguments as parameters of a function that only passes them on.
    pub(crate) fn parameters(&self) -> TokenStream {
        self.arguments
            .iter()
            .map(|Argument { name, kind, .. }| quote!(#name: #kind,))
            .collect()
    }

    /// The arguments' names, with a comma after each.
    pub(crate) fn names(&self) -> TokenStream {
        self.arguments
            .iter()
            .map(|Argument { name, .. }| quote!(#name,))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn refused(text: &str) -> String {
        syn::parse_str::<Function>(text)
            .map(drop)
            .unwrap_err()
            .to_string()
    }

    #[test]
    fn a_function_is_taken_apart() {
        let text =
            "/// Doc.\n pub(crate) async fn f(mut a: Vec<u8>, r#type: (u8, u8),) -> R<()> { a }";
        let function: Function = syn::parse_str(text).unwrap();
        assert_eq!(function.docs().count(), 1);
        assert_eq!(function.names().to_string(), "a , r#type ,");
        assert_eq!(
            function.parameters().to_string(),
            "a : Vec < u8 > , r#type : (u8 , u8) ,"
        );
        let name = Ident::new("g", function.name.span());
        assert_eq!(
            function.definition(&name).unwrap().to_string(),
            "async fn g (mut a : Vec < u8 > , r#type : (u8 , u8)) -> R < () > { a }"
        );
    }

    #[test]
    fn a_declaration_has_no_definition() {
        let function: Function = syn::parse_str("async fn f() -> Result<(), Failure>;").unwrap();
        assert!(function.definition(&function.name).is_none());
    }

    #[test]
    fn what_cannot_be_an_activity_is_refused_with_the_reason() {
        for (text, reason) in [
            ("fn f() -> R {}", "must be `async`"),
            ("async fn f<T>(a: T) -> R {}", "cannot be generic"),
            ("async fn f(a: u8) {}", "must return a `Result"),
            ("async fn f(&self) -> R {}", "methods are not supported"),
            ("async fn f(self) -> R {}", "methods are not supported"),
            (
                "async fn f((a, b): (u8, u8)) -> R {}",
                "must be a plain name",
            ),
            ("async fn f(a: &str) -> R {}", "must be an owned value"),
        ] {
            let message = refused(text);
            assert!(message.contains(reason), "{text}: {message}");
        }
    }
}
