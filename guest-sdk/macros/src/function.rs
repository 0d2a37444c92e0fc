//! Reads the function that an attribute stands on.
//!
//! A body is kept as tokens: nothing here depends on what is in it, and not parsing it saves time in
//! each guest build.

use proc_macro2::{Group, Ident, TokenStream};
use quote::ToTokens;
use syn::parse::{Parse, ParseStream};
use syn::spanned::Spanned;
use syn::{Attribute, Error, FnArg, Pat, Result, ReturnType, Signature, Token, Type, Visibility};

/// An `async fn` of plain arguments, with or without a body.
pub(crate) struct Function {
    pub(crate) attributes: Vec<Attribute>,
    pub(crate) visibility: Visibility,
    pub(crate) name: Ident,
    pub(crate) arguments: Vec<Argument>,
    pub(crate) result: Type,
    pub(crate) body: Option<Body>,
}

/// One argument.
pub(crate) struct Argument {
    pub(crate) name: Ident,
    pub(crate) kind: Type,
}

/// What is needed to write the function down again.
pub(crate) struct Body {
    pub(crate) signature: Signature,
    pub(crate) block: Group,
}

impl Parse for Function {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        let attributes = input.call(Attribute::parse_outer)?;
        let visibility = input.parse()?;
        let signature: Signature = input.parse()?;
        check(&signature)?;
        let arguments = signature
            .inputs
            .iter()
            .map(argument)
            .collect::<Result<_>>()?;
        let ReturnType::Type(_, result) = &signature.output else {
            let message = "the function must return a `Result<T, E>`";
            return Err(Error::new(signature.ident.span(), message));
        };
        let (name, result) = (signature.ident.clone(), (**result).clone());
        let body = if input.parse::<Option<Token![;]>>()?.is_some() {
            None
        } else {
            Some(Body {
                signature,
                block: input.parse()?,
            })
        };
        Ok(Self {
            attributes,
            visibility,
            name,
            arguments,
            result,
            body,
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

    /// The arguments as parameters.
    pub(crate) fn parameters(&self) -> TokenStream {
        let parameters = self.arguments.iter().map(|Argument { name, kind }| {
            let mut tokens = name.to_token_stream();
            tokens.extend(quote::quote!(: #kind,));
            tokens
        });
        parameters.collect()
    }

    /// The arguments' names, with a comma after each.
    pub(crate) fn names(&self) -> TokenStream {
        self.arguments
            .iter()
            .map(|Argument { name, .. }| quote::quote!(#name,))
            .collect()
    }
}

fn check(signature: &Signature) -> Result<()> {
    if signature.asyncness.is_none() {
        return Err(Error::new(
            signature.fn_token.span(),
            "the function must be `async`",
        ));
    }
    if !signature.generics.params.is_empty() || signature.generics.where_clause.is_some() {
        let message = "the function cannot be generic: callers name it by its type name only";
        return Err(Error::new(signature.ident.span(), message));
    }
    if let Some(variadic) = &signature.variadic {
        return Err(Error::new(variadic.span(), "the arguments must be listed"));
    }
    Ok(())
}

fn argument(input: &FnArg) -> Result<Argument> {
    let FnArg::Typed(input) = input else {
        return Err(Error::new(
            input.span(),
            "methods are not supported, only free functions",
        ));
    };
    let Pat::Ident(name) = &*input.pat else {
        let message = "the argument must be a plain name; take it apart in the body";
        return Err(Error::new(input.pat.span(), message));
    };
    if let Type::Reference(_) = &*input.ty {
        let message = "the argument must be an owned value: it is decoded from a payload";
        return Err(Error::new(input.ty.span(), message));
    }
    Ok(Argument {
        name: name.ident.clone(),
        kind: (*input.ty).clone(),
    })
}
