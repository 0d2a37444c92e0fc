//! What a function's `result<T, E>` has to do with how an activity or a run ends.
//!
//! The rules, in both directions, are those of `guest-sdk/typed.md` under *How it ends*; their
//! numbers there are those in the comments here.

use super::{misfit::Misfit, read, signature::write_maybe};
use sandglass_engine::{Failure, FailureInfo, Payload};
use wasmtime::component::{
    Val,
    types::{Case, Type},
};

/// The type of a failure that is an `err` without cases.
const ERROR: &str = "error";

/// The case, and the type of failure, that stands for a cancellation.
const CANCELED: &str = "canceled";

/// The type of failure of a value that does not fit.
const MISMATCH: &str = "TypeMismatch";

/// The failure of what was given a value that does not fit: no use trying again.
pub(crate) fn mismatch(what: &str, misfit: &Misfit) -> Failure {
    Failure::new(
        format!("{what}: {misfit}"),
        FailureInfo::Application {
            failure_type: MISMATCH.into(),
            non_retryable: true,
            details: Vec::new(),
            next_retry_delay: None,
        },
    )
}

/// The failure that an `err` is.
pub(crate) fn failure_of(value: Option<&Val>, ty: Option<&Type>) -> Failure {
    let details: Vec<Payload> = match (value, ty) {
        (Some(_), Some(_)) => vec![write_maybe(value, ty)],
        _ => Vec::new(),
    };
    let (name, inner) = match value {
        Some(Val::Variant(name, inner)) => (name.as_str(), inner.as_deref()),
        Some(Val::Enum(name)) => (name.as_str(), None),
        other => (ERROR, other),
    };
    let message = match (inner, details.first()) {
        (Some(Val::String(text)), _) => text.clone(),
        (None, _) => name.to_owned(),
        (_, Some(detail)) => String::from_utf8_lossy(&detail.data).into_owned(),
        (_, None) => String::new(),
    };
    let is_canceled = name == CANCELED;
    let info = match is_canceled {
        true => FailureInfo::Canceled {
            details,
            identity: String::new(),
            settled: true,
            request: None,
        },
        false => FailureInfo::Application {
            failure_type: name.into(),
            non_retryable: false,
            details,
            next_retry_delay: None,
        },
    };
    Failure::new(message, info)
}

/// The types of failures that are an answer of the function: those that its `E` declares. They are
/// not tried again unless the component says otherwise.
pub(crate) fn answers(err: Option<&Option<Type>>) -> Vec<String> {
    let declared = |name: &&str| *name != CANCELED;
    match err {
        None => Vec::new(),
        Some(Some(Type::Variant(of))) => {
            let names = of.cases().map(|case| case.name).collect::<Vec<_>>();
            names.into_iter().filter(declared).map(Into::into).collect()
        }
        Some(Some(Type::Enum(of))) => of.names().filter(declared).map(Into::into).collect(),
        Some(_) => vec![ERROR.into()],
    }
}

/// The value of `E` that carries a failure, if one does; `Ok(None)` for a result without `E`.
pub(super) fn carried(failure: &Failure, err: Option<&Type>) -> Option<Option<Val>> {
    let cause = match (&failure.info, &failure.cause) {
        (FailureInfo::Activity { .. } | FailureInfo::ChildWorkflow { .. }, Some(cause)) => cause,
        _ => failure,
    };
    // Rule 1. No other holds, so that nobody takes it for an answer.
    if failure.is_cancellation() {
        return case(err?, CANCELED, &reason(cause), None).map(Some);
    }
    // Rule 6.
    let Some(err) = err else {
        return Some(None);
    };
    let detail = match &cause.info {
        FailureInfo::Application { details, .. } => details.first(),
        _ => None,
    };
    let name = type_of(cause);
    // Rule 2. A detail that happens to be a text is not what an `err` was.
    let has_cases = matches!(err, Type::Variant(_) | Type::Enum(_));
    if let Some(detail) = detail.filter(|_| has_cases || name == ERROR)
        && let Ok(value) = read::payload(detail, err)
        && !is_canceled(&value)
    {
        return Some(Some(value));
    }
    // Rules 3 to 5.
    let words = cause.to_string();
    // What is no cancellation is not told as one.
    let named = || case(err, &name, &cause.message, detail).filter(|value| !is_canceled(value));
    let other = || case(err, "other", &words, None);
    let text = || (*err == Type::String).then(|| Val::String(words.clone()));
    named().or_else(other).or_else(text).map(Some)
}

fn is_canceled(value: &Val) -> bool {
    matches!(value, Val::Variant(case, _) | Val::Enum(case) if case == CANCELED)
}

/// Why something was canceled, in words.
fn reason(canceled: &Failure) -> String {
    match &canceled.info {
        FailureInfo::Canceled {
            request: Some(info),
            ..
        } if !info.reason.is_empty() => info.reason.clone(),
        _ => canceled.message.clone(),
    }
}

/// The type of a failure as a case would be called.
fn type_of(failure: &Failure) -> String {
    let name = match &failure.info {
        FailureInfo::Application { failure_type, .. } => failure_type.as_str(),
        FailureInfo::Timeout { .. } => "timeout",
        FailureInfo::Canceled { .. } => CANCELED,
        FailureInfo::Terminated { .. } => "terminated",
        FailureInfo::Server { .. } => "server",
        FailureInfo::Activity { .. } => "activity",
        FailureInfo::ChildWorkflow { .. } => "child-workflow",
    };
    let mut kebab = String::new();
    let mut after_small = false;
    for c in name.chars() {
        match c {
            '_' | ' ' => kebab.push('-'),
            c if c.is_uppercase() => {
                if after_small {
                    kebab.push('-');
                }
                kebab.extend(c.to_lowercase());
            }
            c => kebab.push(c),
        }
        after_small = c.is_lowercase() || c.is_ascii_digit();
    }
    kebab
}

/// The case of this name, if there is one that takes what is there to be told.
fn case(err: &Type, name: &str, words: &str, detail: Option<&Payload>) -> Option<Val> {
    match err {
        Type::Enum(of) => {
            let mut names = of.names();
            names
                .any(|known| known == name)
                .then(|| Val::Enum(name.into()))
        }
        Type::Variant(of) => {
            let case = of.cases().find(|case: &Case<'_>| case.name == name)?;
            let value = match case.ty {
                None => None,
                Some(Type::String) => Some(Val::String(words.into())),
                Some(ty) => Some(read::payload(detail?, &ty).ok()?),
            };
            Some(Val::Variant(name.into(), value.map(Box::new)))
        }
        _ => None,
    }
}
