//! The components of a host: those loaded, and those that the store keeps for its runs.

mod manage;
mod typed;

pub use manage::{ComponentInfo, PushedComponent, TaskQueueBinding};

use crate::{
    activity::WasmActivities,
    clock::lock,
    component::Component,
    error::{Error, StartError},
    host::{Host, Inner, component_loaded},
    pool,
    wasm::WasmComponent,
};
use sandglass_engine::Digest;
use sandglass_sandbox::{Grants, Sandbox, SandboxConfig, WorkflowComponent};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, OnceLock},
};

/// A place for a component, filled by whoever needs it first while others wait for it only.
#[derive(Default)]
struct Place {
    /// Held while it is compiled.
    loading: Mutex<()>,
    /// Held for a moment only: who asks what is loaded does not wait, and is told no lie.
    component: Mutex<Option<Arc<dyn Component>>>,
}

impl Place {
    fn loaded(&self) -> Option<Arc<dyn Component>> {
        lock(&self.component).clone()
    }
}

/// The components of one host.
pub(crate) struct Components {
    config: SandboxConfig,
    sandbox: OnceLock<Arc<Sandbox>>,
    places: Mutex<BTreeMap<Digest, Arc<Place>>>,
    /// Which component new runs of a type begin with: the one that was loaded last.
    newest: Mutex<BTreeMap<String, Digest>>,
    managed: manage::Managed,
    typed: typed::Typed,
}

impl Components {
    pub(crate) fn new(config: SandboxConfig) -> Self {
        Self {
            config,
            sandbox: OnceLock::new(),
            places: Mutex::new(BTreeMap::new()),
            newest: Mutex::default(),
            managed: manage::Managed::default(),
            typed: typed::Typed::default(),
        }
    }

    /// The sandbox; made when first needed.
    pub(crate) fn sandbox(&self) -> Result<&Arc<Sandbox>, Error> {
        if let Some(sandbox) = self.sandbox.get() {
            return Ok(sandbox);
        }
        let sandbox = Sandbox::with_pace(self.config.clone(), pool::wait_for_turn)
            .map_err(component_error)?;
        Ok(self.sandbox.get_or_init(|| sandbox))
    }

    pub(crate) fn add(&self, component: Arc<dyn Component>) {
        let digest = component.digest();
        let types: Vec<String> = component.workflow_types().to_vec();
        let place = self.place(digest);
        *lock(&place.component) = Some(component);
        lock(&self.newest).extend(types.into_iter().map(|name| (name, digest)));
    }

    /// Has a component at hand for the runs that ask for it, and for no new ones.
    fn hold(&self, component: Arc<dyn Component>) {
        let place = self.place(component.digest());
        lock(&place.component).get_or_insert(component);
    }

    /// A component, loaded from the store if it is not loaded yet.
    pub(crate) fn get(&self, host: &Inner, digest: Digest) -> Result<Arc<dyn Component>, Error> {
        let place = self.place(digest);
        if let Some(component) = place.loaded() {
            return Ok(component);
        }
        let _loading = lock(&place.loading);
        if let Some(component) = place.loaded() {
            return Ok(component);
        }
        if !host.read(|reader| reader.has_component(digest))? {
            return Err(Error::UnknownComponent(digest));
        }
        let _phase = crate::crash::phase(crate::crash::Phase::Loading);
        let loaded = load_stored(self.sandbox()?, digest, || {
            host.read(|reader| reader.component(digest))
        })?;
        let component: Arc<dyn Component> = Arc::new(WasmComponent(loaded));
        *lock(&place.component) = Some(Arc::clone(&component));
        Ok(component)
    }

    /// Whether a component can be had without loading it.
    pub(crate) fn is_loaded(&self, digest: Digest) -> bool {
        let place = lock(&self.places).get(&digest).cloned();
        place.is_some_and(|place| place.loaded().is_some())
    }

    fn place(&self, digest: Digest) -> Arc<Place> {
        Arc::clone(lock(&self.places).entry(digest).or_default())
    }

    fn loaded(&self) -> Vec<Arc<dyn Component>> {
        let places: Vec<Arc<Place>> = lock(&self.places).values().cloned().collect();
        // One that is being compiled is not loaded yet, and not worth waiting for.
        places.iter().filter_map(|place| place.loaded()).collect()
    }

    /// The workflow types of the loaded components.
    pub(crate) fn types(&self) -> Vec<(String, Digest)> {
        let loaded = self.loaded();
        let types = loaded.iter().flat_map(|component| {
            component
                .workflow_types()
                .iter()
                .map(|name| (name.clone(), component.digest()))
        });
        types.collect()
    }

    /// The component to start a workflow type with: of several versions, the one that was pushed
    /// last, or else loaded last. One that is loaded for the sake of old runs takes no new ones
    /// beside it, or beside another such one.
    pub(crate) fn with_type(&self, workflow_type: &str) -> Result<Digest, StartError> {
        if let Some(digest) = self.pushed(workflow_type) {
            return Ok(digest);
        }
        if let Some(digest) = lock(&self.newest).get(workflow_type) {
            return Ok(*digest);
        }
        let types = self.types();
        let mut having = types.iter().filter(|(name, _)| name == workflow_type);
        match (having.next(), having.next()) {
            (Some((_, only)), None) => Ok(*only),
            (None, _) => Err(unknown_type(
                workflow_type,
                types.into_iter().map(|(name, _)| name),
            )),
            _ => Err(StartError::Invalid {
                reason: format!(
                    "workflow type {workflow_type:?} is in several components of old runs; load \
                     the one that is meant, or name it by its digest"
                ),
            }),
        }
    }
}

pub(crate) fn unknown_type(
    workflow_type: &str,
    known: impl IntoIterator<Item = String>,
) -> StartError {
    let known = known.into_iter().collect();
    StartError::UnknownType {
        workflow_type: workflow_type.into(),
        known,
    }
}

fn component_error(error: sandglass_sandbox::Error) -> Error {
    Error::Component(error.to_string())
}

/// Loads a component that the store keeps. Its bytes are read unless the compile cache knows it.
///
/// # Errors
/// [`Error::UnknownComponent`] if there are none, [`Error::Component`] if they are not those that
/// were stored, or cannot be used.
pub(crate) fn load_stored(
    sandbox: &Sandbox,
    digest: Digest,
    bytes: impl FnOnce() -> Result<Option<Vec<u8>>, Error>,
) -> Result<Arc<WorkflowComponent>, Error> {
    if let Some(loaded) = sandbox.load_cached(digest) {
        return Ok(loaded);
    }
    let bytes = bytes()?.ok_or(Error::UnknownComponent(digest))?;
    let loaded = sandbox.load_workflow(&bytes).map_err(component_error)?;
    if loaded.digest() != digest {
        return Err(Error::Component(format!(
            "the stored bytes of component {digest} are damaged: their digest is {}",
            loaded.digest()
        )));
    }
    Ok(loaded)
}

impl Host {
    /// Loads a workflow component and keeps it in the store, so that its runs can always go on.
    /// Runs that waited for it go on at once, new runs of its types begin with it.
    ///
    /// # Errors
    /// [`Error::Component`] if it cannot be used, or calls an activity by another type than the
    /// loaded activity component has for it; [`Error::Store`] if it cannot be kept.
    pub async fn load_component(&self, bytes: impl Into<Vec<u8>>) -> Result<Digest, Error> {
        self.inner.load_component(bytes.into(), true).await
    }

    /// Adds workflow code that is not a wasm component. It is not kept in the store: a host that
    /// finds runs of it must be given it again.
    pub fn add_component(&self, component: Arc<dyn Component>) {
        let digest = component.digest();
        self.inner.components.add(component);
        component_loaded(&self.inner, digest);
    }

    /// Loads an activity component and serves its activity types with these grants.
    ///
    /// # Errors
    /// [`Error::Component`] if it cannot be used, or has a function of another type than a workflow
    /// component that new runs begin with expects.
    pub async fn load_activities(
        &self,
        bytes: impl Into<Vec<u8>>,
        grants: Grants,
    ) -> Result<Vec<String>, Error> {
        let bytes: Vec<u8> = bytes.into();
        let inner = Arc::clone(&self.inner);
        let compiled = self.inner.tokio.spawn_blocking(move || {
            let components = &inner.components;
            let loaded = components.sandbox()?.load_activities(&bytes, grants);
            let loaded = loaded.map_err(component_error)?;
            components.serve_typed(&inner, &loaded)?;
            Ok::<_, Error>(loaded)
        });
        let loaded = compiled
            .await
            .map_err(|error| Error::Component(error.to_string()))??;
        let types = loaded.activity_types().to_vec();
        let worker = Arc::new(WasmActivities(loaded));
        for name in &types {
            self.inner
                .dispatch
                .register(&self.inner, name, worker.clone());
        }
        Ok(types)
    }
}

impl Inner {
    /// Loads a component; keeps it and lets new runs of its types begin with it, or has it at hand
    /// only.
    pub(crate) async fn load_component(
        self: &Arc<Self>,
        bytes: Vec<u8>,
        keep: bool,
    ) -> Result<Digest, Error> {
        let _phase = crate::crash::phase(crate::crash::Phase::Loading);
        let inner = Arc::clone(self);
        let compiled = self.tokio.spawn_blocking(move || {
            let loaded = inner.components.sandbox()?.load_workflow(&bytes);
            Ok::<_, Error>((loaded.map_err(component_error)?, bytes))
        });
        let (loaded, bytes) = compiled
            .await
            .map_err(|error| Error::Component(error.to_string()))??;
        let digest = loaded.digest();
        let component = Arc::new(WasmComponent(loaded));
        self.components.check_typed(&*component)?;
        if !keep {
            self.components.hold(component);
            return Ok(digest);
        }
        // Not between the two of a removal.
        let settled = self.components.settled().await;
        self.keep_component(digest, bytes).await?;
        self.components.add(component);
        drop(settled);
        component_loaded(self, digest);
        Ok(digest)
    }

    /// Stores a component, on the writer's thread.
    async fn keep_component(&self, digest: Digest, bytes: Vec<u8>) -> Result<(), Error> {
        let (sender, receiver) = tokio::sync::oneshot::channel();
        self.writer.run_job(Box::new(move |store| {
            // Whoever asked may have gone away.
            let _gone = sender.send(store.put_component(digest, &bytes));
        }));
        Ok(receiver.await.map_err(|_| Error::ShutDown)??)
    }
}
