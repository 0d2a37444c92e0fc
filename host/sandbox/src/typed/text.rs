//! Types and functions as WIT writes them.
//!
//! A component's types have no names of their own, so that a record stands where it is used. Two
//! types are the same if their texts are.

use super::misfit::names;
use wasmtime::component::types::{Case, ComponentFunc, Field, Type};

/// A function: `func(order: record { id: string }) -> result<u32, string>`. Whether it is `async`
/// is no matter of the other side.
pub(super) fn func_text(func: &ComponentFunc) -> String {
    let params = func
        .params()
        .map(|(name, ty)| format!("{name}: {}", type_text(&ty)));
    let mut text = format!("func({})", params.collect::<Vec<_>>().join(", "));
    if let Some(result) = func.results().next() {
        text += &format!(" -> {}", type_text(&result));
    }
    text
}

/// A type: `list<tuple<string, u32>>`.
pub(super) fn type_text(ty: &Type) -> String {
    match ty {
        Type::Bool => "bool".into(),
        Type::S8 => "s8".into(),
        Type::U8 => "u8".into(),
        Type::S16 => "s16".into(),
        Type::U16 => "u16".into(),
        Type::S32 => "s32".into(),
        Type::U32 => "u32".into(),
        Type::S64 => "s64".into(),
        Type::U64 => "u64".into(),
        Type::Float32 => "f32".into(),
        Type::Float64 => "f64".into(),
        Type::Char => "char".into(),
        Type::String => "string".into(),
        Type::List(of) => format!("list<{}>", type_text(&of.ty())),
        Type::FixedLengthList(of) => format!("list<{}, {}>", type_text(&of.ty()), of.len()),
        Type::Map(of) => format!("map<{}, {}>", type_text(&of.key()), type_text(&of.value())),
        Type::Tuple(of) => format!("tuple<{}>", row(of.types().map(|ty| type_text(&ty)))),
        Type::Record(of) => {
            let field = |field: Field<'_>| format!("{}: {}", field.name, type_text(&field.ty));
            format!("record {{ {} }}", row(of.fields().map(field)))
        }
        Type::Variant(of) => {
            let case = |case: Case<'_>| match case.ty {
                Some(ty) => format!("{}({})", case.name, type_text(&ty)),
                None => case.name.to_owned(),
            };
            format!("variant {{ {} }}", row(of.cases().map(case)))
        }
        Type::Enum(of) => format!("enum {{ {} }}", names(of.names())),
        Type::Flags(of) => format!("flags {{ {} }}", names(of.names())),
        Type::Option(of) => format!("option<{}>", type_text(&of.ty())),
        Type::Result(of) => match (of.ok(), of.err()) {
            (None, None) => "result".into(),
            (Some(ok), None) => format!("result<{}>", type_text(&ok)),
            (None, Some(err)) => format!("result<_, {}>", type_text(&err)),
            (Some(ok), Some(err)) => format!("result<{}, {}>", type_text(&ok), type_text(&err)),
        },
        Type::Own(_) => "resource".into(),
        Type::Borrow(_) => "borrow<resource>".into(),
        Type::Future(of) => of_maybe("future", of.ty()),
        Type::Stream(of) => of_maybe("stream", of.ty()),
        Type::ErrorContext => "error-context".into(),
    }
}

fn of_maybe(name: &str, ty: Option<Type>) -> String {
    match ty {
        Some(ty) => format!("{name}<{}>", type_text(&ty)),
        None => name.into(),
    }
}

fn row(texts: impl Iterator<Item = String>) -> String {
    texts.collect::<Vec<_>>().join(", ")
}
