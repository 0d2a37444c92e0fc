//! The type of a function whose values cross as payloads.

use super::{
    misfit::Misfit,
    parts, read, size,
    text::{func_text, type_text},
    write,
};
use sandglass_engine::Payload;
use wasmtime::component::{
    Val,
    types::{ComponentFunc, Type},
};

/// What a function of a component's own types is used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Usage {
    /// A workflow calls it: an activity.
    Called,
    /// A workflow awaits it: an activity.
    Awaited,
    /// It is a workflow that waits in its calls.
    Waits,
    /// It is a workflow that awaits.
    Awaits,
    /// It is an activity.
    Serves,
}

impl Usage {
    /// How a function would have to be declared that is not, or wrongly, declared `async`.
    fn advice(self, is_async: bool) -> Option<&'static str> {
        match (self, is_async) {
            (Self::Called, true) => Some(
                "only components whose workflows are `async` await what they import; declare it \
                 without `async`",
            ),
            (Self::Awaited, false) => Some(
                "a call of it would hold up all else that the workflow awaits; declare it with \
                 `async`",
            ),
            (Self::Waits, true) => Some(
                "the other workflows of the component wait in their calls; declare it without \
                 `async`, or all with it",
            ),
            (Self::Awaits, false) => Some(
                "the other workflows of the component are `async`; declare it with `async`, or \
                 none",
            ),
            (Self::Serves, true) => {
                Some("the functions of activity components are called; declare it without `async`")
            }
            _ => None,
        }
    }
}

/// A function's parameters and result.
#[derive(Debug, Clone)]
pub(crate) struct Signature {
    params: Vec<(String, Type)>,
    result: Option<Type>,
    text: String,
}

impl Signature {
    /// Takes the type of a function apart that is used like this.
    ///
    /// # Errors
    /// It is for another use, or has something that is no value; the text says which.
    pub(crate) fn of(func: &ComponentFunc, usage: Usage) -> Result<Self, String> {
        size::check(func)?;
        let text = func_text(func);
        if let Some(advice) = usage.advice(func.async_()) {
            let is_async = if func.async_() { "async " } else { "" };
            return Err(format!("{is_async}{text}: {advice}"));
        }
        let params: Vec<(String, Type)> = func
            .params()
            .map(|(name, ty)| (name.to_owned(), ty))
            .collect();
        let result = func.results().next();
        let mut types = params.iter().map(|(_, ty)| ty).chain(&result);
        if let Some(handle) = types.find_map(handle_in) {
            return Err(format!(
                "{text} has {}, which is no value: it cannot be stored and given again in a replay",
                type_text(&handle)
            ));
        }
        Ok(Self {
            params,
            result,
            text,
        })
    }

    /// In WIT.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// Whether there is a result.
    pub(crate) fn has_result(&self) -> bool {
        self.result.is_some()
    }

    /// What it returns if all goes well, and the `E` of its `result<T, E>`: nothing if it returns
    /// no result, `Some(None)` if that has no `E`.
    pub(crate) fn returns(&self) -> (Option<Type>, Option<Option<Type>>) {
        match &self.result {
            Some(Type::Result(of)) => (of.ok(), Some(of.err())),
            other => (other.clone(), None),
        }
    }

    /// Arguments as payloads.
    pub(crate) fn write_arguments(&self, values: &[Val]) -> Vec<Payload> {
        let values = values.iter().zip(&self.params);
        values
            .map(|(value, (_, ty))| write::payload(value, ty))
            .collect()
    }

    /// Payloads as arguments.
    ///
    /// # Errors
    /// They do not fit.
    pub(crate) fn read_arguments(&self, payloads: &[Payload]) -> Result<Vec<Val>, Misfit> {
        if payloads.len() > self.params.len() {
            let found = format!("{}", payloads.len());
            return Err(Misfit::new(self.expected(), found).at("arguments"));
        }
        let params = self.params.iter().enumerate();
        params
            .map(|(place, (name, ty))| match payloads.get(place) {
                Some(payload) => read::payload(payload, ty).map_err(|misfit| misfit.at(name)),
                None if matches!(ty, Type::Option(_)) => Ok(Val::Option(None)),
                None => {
                    let found = format!("{}", payloads.len());
                    Err(Misfit::new(self.expected(), found).at("arguments"))
                }
            })
            .collect()
    }

    fn expected(&self) -> String {
        match self.params.len() {
            0 => "none".into(),
            count => {
                let names = self.params.iter().map(|(name, _)| name.as_str());
                format!("{count} ({})", super::misfit::names(names))
            }
        }
    }
}

/// A value of a type that may be none, as a payload.
pub(crate) fn write_maybe(value: Option<&Val>, ty: Option<&Type>) -> Payload {
    match (value, ty) {
        (Some(value), Some(ty)) => write::payload(value, ty),
        _ => Payload::null(),
    }
}

/// What in a type is no value.
fn handle_in(ty: &Type) -> Option<Type> {
    match ty {
        Type::Own(_) | Type::Borrow(_) | Type::Future(_) | Type::Stream(_) | Type::ErrorContext => {
            Some(ty.clone())
        }
        other => parts(other).iter().find_map(handle_in),
    }
}
