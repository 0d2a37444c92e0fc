//! Functions of a component's own WIT types: activities that it calls, workflows and activities
//! that it has.
//!
//! What is passed goes through payloads like everything else. The rule by which values are written
//! and read is in `guest-sdk/typed.md`, whose examples are those of the tests: [`write`](mod@write)
//! and [`read`](mod@read) are its two directions, pure functions of a value and its type.
//! [`outcome`] has what a `result<T, E>` has to do with failures, [`imports`] and [`exports`] what
//! wasmtime calls and is asked for.

mod exports;
mod imports;
mod misfit;
mod options;
mod outcome;
mod read;
mod signature;
mod size;
mod text;
mod write;

#[cfg(test)]
mod tests;

pub(crate) use exports::{TypedExport, TypedExports};
pub(crate) use imports::TypedImports;
pub(crate) use options::SECTION;
pub use options::{ActivityOptions, Cancellation, Length, RetryOptions, TypedOptions};
use outcome::mismatch;
use signature::Signature;
pub(crate) use signature::Usage;

use wasmtime::component::types::Type;

/// Whether a JSON `null` can stand for a value of this type, so that an option of it needs another
/// form.
fn may_be_null(ty: &Type) -> bool {
    matches!(ty, Type::Option(_))
}

/// The types that a type is made of.
fn parts(ty: &Type) -> Vec<Type> {
    match ty {
        Type::List(of) => vec![of.ty()],
        Type::FixedLengthList(of) => vec![of.ty()],
        Type::Option(of) => vec![of.ty()],
        Type::Map(of) => vec![of.key(), of.value()],
        Type::Tuple(of) => of.types().collect(),
        Type::Record(of) => of.fields().map(|field| field.ty).collect(),
        Type::Variant(of) => of.cases().filter_map(|case| case.ty).collect(),
        Type::Result(of) => [of.ok(), of.err()].into_iter().flatten().collect(),
        _ => Vec::new(),
    }
}

/// Largest whole number up to which each is exact in JavaScript.
const EXACT_MAX: u64 = (1 << 53) - 1;
