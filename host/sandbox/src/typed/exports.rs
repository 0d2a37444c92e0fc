//! Functions of a component's own types that it exports: workflows, where the world exports them by
//! themselves, and activities, where an interface has them.

use super::{
    Signature, Usage,
    imports::{func, type_name},
    misfit::Misfit,
    mismatch,
    outcome::failure_of,
    signature::write_maybe,
};
use crate::{Error, TypedFunction, allow};
use sandglass_engine::{Failure, Payload};
use std::collections::BTreeMap;
use wasmtime::{
    Engine, Result, Store,
    component::{
        Accessor, Component, ComponentExportIndex, Instance, Val,
        types::{ComponentFunc, ComponentItem},
    },
};

/// The exported functions of a component, by the workflow or activity types that they are.
#[derive(Default)]
pub(crate) struct TypedExports(BTreeMap<String, TypedExport>);

/// One of them.
pub(crate) struct TypedExport {
    name: String,
    place: ComponentExportIndex,
    signature: Signature,
}

impl TypedExports {
    /// The functions that a component exports by themselves: workflow types, for this usage.
    ///
    /// # Errors
    /// [`Error::Typed`] if one is for another usage, or has something that cannot be stored.
    pub(crate) fn workflows(
        component: &Component,
        engine: &Engine,
        usage: Usage,
    ) -> Result<Self, Error> {
        let outside = component.component_type();
        let mut all = Self::default();
        for (name, item) in outside.exports(engine) {
            if let ComponentItem::ComponentFunc(ty) = item.ty {
                let place = component.get_export_index(None, name);
                all.add((None, name), &ty, place, usage)?;
            }
        }
        Ok(all)
    }

    /// The functions of the interfaces that a component exports, but for those of ours and of
    /// WASI: activity types.
    ///
    /// # Errors
    /// [`Error::Typed`] if one has something that cannot be stored.
    pub(crate) fn activities(component: &Component, engine: &Engine) -> Result<Self, Error> {
        let outside = component.component_type();
        let mut all = Self::default();
        for (name, item) in outside.exports(engine) {
            let ComponentItem::ComponentInstance(instance) = item.ty else {
                continue;
            };
            if !allow::is_authors(name) {
                continue;
            }
            let place = component.get_export_index(None, name);
            for (function, item) in instance.exports(engine) {
                if let Some(ty) = func(name, function, item.ty)? {
                    let place = component.get_export_index(place.as_ref(), function);
                    all.add((Some(name), function), &ty, place, Usage::Serves)?;
                }
            }
        }
        Ok(all)
    }

    fn add(
        &mut self,
        (interface, function): (Option<&str>, &str),
        ty: &ComponentFunc,
        place: Option<ComponentExportIndex>,
        usage: Usage,
    ) -> Result<(), Error> {
        let name = type_name(interface, function);
        let signature =
            Signature::of(ty, usage).map_err(|reason| Error::Typed(format!("{name}: {reason}")))?;
        let place = place.expect("what a component's type has can be found in it");
        let export = TypedExport {
            name: name.clone(),
            place,
            signature,
        };
        match self.0.insert(name, export) {
            None => Ok(()),
            Some(other) => Err(Error::Typed(format!(
                "{} is exported twice: an activity type has no version, so that only one version \
                 of an interface can be served",
                other.name
            ))),
        }
    }

    pub(crate) fn get(&self, name: &str) -> Option<&TypedExport> {
        self.0.get(name)
    }

    /// The types, in the order of their names.
    pub(crate) fn names(&self) -> impl Iterator<Item = String> {
        self.0.keys().cloned()
    }

    /// All about them, for people and for comparisons.
    pub(crate) fn functions(&self) -> Vec<TypedFunction> {
        let all = self.0.iter();
        all.map(|(name, export)| TypedFunction {
            name: name.clone(),
            signature: export.signature.text().to_owned(),
            options: None,
        })
        .collect()
    }
}

impl TypedExport {
    /// Checks arguments.
    ///
    /// # Errors
    /// They do not fit.
    pub(crate) fn check(&self, arguments: &[Payload]) -> Result<(), Misfit> {
        self.signature.read_arguments(arguments).map(drop)
    }

    /// About how many bytes of the host the values of arguments take, while the function runs.
    pub(crate) fn values_bytes(arguments: &[Payload]) -> usize {
        // A list of bytes takes most: each is a value.
        let bytes: usize = arguments.iter().map(Payload::size).sum();
        bytes * size_of::<Val>()
    }

    /// Calls the function. The inner error is its own, or that of arguments that do not fit.
    ///
    /// # Errors
    /// It trapped.
    pub(crate) async fn call<T: Send>(
        &self,
        store: &mut Store<T>,
        instance: &Instance,
        arguments: &[Payload],
    ) -> Result<Result<Payload, Failure>> {
        let arguments = match self.read(arguments) {
            Ok(arguments) => arguments,
            Err(failure) => return Ok(Err(failure)),
        };
        let function = instance.get_func(&mut *store, self.place);
        let function = function.expect("an instance has what its component exports");
        let mut results = self.places();
        function.call_async(store, &arguments, &mut results).await?;
        Ok(self.returned(results))
    }

    /// As [`Self::call`], beside all else that the guest does.
    ///
    /// # Errors
    /// It trapped.
    pub(crate) async fn call_concurrent<T: Send>(
        &self,
        accessor: &Accessor<T>,
        instance: &Instance,
        arguments: &[Payload],
    ) -> Result<Result<Payload, Failure>> {
        let arguments = match self.read(arguments) {
            Ok(arguments) => arguments,
            Err(failure) => return Ok(Err(failure)),
        };
        let function = accessor.with(|mut store| instance.get_func(&mut store, self.place));
        let function = function.expect("an instance has what its component exports");
        let mut results = self.places();
        let call = function.call_concurrent(accessor, &arguments, &mut results);
        call.await?;
        Ok(self.returned(results))
    }

    fn read(&self, arguments: &[Payload]) -> Result<Vec<Val>, Failure> {
        let read = self.signature.read_arguments(arguments);
        read.map_err(|misfit| mismatch(&format!("the input of {}", self.name), &misfit))
    }

    /// For what a call returns.
    fn places(&self) -> Vec<Val> {
        vec![Val::Bool(false); usize::from(self.signature.has_result())]
    }

    fn returned(&self, mut results: Vec<Val>) -> Result<Payload, Failure> {
        let (ok, err) = self.signature.returns();
        match (results.pop(), err) {
            (Some(Val::Result(Ok(value))), Some(_)) => {
                Ok(write_maybe(value.as_deref(), ok.as_ref()))
            }
            (Some(Val::Result(Err(value))), Some(err)) => {
                Err(failure_of(value.as_deref(), err.as_ref()))
            }
            (value, _) => Ok(write_maybe(value.as_ref(), ok.as_ref())),
        }
    }
}
