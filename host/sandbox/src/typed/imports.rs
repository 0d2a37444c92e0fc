//! Functions that a component imports from its author's own interfaces: each is an activity.
//!
//! A call schedules the activity and rests until it has ended, in the scope that the code has said
//! last; code with component-model async awaits it, beside others. Its commands and events are
//! those of `schedule-activity` and `wait`. The activity type is the name of the interface, without
//! its version, and that of the function: `shop:payments/cards.charge`. A function that the world
//! imports by itself is the activity of its own name.

use super::{
    Signature, TypedOptions, Usage, mismatch,
    options::in_words,
    outcome::{answers, carried},
    read, size,
};
use crate::{
    Error, TypedFunction, allow, blocking::RunEnded, concurrent, shape::interface,
    state::GuestState,
};
use sandglass_engine::{ActivityCall, Command, Failure, Outcome, Payload};
use std::{collections::BTreeSet, sync::Arc};
use wasmtime::{
    Engine, Result, StoreContextMut,
    component::{
        Accessor, Component, Linker, LinkerInstance, Val,
        types::{ComponentFunc, ComponentItem},
    },
};

/// What a component imports of its author's.
#[derive(Default)]
pub(crate) struct TypedImports {
    /// Interfaces, by the names under which they are imported.
    interfaces: BTreeSet<String>,
    functions: Vec<Arc<TypedImport>>,
}

/// One imported function.
struct TypedImport {
    /// The interface, as it is imported.
    interface: Option<String>,
    function: String,
    signature: Signature,
    /// The call that it makes, without arguments.
    call: ActivityCall,
}

impl TypedImports {
    /// Those of a component that calls or awaits them, with the options that hold for them.
    ///
    /// # Errors
    /// [`Error::Typed`] if there is something whose values cannot be stored, [`Error::Options`] if
    /// the options name what is not imported.
    pub(crate) fn of(
        component: &Component,
        engine: &Engine,
        options: &TypedOptions,
        usage: Usage,
    ) -> Result<Self, Error> {
        let outside = component.component_type();
        let own = outside
            .imports(engine)
            .filter(|(name, _)| allow::is_authors(name));
        let mut imports = Self::default();
        let mut found = Vec::new();
        for (name, item) in own {
            match item.ty {
                ComponentItem::ComponentInstance(instance) => {
                    imports.interfaces.insert(name.to_owned());
                    for (function, item) in instance.exports(engine) {
                        found.extend(
                            func(name, function, item.ty)?
                                .map(|ty| (Some(name.to_owned()), function.to_owned(), ty)),
                        );
                    }
                }
                item => found.extend(func("", name, item)?.map(|ty| (None, name.to_owned(), ty))),
            }
        }
        imports.functions = found
            .into_iter()
            .map(|(interface, function, ty)| {
                let new = TypedImport::new(interface, function, &ty, options, usage);
                new.map(Arc::new)
            })
            .collect::<Result<_, _>>()?;
        let named = imports.interfaces.iter().map(|name| self::interface(name));
        let types = imports.functions.iter();
        let types = types.map(|import| import.call.activity_type.as_str());
        options.check(named.chain(types))?;
        Ok(imports)
    }

    /// All about them, for people and for comparisons.
    pub(crate) fn functions(&self) -> Vec<TypedFunction> {
        let all = self.functions.iter().map(|import| TypedFunction {
            name: import.call.activity_type.clone(),
            signature: import.signature.text().to_owned(),
            options: Some(in_words(&import.call)),
        });
        all.collect()
    }

    /// Makes them available to code that waits in each call.
    pub(crate) fn link(&self, linker: &mut Linker<GuestState>) -> Result<()> {
        self.each(linker, |mut place, import| {
            let called = Arc::clone(import);
            place.func_new_async(&import.function, move |store, _, arguments, results| {
                let import = Arc::clone(&called);
                Box::new(async move { call(store, &import, arguments, results).await })
            })
        })
    }

    /// Makes them available to code that awaits many at once.
    pub(crate) fn link_awaited(&self, linker: &mut Linker<GuestState>) -> Result<()> {
        self.each(linker, |mut place, import| {
            let called = Arc::clone(import);
            place.func_new_concurrent(&import.function, move |store, _, arguments, results| {
                let import = Arc::clone(&called);
                Box::pin(async move { awaited(store, &import, arguments, results).await })
            })
        })
    }

    fn each(
        &self,
        linker: &mut Linker<GuestState>,
        define: impl Fn(LinkerInstance<'_, GuestState>, &Arc<TypedImport>) -> Result<()>,
    ) -> Result<()> {
        for name in &self.interfaces {
            linker.instance(name)?;
        }
        for import in &self.functions {
            let place = match &import.interface {
                Some(name) => linker.instance(name)?,
                None => linker.root(),
            };
            define(place, import)?;
        }
        Ok(())
    }
}

/// A function of an interface; nothing if it is a type.
pub(super) fn func(
    interface: &str,
    name: &str,
    item: ComponentItem,
) -> Result<Option<ComponentFunc>, Error> {
    match item {
        ComponentItem::ComponentFunc(func) => Ok(Some(func)),
        ComponentItem::Type(_) => Ok(None),
        ComponentItem::Resource(_) => Err(Error::Typed(format!(
            "{}: the resource {name} is no value: it cannot be stored and given again in a replay",
            interface
        ))),
        _ => Err(Error::Typed(format!(
            "{name} is neither a function nor an interface of functions"
        ))),
    }
}

/// The activity type of a function, or the workflow type if it is of no interface.
pub(super) fn type_name(interface: Option<&str>, function: &str) -> String {
    match interface {
        Some(name) => format!("{}.{function}", self::interface(name)),
        None => function.to_owned(),
    }
}

impl TypedImport {
    fn new(
        interface: Option<String>,
        function: String,
        ty: &ComponentFunc,
        options: &TypedOptions,
        usage: Usage,
    ) -> Result<Self, Error> {
        let name = type_name(interface.as_deref(), &function);
        let signature =
            Signature::of(ty, usage).map_err(|reason| Error::Typed(format!("{name}: {reason}")))?;
        let (_, err) = signature.returns();
        let options = options.for_activity(interface.as_deref().map(self::interface), &name);
        Ok(Self {
            call: options.call(&name, answers(err.as_ref()))?,
            interface,
            function,
            signature,
        })
    }

    /// The activity to run.
    fn call_with(&self, arguments: &[Val]) -> ActivityCall {
        ActivityCall {
            arguments: self.signature.write_arguments(arguments),
            ..self.call.clone()
        }
    }

    /// What the code is told of how the activity has ended.
    ///
    /// # Errors
    /// Its type cannot say it: the run ends with this failure.
    fn answer(&self, ended: Result<Payload, Failure>) -> Result<Option<Val>, Failure> {
        let (ok, err) = self.signature.returns();
        let failure = match (ended, &ok) {
            (Ok(_), None) => return Ok(err.map(|_| Val::Result(Ok(None)))),
            (Ok(payload), Some(ty)) => match read::payload(&payload, ty) {
                Ok(value) if err.is_some() => {
                    return Ok(Some(Val::Result(Ok(Some(Box::new(value))))));
                }
                Ok(value) => return Ok(Some(value)),
                Err(misfit) => {
                    let what = format!("the result of {}", self.call.activity_type);
                    mismatch(&what, &misfit)
                }
            },
            (Err(failure), _) => failure,
        };
        match err.and_then(|err| carried(&failure, err.as_ref())) {
            Some(value) => Ok(Some(Val::Result(Err(value.map(Box::new))))),
            None => Err(failure),
        }
    }
}

async fn call(
    mut store: StoreContextMut<'_, GuestState>,
    import: &TypedImport,
    arguments: &[Val],
    results: &mut [Val],
) -> Result<()> {
    let call = import.call_with(arguments);
    let state = store.data_mut();
    // They are here as long as this waits.
    let held = arguments.iter().map(size::held).sum();
    state.hold(held);
    let ended = state.run_activity(call).await;
    state.let_go(held);
    returned(state, import.answer(ended?), results)
}

/// The same for code that awaits it.
async fn awaited(
    accessor: &Accessor<GuestState>,
    import: &TypedImport,
    arguments: &[Val],
    results: &mut [Val],
) -> Result<()> {
    let call = import.call_with(arguments);
    let held = arguments.iter().map(size::held).sum();
    let ended = concurrent::run_activity(accessor, call, held).await?;
    let answer = import.answer(ended);
    accessor.with(|mut access| returned(access.get(), answer, results))
}

/// Gives the code an answer, or ends the run with the failure.
fn returned(
    state: &mut GuestState,
    answer: Result<Option<Val>, Failure>,
    results: &mut [Val],
) -> Result<()> {
    match answer {
        Ok(value) => {
            if let (Some(place), Some(value)) = (results.first_mut(), value) {
                *place = value;
            }
            Ok(())
        }
        Err(failure) => {
            let outcome = Outcome::Failed(failure);
            state.command(Command::Complete { outcome })?;
            Err(RunEnded.into())
        }
    }
}
