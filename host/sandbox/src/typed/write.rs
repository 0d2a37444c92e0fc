//! From a value to JSON.
//!
//! The text is written here and not by a library's tree of values: fields stand in the order of
//! their type whatever that library was built with, and a replay must give the same bytes.

use super::{EXACT_MAX, may_be_null};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use sandglass_engine::Payload;
use std::{
    collections::{BTreeMap, btree_map::Entry},
    fmt::Write as _,
};
use wasmtime::component::{
    Val,
    types::{Case, Type},
};

/// A value as a payload.
pub(crate) fn payload(value: &Val, ty: &Type) -> Payload {
    let mut out = String::new();
    write(value, ty, &mut out);
    Payload::json(out)
}

/// Appends a value as JSON.
///
/// # Panics
/// If the value is not of this type. Those that come from a component always are.
pub(crate) fn write(value: &Val, ty: &Type, out: &mut String) {
    match (value, ty) {
        (Val::Bool(value), Type::Bool) => put(value, out),
        (Val::S8(value), Type::S8) => put(value, out),
        (Val::U8(value), Type::U8) => put(value, out),
        (Val::S16(value), Type::S16) => put(value, out),
        (Val::U16(value), Type::U16) => put(value, out),
        (Val::S32(value), Type::S32) => put(value, out),
        (Val::U32(value), Type::U32) => put(value, out),
        (Val::S64(value), Type::S64) => whole(value, value.unsigned_abs(), out),
        (Val::U64(value), Type::U64) => whole(value, *value, out),
        (Val::Float32(value), Type::Float32) => single(*value, out),
        (Val::Float64(value), Type::Float64) => double(*value, out),
        (Val::Char(value), Type::Char) => text(value.encode_utf8(&mut [0; 4]), out),
        (Val::String(value), Type::String) => text(value, out),
        (Val::Enum(name), Type::Enum(_)) => text(name, out),
        (Val::Flags(names), Type::Flags(_)) => {
            row(names, out, |name, out| text(name, out));
        }
        (Val::List(items), Type::List(list)) => elements(items, &list.ty(), out),
        (Val::FixedLengthList(items), Type::FixedLengthList(list)) => {
            elements(items, &list.ty(), out);
        }
        (Val::Tuple(items), Type::Tuple(tuple)) => {
            row(items.iter().zip(tuple.types()), out, |(item, ty), out| {
                write(item, &ty, out);
            });
        }
        _ => compound(value, ty, out),
    }
}

/// What has names or cases.
fn compound(value: &Val, ty: &Type, out: &mut String) {
    match (value, ty) {
        (Val::Record(fields), Type::Record(record)) => {
            out.push('{');
            let types = record.fields();
            for (place, ((name, field), ty)) in fields.iter().zip(types).enumerate() {
                if place > 0 {
                    out.push(',');
                }
                text(name, out);
                out.push(':');
                write(field, &ty.ty, out);
            }
            out.push('}');
        }
        (Val::Variant(name, payload), Type::Variant(variant)) => {
            let mut cases = variant.cases();
            let ty = cases.find(|case: &Case<'_>| case.name == name);
            match (payload, ty.and_then(|case| case.ty)) {
                (Some(payload), Some(ty)) => {
                    named(name, out, |out| write(payload, &ty, out));
                }
                _ => text(name, out),
            }
        }
        (Val::Option(None), Type::Option(_)) => out.push_str("null"),
        (Val::Option(Some(value)), Type::Option(option)) => match option.ty() {
            inner if may_be_null(&inner) => named("some", out, |out| write(value, &inner, out)),
            inner => write(value, &inner, out),
        },
        (Val::Result(value), Type::Result(result)) => {
            let (name, value, ty) = match value {
                Ok(value) => ("ok", value, result.ok()),
                Err(value) => ("err", value, result.err()),
            };
            named(name, out, |out| match (value, ty) {
                (Some(value), Some(ty)) => write(value, &ty, out),
                _ => out.push_str("null"),
            });
        }
        (Val::Map(entries), Type::Map(map)) => entries_of(entries, &map.key(), &map.value(), out),
        _ => unreachable!("a value of this type, which was checked when it was loaded"),
    }
}

fn put(value: impl std::fmt::Display, out: &mut String) {
    write!(out, "{value}").expect("a text takes all that is written to it");
}

/// A number of 64 bits; a text if it is too large to be exact everywhere.
fn whole(value: impl std::fmt::Display, magnitude: u64, out: &mut String) {
    match magnitude <= EXACT_MAX {
        true => put(value, out),
        false => put(format_args!("\"{value}\""), out),
    }
}

fn double(value: f64, out: &mut String) {
    match value {
        value if value.is_nan() => out.push_str("\"NaN\""),
        value if value.is_finite() => put(format_args!("{value:?}"), out),
        value if value > 0.0 => out.push_str("\"Infinity\""),
        _ => out.push_str("\"-Infinity\""),
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::float_cmp,
    reason = "whether a reader gets just this number"
)]
fn single(value: f32, out: &mut String) {
    let short = format!("{value:?}");
    match short.parse::<f64>() {
        // Readers may go by way of the double that is nearest to the digits.
        Ok(double) if value.is_finite() && double as f32 == value => out.push_str(&short),
        _ => double(f64::from(value), out),
    }
}

fn text(value: &str, out: &mut String) {
    let quoted = serde_json::to_string(value);
    out.push_str(&quoted.expect("a text has a JSON form"));
}

/// An object with one field.
fn named(name: &str, out: &mut String, value: impl FnOnce(&mut String)) {
    out.push('{');
    text(name, out);
    out.push(':');
    value(out);
    out.push('}');
}

fn row<T>(
    items: impl IntoIterator<Item = T>,
    out: &mut String,
    mut each: impl FnMut(T, &mut String),
) {
    out.push('[');
    for (place, item) in items.into_iter().enumerate() {
        if place > 0 {
            out.push(',');
        }
        each(item, out);
    }
    out.push(']');
}

fn elements(items: &[Val], ty: &Type, out: &mut String) {
    if *ty != Type::U8 {
        return row(items, out, |item, out| write(item, ty, out));
    }
    let bytes = items.iter().map(|item| match item {
        Val::U8(byte) => *byte,
        _ => unreachable!("a list has items of its type"),
    });
    let bytes: Vec<u8> = bytes.collect();
    out.push('"');
    BASE64_STANDARD.encode_string(&bytes, out);
    out.push('"');
}

fn entries_of(entries: &[(Val, Val)], key: &Type, value: &Type, out: &mut String) {
    // Of the same key twice the last counts, in its first place.
    let mut last: Vec<&(Val, Val)> = Vec::with_capacity(entries.len());
    let mut places = BTreeMap::new();
    for entry in entries {
        let mut name = String::new();
        write(&entry.0, key, &mut name);
        match places.entry(name) {
            Entry::Occupied(place) => last[*place.get()] = entry,
            Entry::Vacant(free) => {
                free.insert(last.len());
                last.push(entry);
            }
        }
    }
    if *key != Type::String {
        return row(last, out, |(name, content), out| {
            out.push('[');
            write(name, key, out);
            out.push(',');
            write(content, value, out);
            out.push(']');
        });
    }
    out.push('{');
    for (place, (name, content)) in last.into_iter().enumerate() {
        if place > 0 {
            out.push(',');
        }
        write(name, key, out);
        out.push(':');
        write(content, value, out);
    }
    out.push('}');
}
