//! How much of the host a component's types and values may take: their author is not trusted, and
//! none of this lies in the guest's own memory.

use super::{may_be_null, parts, read::only_field};
use serde_json::Value;
use wasmtime::component::{
    Val,
    types::{Case, ComponentFunc, Type},
};

/// Most bytes of the types of one function in WIT, where a type that is used twice is written
/// twice.
const TYPES_BYTES_MAX: usize = 64 << 10;

/// Most fields, cases or names of one type: they are looked for one by one.
const NAMES_MAX: usize = 256;

/// Most bytes that the value of one payload may take. The bytes of the longest payload have room:
/// each is a value of its own.
const VALUE_BYTES_MAX: usize = 64 << 20;

/// Checks the types of a function.
///
/// # Errors
/// They are too large; the text says how.
pub(super) fn check(func: &ComponentFunc) -> Result<(), String> {
    let mut left = TYPES_BYTES_MAX;
    let mut types = func.params().map(|(_, ty)| ty).chain(func.results());
    types.try_for_each(|ty| written(&ty, &mut left))
}

/// Takes the bytes of a type in WIT, those of its names and those of its parts from what is left.
fn written(ty: &Type, left: &mut usize) -> Result<(), String> {
    let names = names(ty);
    if names.len() > NAMES_MAX {
        return Err(format!(
            "one of its types has {} fields, cases or names, more than {NAMES_MAX}",
            names.len()
        ));
    }
    let own = ["option"].into_iter().chain(names);
    let bytes: usize = own.map(|name| name.len() + 2).sum();
    *left = left
        .checked_sub(bytes)
        .ok_or_else(|| format!("its types have more than {TYPES_BYTES_MAX} bytes in WIT"))?;
    parts(ty).iter().try_for_each(|ty| written(ty, left))
}

/// The names of a type's fields, cases or flags.
fn names(ty: &Type) -> Vec<&str> {
    match ty {
        Type::Record(of) => of.fields().map(|field| field.name).collect(),
        Type::Variant(of) => of.cases().map(|case| case.name).collect(),
        Type::Enum(of) => of.names().collect(),
        Type::Flags(of) => of.names().collect(),
        _ => Vec::new(),
    }
}

/// Whether the value that a JSON value stands for may be made: a short text may stand for a large
/// value, as an empty object does for a record of options. None: it has more bytes than this.
pub(super) fn fits(json: &Value, ty: &Type) -> Result<(), usize> {
    let mut left = VALUE_BYTES_MAX;
    takes(json, ty, &mut left).ok_or(VALUE_BYTES_MAX)
}

/// Takes what a value will need from what is left. What does not fit its type needs nothing.
fn takes(json: &Value, ty: &Type, left: &mut usize) -> Option<()> {
    *left = left.checked_sub(size_of::<Val>())?;
    let items = || json.as_array().into_iter().flatten();
    match ty {
        Type::List(of) => {
            let ty = of.ty();
            items().try_for_each(|one| takes(one, &ty, left))
        }
        Type::FixedLengthList(of) => {
            let ty = of.ty();
            items().try_for_each(|one| takes(one, &ty, left))
        }
        Type::Map(of) => {
            let ty = of.value();
            let entries = json.as_object().into_iter().flatten();
            entries
                .map(|(_, one)| one)
                .chain(items())
                .try_for_each(|one| {
                    *left = left.checked_sub(2 * size_of::<Val>())?;
                    takes(one, &ty, left)
                })
        }
        Type::Tuple(of) => {
            let mut items = items().zip(of.types());
            items.try_for_each(|(one, ty)| takes(one, &ty, left))
        }
        Type::Record(of) => of.fields().try_for_each(|field| {
            *left = left.checked_sub(size_of::<(String, Val)>() + field.name.len())?;
            let value = json.get(field.name);
            value.map_or(Some(()), |one| takes(one, &field.ty, left))
        }),
        Type::Variant(of) => {
            let named = only_field(json);
            let case = |name: &str| of.cases().find(|case: &Case<'_>| case.name == name);
            let content = named.and_then(|(name, value)| Some((case(name)?.ty?, value)));
            content.map_or(Some(()), |(ty, value)| takes(value, &ty, left))
        }
        Type::Option(of) if !json.is_null() => match of.ty() {
            inner if may_be_null(&inner) => {
                let some = json.get("some");
                some.map_or(Some(()), |one| takes(one, &inner, left))
            }
            inner => takes(json, &inner, left),
        },
        Type::Result(of) => {
            let mut ways = [("ok", of.ok()), ("err", of.err())].into_iter();
            ways.try_for_each(|(name, ty)| {
                let content = json.get(name).zip(ty);
                content.map_or(Some(()), |(one, ty)| takes(one, &ty, left))
            })
        }
        _ => Some(()),
    }
}

/// The bytes that a value takes.
pub(crate) fn held(value: &Val) -> usize {
    let within = match value {
        Val::String(text) | Val::Enum(text) => text.len(),
        Val::List(of) | Val::Tuple(of) | Val::FixedLengthList(of) => of.iter().map(held).sum(),
        Val::Record(of) => {
            let fields = of.iter();
            fields
                .map(|(name, of)| size_of::<String>() + name.len() + held(of))
                .sum()
        }
        Val::Map(of) => of.iter().map(|(key, value)| held(key) + held(value)).sum(),
        Val::Variant(name, of) => name.len() + of.as_deref().map_or(0, held),
        Val::Option(of) | Val::Result(Ok(of) | Err(of)) => of.as_deref().map_or(0, held),
        Val::Flags(of) => {
            let names = of.iter();
            names.map(|name| size_of::<String>() + name.len()).sum()
        }
        _ => 0,
    };
    size_of::<Val>() + within
}
