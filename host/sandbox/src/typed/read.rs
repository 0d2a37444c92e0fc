//! From JSON to a value.

use super::{
    may_be_null,
    misfit::{Misfit, names, short, shown},
    size,
    text::type_text,
};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use sandglass_engine::Payload;
use serde_json::{Map, Value};
use wasmtime::component::{
    Val,
    types::{self, Case, Type},
};

/// The value of a payload.
///
/// # Errors
/// It is not of this type, or in an encoding that is not read.
pub(crate) fn payload(payload: &Payload, ty: &Type) -> Result<Val, Misfit> {
    let parsed = match payload.encoding() {
        Some("json/plain") => serde_json::from_slice::<Value>(&payload.data)
            .map_err(|error| Misfit::new("a JSON text", format!("something else ({error})")))?,
        Some("binary/null") => Value::Null,
        Some("binary/plain") if is_bytes(ty) => {
            let bytes = payload.data.iter().map(|byte| Val::U8(*byte));
            return Ok(Val::List(bytes.collect()));
        }
        other => {
            let found = format!("the encoding {:?}", other.unwrap_or_default());
            return Err(Misfit::new("a payload with the encoding json/plain", found));
        }
    };
    size::fits(&parsed, ty).map_err(|most| {
        let expected = format!("a value of no more than {most} bytes in memory");
        Misfit::new(
            expected,
            format!("a larger one in {} bytes", payload.size()),
        )
    })?;
    read(&parsed, ty)
}

/// The value that a JSON value stands for.
///
/// # Errors
/// It does not fit the type.
///
/// # Panics
/// If the type has resources, streams or futures, which are refused when a component is loaded.
pub(crate) fn read(json: &Value, ty: &Type) -> Result<Val, Misfit> {
    let misfit = || Misfit::new(type_text(ty), shown(json));
    match ty {
        Type::Bool => json.as_bool().map(Val::Bool).ok_or_else(misfit),
        Type::S8 | Type::U8 | Type::S16 | Type::U16 | Type::S32 | Type::U32 => {
            small(json, ty).ok_or_else(misfit)
        }
        Type::S64 => whole(json).map(Val::S64).ok_or_else(misfit),
        Type::U64 => whole(json).map(Val::U64).ok_or_else(misfit),
        Type::Float32 => single(json).map(Val::Float32).ok_or_else(misfit),
        Type::Float64 => double(json).map(Val::Float64).ok_or_else(misfit),
        Type::Char => {
            let mut chars = json.as_str().ok_or_else(misfit)?.chars();
            match (chars.next(), chars.next()) {
                (Some(only), None) => Ok(Val::Char(only)),
                _ => Err(misfit()),
            }
        }
        Type::String => {
            let text = json.as_str().ok_or_else(misfit)?;
            Ok(Val::String(text.into()))
        }
        Type::Enum(of) => {
            let name = json.as_str().filter(|name| has(of.names(), name));
            Ok(Val::Enum(name.ok_or_else(misfit)?.into()))
        }
        Type::Flags(flags) => set(json, flags, ty),
        Type::List(list) => Ok(Val::List(elements(json, &list.ty(), ty)?)),
        Type::FixedLengthList(list) => {
            let items = elements(json, &list.ty(), ty)?;
            match u32::try_from(items.len()) {
                Ok(len) if len == list.len() => Ok(Val::FixedLengthList(items)),
                _ => Err(misfit()),
            }
        }
        Type::Tuple(tuple) => {
            let items = json.as_array().ok_or_else(misfit)?;
            if items.len() != tuple.types().len() {
                return Err(misfit());
            }
            let items = items.iter().zip(tuple.types()).enumerate();
            let items = items.map(|(place, (item, ty))| in_row(place, item, &ty));
            Ok(Val::Tuple(items.collect::<Result<_, _>>()?))
        }
        _ => compound(json, ty),
    }
}

/// What has names or cases.
fn compound(json: &Value, ty: &Type) -> Result<Val, Misfit> {
    let misfit = || Misfit::new(type_text(ty), shown(json));
    match ty {
        Type::Record(of) => record(json.as_object().ok_or_else(misfit)?, of),
        Type::Variant(of) => variant(json, of),
        Type::Option(of) => {
            let inner = of.ty();
            let value = match json {
                Value::Null => None,
                _ if may_be_null(&inner) => {
                    let (name, value) = only_field(json).ok_or_else(misfit)?;
                    if name != "some" {
                        return Err(misfit());
                    }
                    Some(read(value, &inner).map_err(|misfit| misfit.at(".some"))?)
                }
                _ => Some(read(json, &inner)?),
            };
            Ok(Val::Option(value.map(Box::new)))
        }
        Type::Result(of) => {
            let (name, value) = only_field(json).ok_or_else(misfit)?;
            match name {
                "ok" => Ok(Val::Result(Ok(inside(value, of.ok(), ".ok")?))),
                "err" => Ok(Val::Result(Err(inside(value, of.err(), ".err")?))),
                _ => Err(misfit()),
            }
        }
        Type::Map(of) => map(json, of, ty),
        _ => unreachable!("types that are no values were refused when the component was loaded"),
    }
}

pub(super) fn is_bytes(ty: &Type) -> bool {
    matches!(ty, Type::List(list) if list.ty() == Type::U8)
}

fn has<'a>(mut names: impl Iterator<Item = &'a str>, name: &str) -> bool {
    names.any(|known| known == name)
}

/// The number that is meant, if it is a whole one.
#[expect(
    clippy::cast_possible_truncation,
    reason = "whole numbers of this size are exact in both types"
)]
fn number(json: &Value) -> Option<i128> {
    let json = json.as_number()?;
    if let Some(number) = json.as_u64() {
        return Some(number.into());
    }
    if let Some(number) = json.as_i64() {
        return Some(number.into());
    }
    // `7.0` and `1e3`, as some languages write whole numbers.
    let number = json.as_f64()?;
    let is_exact = number.fract() == 0.0 && number.abs() <= super::EXACT_MAX as f64;
    is_exact.then_some(number as i128)
}

fn small(json: &Value, ty: &Type) -> Option<Val> {
    let number = number(json)?;
    match ty {
        Type::S8 => number.try_into().map(Val::S8).ok(),
        Type::U8 => number.try_into().map(Val::U8).ok(),
        Type::S16 => number.try_into().map(Val::S16).ok(),
        Type::U16 => number.try_into().map(Val::U16).ok(),
        Type::S32 => number.try_into().map(Val::S32).ok(),
        Type::U32 => number.try_into().map(Val::U32).ok(),
        _ => unreachable!("the caller has such a type"),
    }
}

/// A number of 64 bits, which may be a text.
fn whole<T: TryFrom<i128>>(json: &Value) -> Option<T> {
    let number = match json {
        Value::String(text) => {
            let digits = text.strip_prefix('-').unwrap_or(text);
            let are_digits = digits.bytes().all(|byte| byte.is_ascii_digit());
            are_digits.then(|| text.parse().ok())??
        }
        json => number(json)?,
    };
    T::try_from(number).ok()
}

fn double(json: &Value) -> Option<f64> {
    match json {
        Value::String(text) => match text.as_str() {
            "NaN" => Some(f64::NAN),
            "Infinity" => Some(f64::INFINITY),
            "-Infinity" => Some(f64::NEG_INFINITY),
            _ => None,
        },
        json => json.as_f64(),
    }
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "the nearest number of 32 bits, unless there is none"
)]
fn single(json: &Value) -> Option<f32> {
    let double = double(json)?;
    let single = double as f32;
    (single.is_finite() == double.is_finite()).then_some(single)
}

fn set(json: &Value, flags: &types::Flags, ty: &Type) -> Result<Val, Misfit> {
    let misfit = |json: &Value| Misfit::new(type_text(ty), shown(json));
    let named = json.as_array().ok_or_else(|| misfit(json))?;
    for (place, flag) in named.iter().enumerate() {
        if !flag.as_str().is_some_and(|name| has(flags.names(), name)) {
            return Err(misfit(flag).at(format!("[{place}]")));
        }
    }
    let set = |name: &&str| named.iter().any(|flag| flag == *name);
    Ok(Val::Flags(
        flags.names().filter(set).map(Into::into).collect(),
    ))
}

fn in_row(place: usize, item: &Value, ty: &Type) -> Result<Val, Misfit> {
    read(item, ty).map_err(|misfit| misfit.at(format!("[{place}]")))
}

fn elements(json: &Value, item: &Type, whole: &Type) -> Result<Vec<Val>, Misfit> {
    let misfit = || Misfit::new(type_text(whole), shown(json));
    match json {
        Value::String(text) if *item == Type::U8 => {
            let bytes = BASE64_STANDARD
                .decode(text)
                .map_err(|_| Misfit::new("bytes as base64", shown(json)))?;
            Ok(bytes.into_iter().map(Val::U8).collect())
        }
        Value::Array(items) => {
            let items = items.iter().enumerate();
            items
                .map(|(place, json)| in_row(place, json, item))
                .collect()
        }
        _ => Err(misfit()),
    }
}

fn record(json: &Map<String, Value>, of: &types::Record) -> Result<Val, Misfit> {
    let all = || of.fields().map(|field| field.name);
    if let Some(unknown) = json.keys().find(|name| !has(all(), name)) {
        let expected = format!("the fields {}", names(all()));
        return Err(Misfit::new(
            expected,
            format!("the field {}", short(unknown)),
        ));
    }
    let fields = of.fields().map(|field| {
        let at = |misfit: Misfit| misfit.at(format!(".{}", field.name));
        let value = match json.get(field.name) {
            Some(value) => read(value, &field.ty).map_err(at)?,
            None if matches!(field.ty, Type::Option(_)) => Val::Option(None),
            None => return Err(at(Misfit::new(type_text(&field.ty), "nothing"))),
        };
        Ok((field.name.to_owned(), value))
    });
    Ok(Val::Record(fields.collect::<Result<_, _>>()?))
}

fn variant(json: &Value, of: &types::Variant) -> Result<Val, Misfit> {
    let find = |name: &str| of.cases().find(|case: &Case<'_>| case.name == name);
    let one_of = || {
        let cases = names(of.cases().map(|case| case.name));
        Misfit::new(format!("one of the cases {cases}"), shown(json))
    };
    let (name, value) = match json {
        Value::String(name) => (name.as_str(), None),
        json => only_field(json)
            .map(|(name, value)| (name, Some(value)))
            .ok_or_else(one_of)?,
    };
    let case = find(name).ok_or_else(one_of)?;
    let value = match (value, case.ty) {
        (None, None) => None,
        (Some(value), Some(ty)) => {
            let value = read(value, &ty).map_err(|misfit| misfit.at(format!(".{name}")))?;
            Some(Box::new(value))
        }
        (None, Some(ty)) => {
            let expected = format!("{{{name:?}: {}}}", type_text(&ty));
            return Err(Misfit::new(expected, shown(json)));
        }
        (Some(_), None) => {
            let expected = format!("{name:?} without a value");
            return Err(Misfit::new(expected, shown(json)));
        }
    };
    Ok(Val::Variant(name.into(), value))
}

/// The field of an object that has one.
pub(super) fn only_field(json: &Value) -> Option<(&str, &Value)> {
    let fields = json.as_object().filter(|fields| fields.len() == 1)?;
    let (name, value) = fields.iter().next()?;
    Some((name, value))
}

/// What is in a result.
fn inside(json: &Value, ty: Option<Type>, step: &str) -> Result<Option<Box<Val>>, Misfit> {
    let read = match ty {
        Some(ty) => read(json, &ty).map(|value| Some(Box::new(value))),
        None if json.is_null() => Ok(None),
        None => Err(Misfit::new("null", shown(json))),
    };
    read.map_err(|misfit| misfit.at(step))
}

fn text_of(value: &Val) -> &str {
    match value {
        Val::String(text) => text,
        _ => unreachable!("a key of such a map is a text"),
    }
}

fn map(json: &Value, of: &types::Map, whole: &Type) -> Result<Val, Misfit> {
    let misfit = || Misfit::new(type_text(whole), shown(json));
    let (key, value) = (of.key(), of.value());
    let entries: Result<Vec<(Val, Val)>, Misfit> = match json {
        Value::Object(fields) if key == Type::String => {
            let entries = fields.iter().map(|(name, content)| {
                let at = |misfit: Misfit| misfit.at(format!("[{name:?}]"));
                Ok((
                    Val::String(name.clone()),
                    read(content, &value).map_err(at)?,
                ))
            });
            let mut entries: Vec<_> = entries.collect::<Result<_, Misfit>>()?;
            // Whatever order the parser has kept.
            entries.sort_by(|(one, _), (other, _)| text_of(one).cmp(text_of(other)));
            Ok(entries)
        }
        Value::Array(items) if key != Type::String => {
            let entries = items.iter().enumerate().map(|(place, entry)| {
                let at = |misfit: Misfit| misfit.at(format!("[{place}]"));
                match entry.as_array().map(Vec::as_slice) {
                    Some([name, content]) => Ok((
                        read(name, &key).map_err(|misfit| at(misfit.at("[0]")))?,
                        read(content, &value).map_err(|misfit| at(misfit.at("[1]")))?,
                    )),
                    _ => Err(at(Misfit::new("a key and a value", shown(entry)))),
                }
            });
            entries.collect()
        }
        _ => return Err(misfit()),
    };
    Ok(Val::Map(entries?))
}
