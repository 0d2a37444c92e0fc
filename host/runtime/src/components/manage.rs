//! Components while a host runs: pushed, bound to task queues, listed, removed.
//!
//! Bytes are kept by digest, so that a push of the same ones is the same component. Which task
//! queues a component takes new runs in is kept beside them, in one transaction.

use crate::{
    cell::Phase,
    clock::lock,
    component::Component as _,
    components::{Components, component_error},
    error::Error,
    host::{Host, Inner, component_loaded},
    wasm::WasmComponent,
};
use sandglass_engine::{Digest, Effect, Timestamp, decode};
use sandglass_sandbox::Inspection;
use sandglass_store::{ComponentChange, Reader, RunStatus, Store};
use serde::{Deserialize, Serialize};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};
use tokio::sync::RwLockReadGuard;

/// Runs that are named when a component cannot be removed; the others are counted.
const NAMED: usize = 10;

/// A task queue in which new runs of these types begin with a component.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskQueueBinding {
    /// The task queue.
    pub task_queue: String,
    /// The component.
    pub digest: Digest,
    /// Its workflow types.
    pub types: Vec<String>,
}

/// What became of a component that was pushed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PushedComponent {
    /// What it is called from now on.
    pub digest: Digest,
    /// Its workflow types.
    pub types: Vec<String>,
    /// Whether the store did not have it before.
    pub is_new: bool,
}

/// A component that the store keeps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ComponentInfo {
    /// Its digest.
    pub digest: Digest,
    /// Its size in bytes.
    pub bytes: u64,
    /// When it was first stored.
    pub added_at: Timestamp,
    /// The open runs that go on with it.
    pub open_runs: usize,
}

/// What is known of components beside their code.
#[derive(Default)]
pub(super) struct Managed {
    /// Read while a run is begun with a component, written while components come and go: so no run
    /// begins with one that is being removed.
    settled: tokio::sync::RwLock<()>,
    /// In the order in which they came; the last one of a queue and type counts.
    bindings: std::sync::Mutex<Vec<TaskQueueBinding>>,
    /// Components that runs are being moved to, each as often as that is so.
    upgrading: std::sync::Mutex<BTreeMap<Digest, usize>>,
}

/// While this lives, runs may be moved to a component.
pub(crate) struct Upgrading<'a> {
    components: &'a Components,
    digest: Digest,
}

impl Drop for Upgrading<'_> {
    fn drop(&mut self) {
        let mut upgrading = lock(&self.components.managed.upgrading);
        let count = upgrading.entry(self.digest).or_default();
        *count = count.saturating_sub(1);
        if *count == 0 {
            upgrading.remove(&self.digest);
        }
    }
}

impl Components {
    /// Until it is dropped no component is removed. Held for a moment only.
    pub(crate) async fn settled(&self) -> RwLockReadGuard<'_, ()> {
        self.managed.settled.read().await
    }

    /// Keeps a component from being removed, if it has not been.
    pub(crate) async fn upgrading(
        &self,
        host: &Inner,
        digest: Digest,
    ) -> Result<Upgrading<'_>, Error> {
        let _settled = self.settled().await;
        self.get(host, digest)?;
        *lock(&self.managed.upgrading).entry(digest).or_default() += 1;
        Ok(Upgrading {
            components: self,
            digest,
        })
    }

    /// Takes over what the store keeps, when a host starts.
    pub(crate) fn take_up(&self, note: Option<String>) -> Result<(), Error> {
        let Some(note) = note else { return Ok(()) };
        let bindings = serde_json::from_str(&note)
            .map_err(|error| Error::system("read which task queues components serve", error))?;
        *lock(&self.managed.bindings) = bindings;
        Ok(())
    }

    /// The pushed component that new runs of a type begin with: the one that came last.
    pub(super) fn pushed(&self, workflow_type: &str) -> Option<Digest> {
        let bindings = lock(&self.managed.bindings);
        let mut newest = bindings.iter().rev();
        let found = newest.find(|of| of.types.iter().any(|name| name == workflow_type))?;
        Some(found.digest)
    }

    /// The components that new runs begin with.
    pub(super) fn takes_runs(&self) -> BTreeSet<Digest> {
        let bindings = lock(&self.managed.bindings);
        // Of those that serve the same type the one that came last.
        let mut pushed = BTreeMap::new();
        for binding in bindings.iter() {
            let types = binding.types.iter();
            pushed.extend(types.map(|name| ((&binding.task_queue, name), binding.digest)));
        }
        let loaded = lock(&self.newest);
        pushed
            .into_values()
            .chain(loaded.values().copied())
            .collect()
    }

    /// Forgets a component that no run needs.
    fn forget(&self, digest: Digest) {
        lock(&self.places).remove(&digest);
    }
}

fn note(bindings: &[TaskQueueBinding]) -> String {
    serde_json::to_string(bindings).expect("texts and digests have a JSON form")
}

impl Host {
    /// Keeps a workflow component in the store and lets new runs of its types begin with it in
    /// these task queues, also on the hosts that come after this one. Runs that waited for it go on
    /// at once. The same bytes again are the same component; its bindings are then the newest.
    ///
    /// # Errors
    /// [`Error::Component`] if it cannot be used, [`Error::Store`] if it cannot be kept. Nothing
    /// is changed then.
    pub async fn push_component(
        &self,
        bytes: impl Into<Vec<u8>>,
        task_queues: Vec<String>,
    ) -> Result<PushedComponent, Error> {
        let bytes: Vec<u8> = bytes.into();
        let inner = Arc::clone(&self.inner);
        let compiled = self.inner.tokio.spawn_blocking(move || {
            let _phase = crate::crash::phase(crate::crash::Phase::Loading);
            let loaded = inner.components.sandbox()?.load_workflow(&bytes);
            Ok::<_, Error>((loaded.map_err(component_error)?, bytes))
        });
        let (loaded, bytes) = compiled
            .await
            .map_err(|error| Error::Component(error.to_string()))??;
        let loaded = WasmComponent(loaded);
        self.inner.components.check_typed(&loaded)?;
        let (digest, types) = (loaded.digest(), loaded.workflow_types().to_vec());
        let inner = Arc::clone(&self.inner);
        // On a task of its own: whoever asked may go away, and what is on disk is then known here.
        let kept = self.inner.tokio.spawn(async move {
            let components = &inner.components;
            let _changing = components.managed.settled.write().await;
            let mut bindings = lock(&components.managed.bindings).clone();
            bindings.retain(|old| old.digest != digest || !task_queues.contains(&old.task_queue));
            bindings.extend(task_queues.into_iter().map(|task_queue| TaskQueueBinding {
                task_queue,
                digest,
                types: loaded.workflow_types().to_vec(),
            }));
            let change = ComponentChange {
                put: Some((digest, bytes)),
                note: Some(note(&bindings)),
                ..ComponentChange::default()
            };
            let is_new = inner
                .change_components(move |store| {
                    let is_new = !store.reader()?.has_component(digest)?;
                    store.change_components(&change)?;
                    Ok(is_new)
                })
                .await?;
            *lock(&components.managed.bindings) = bindings;
            components.add(Arc::new(loaded));
            component_loaded(&inner, digest);
            Ok::<_, Error>(is_new)
        });
        let is_new = kept.await.map_err(|_| self.inner.gone())??;
        Ok(PushedComponent {
            digest,
            types,
            is_new,
        })
    }

    /// Which task queues pushed components serve, in the order in which they were pushed.
    #[must_use]
    pub fn task_queue_bindings(&self) -> Vec<TaskQueueBinding> {
        lock(&self.inner.components.managed.bindings).clone()
    }

    /// The components that the store keeps, by digest.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub fn components(&self) -> Result<Vec<ComponentInfo>, Error> {
        let rows = self.inner.read(|reader| reader.components())?;
        let mut open: BTreeMap<Digest, usize> = BTreeMap::new();
        for cell in self.inner.open_runs() {
            *open.entry(cell.lock().head.row.digest).or_default() += 1;
        }
        let rows = rows.into_iter();
        Ok(rows
            .map(|row| ComponentInfo {
                digest: row.digest,
                bytes: row.bytes,
                added_at: row.added_at,
                open_runs: open.get(&row.digest).copied().unwrap_or_default(),
            })
            .collect())
    }

    /// All about a component that the store keeps.
    ///
    /// # Errors
    /// [`Error::UnknownComponent`], [`Error::Component`] if it cannot be read, [`Error::Store`].
    pub async fn inspect_component(&self, digest: Digest) -> Result<Inspection, Error> {
        let inner = Arc::clone(&self.inner);
        let looked = self.inner.tokio.spawn_blocking(move || {
            let bytes = inner.read(|reader| reader.component(digest))?;
            let bytes = bytes.ok_or(Error::UnknownComponent(digest))?;
            let inspected = inner.components.sandbox()?.inspect(&bytes);
            inspected.map_err(component_error)
        });
        looked.await.map_err(|_| self.inner.gone())?
    }

    /// Lets no new run begin with a component, and deletes it unless open runs go on with it.
    ///
    /// With `keep_runs` it is then kept for those. Runs that have ended cannot be asked or reset
    /// any more once it is deleted. Returns how many open runs it is kept for: 0 if it is deleted.
    ///
    /// # Errors
    /// [`Error::ComponentInUse`] if open runs go on with it, without `keep_runs`: nothing is
    /// changed. [`Error::UnknownComponent`], [`Error::Store`].
    pub async fn remove_component(&self, digest: Digest, keep_runs: bool) -> Result<usize, Error> {
        let inner = Arc::clone(&self.inner);
        let removed = self
            .inner
            .tokio
            .spawn(async move { inner.remove_component(digest, keep_runs).await });
        removed.await.map_err(|_| self.inner.gone())?
    }
}

impl Inner {
    async fn remove_component(
        self: &Arc<Self>,
        digest: Digest,
        keep_runs: bool,
    ) -> Result<usize, Error> {
        let managed = &self.components.managed;
        let _changing = managed.settled.write().await;
        if lock(&managed.upgrading).contains_key(&digest) {
            return Err(Error::Component(format!(
                "runs are being moved to component {digest}; try again when that is done"
            )));
        }
        // Those whose start is not stored yet. Nothing is begun meanwhile.
        let mut begun = BTreeSet::new();
        for cell in self.open_runs() {
            let state = cell.lock();
            if state.head.row.digest == digest && state.phase != Phase::Closed {
                begun.insert((cell.workflow_id.clone(), cell.run_id.clone()));
            }
        }
        let mut bindings = lock(&managed.bindings).clone();
        bindings.retain(|binding| binding.digest != digest);
        let text = note(&bindings);
        let open_runs = self
            .change_components(move |store| {
                if !store.reader()?.has_component(digest)? {
                    return Err(Error::UnknownComponent(digest));
                }
                let mut open = begun;
                stored(store.reader()?.as_ref(), digest, &mut open)?;
                if !open.is_empty() && !keep_runs {
                    return Err(Error::ComponentInUse {
                        digest,
                        open_runs: open.len(),
                        some: open.into_iter().take(NAMED).collect(),
                    });
                }
                store.change_components(&ComponentChange {
                    remove: open.is_empty().then_some(digest),
                    note: Some(text),
                    ..ComponentChange::default()
                })?;
                Ok(open.len())
            })
            .await?;
        *lock(&managed.bindings) = bindings;
        lock(&self.components.newest).retain(|_, of| *of != digest);
        if open_runs == 0 {
            self.components.forget(digest);
        }
        Ok(open_runs)
    }

    /// Does something to the stored components, on the writer's thread: between two commits.
    async fn change_components<T: Send + 'static>(
        &self,
        change: impl FnOnce(&mut dyn Store) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let (sender, receiver) = tokio::sync::oneshot::channel();
        self.writer.run_job(Box::new(move |store| {
            // Whoever asked may have gone away.
            let _gone = sender.send(change(store));
        }));
        receiver.await.map_err(|_| Error::ShutDown)?
    }
}

/// Adds the runs that need a component by what is stored: those that are open, and those that have
/// ended and have children still to be started, or are to be continued from by a reset.
fn stored(
    reader: &dyn Reader,
    digest: Digest,
    open: &mut BTreeSet<(String, String)>,
) -> Result<(), Error> {
    let mut add = |row: sandglass_store::RunRow| {
        if row.digest == digest {
            open.insert((row.workflow_id, row.run_id));
        }
    };
    for row in reader.open_runs()? {
        // A damaged row may be of any component.
        add(row?);
    }
    for effect in reader.outbox()? {
        if let Ok(Effect::StartReset { workflow_id, reset }) = decode(&effect.body)
            && let Some(row) = reader.find(&workflow_id, Some(&reset.base_run_id))?
        {
            add(row);
        }
        if let Some(row) = reader.run(effect.source)?
            && row.status != RunStatus::Running
        {
            add(row);
        }
    }
    Ok(())
}
