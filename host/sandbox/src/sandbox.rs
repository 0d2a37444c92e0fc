//! The entrance: loads components into engines.

use crate::{
    ActivityComponent, ComponentKind, Error, Grants, Inspection, Pace, SandboxConfig,
    WorkflowComponent, activity, allow,
    bindings::{
        blocking::BlockingWorkflowPre, concurrent::AsyncWorkflowPre, workflow::WorkflowPre,
    },
    cache::Cache,
    component::check_types,
    config::{IMAGE_DATA_BYTES_MIN, Profile},
    engine::Engines,
    facts::Facts,
    inspect,
    instance::{Template, World},
    linkers::Linkers,
    shape::{self, Shape, WayIn},
    state::GuestState,
    typed::{TypedExports, TypedImports, TypedOptions, Usage},
    workflows::Workflows,
};
use sandglass_engine::Digest;
use sha2::{Digest as _, Sha256};
use std::{fmt, sync::Arc};
use wasmtime::component::{Component, InstancePre, Linker};

/// Most bytes of a component; compiling a larger one would hold a host up for minutes.
const COMPONENT_BYTES_MAX: usize = 128 << 20;

/// Loads components. One per host; its engines and its epoch thread are shared by all it loads.
pub struct Sandbox {
    config: SandboxConfig,
    pace: Pace,
    engines: Engines,
    cache: Cache,
    linkers: Linkers,
    activity: Linker<activity::AttemptData>,
}

impl Sandbox {
    /// Makes the engines and opens the compile cache.
    ///
    /// # Errors
    /// [`Error::Engine`] if the machine does not support the settings, [`Error::Cache`] if the
    /// directory cannot be used.
    pub fn new(config: SandboxConfig) -> Result<Arc<Self>, Error> {
        Self::with_pace(config, |_| ())
    }

    /// As [`Self::new`]; workflows that compute for long let `pace` say when they go on.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn with_pace(config: SandboxConfig, pace: Pace) -> Result<Arc<Self>, Error> {
        let engines = Engines::new(&config)?;
        let cache = Cache::open(config.cache_dir.as_deref())?;
        let linkers = Linkers::new(&engines).map_err(Error::engine)?;
        let activity = activity::linker(engines.get(Profile::Activity)).map_err(Error::engine)?;
        Ok(Arc::new(Self {
            config,
            pace,
            engines,
            cache,
            linkers,
            activity,
        }))
    }

    /// Loads a workflow component: checks its imports, compiles it or maps it from the cache, and
    /// asks it for its workflow types. Takes seconds for a large component that is not cached.
    ///
    /// # Errors
    /// Every variant of [`Error`] but `Grant`, `Cache` and `Engine`.
    pub fn load_workflow(&self, bytes: &[u8]) -> Result<Arc<WorkflowComponent>, Error> {
        let digest = digest(bytes)?;
        if let Some(loaded) = self.load_cached(digest) {
            return Ok(loaded);
        }
        let shape = Shape::read(bytes)?;
        shape.expect(ComponentKind::Workflow)?;
        allow::check(ComponentKind::Workflow, &shape)?;
        let profile = workflow_profile(&shape);
        let component = self.compile(profile, digest, bytes)?;
        let (template, imports) = self.template(profile, &component, &shape)?;
        let types = template.definitions(Arc::new(|_, _, _| ()));
        let types = types.map_err(|failure| Error::Definitions(failure.to_string()))?;
        check_types(&types)?;
        let facts = Facts { shape, types };
        self.cache.keep(self.engines.get(profile), digest, &facts);
        let loaded = WorkflowComponent::new(digest, facts.types, template, &imports);
        Ok(Arc::new(loaded))
    }

    /// Loads a workflow component that was loaded before, here or by another process with the same
    /// cache, by its digest: its bytes are neither needed nor hashed. `None` if it is not there, or
    /// cannot be loaded as it is there: the bytes say more exactly what is wrong.
    pub fn load_cached(&self, digest: Digest) -> Option<Arc<WorkflowComponent>> {
        let load = |profile| -> Result<Option<_>, Error> {
            let found = self.cache.find(self.engines.get(profile), digest);
            let Some((component, Facts { shape, types })) = found else {
                return Ok(None);
            };
            // What is allowed may have changed.
            allow::check(ComponentKind::Workflow, &shape)?;
            let (template, imports) = self.template(profile, &component, &shape)?;
            let loaded = WorkflowComponent::new(digest, types, template, &imports);
            Ok(Some(Arc::new(loaded)))
        };
        Profile::WORKFLOWS.into_iter().find_map(|profile| {
            load(profile).unwrap_or_else(|error| {
                tracing::warn!(%digest, %error, "what is cached of a component cannot be loaded");
                None
            })
        })
    }

    /// What instances of a component are made from, and what it imports of its author's.
    fn template(
        &self,
        profile: Profile,
        component: &Component,
        shape: &Shape,
    ) -> Result<(Template, TypedImports), Error> {
        let options = TypedOptions::read(shape.options.as_deref())?;
        let usage = match shape.way_in() {
            WayIn::Concurrent => Usage::Awaited,
            WayIn::Activation | WayIn::Blocking => Usage::Called,
        };
        let imports = TypedImports::of(component, self.engines.get(profile), &options, usage)?;
        let world = match shape.way_in() {
            WayIn::Blocking => {
                let mut linker = self.linkers.blocking(profile).clone();
                imports.link(&mut linker).map_err(Error::invalid)?;
                let pre = linker.instantiate_pre(component).map_err(Error::invalid)?;
                let has_guest = shape.has_export(shape::BLOCKING);
                if has_guest {
                    // It must be as the world has it.
                    BlockingWorkflowPre::new(pre.clone()).map_err(Error::invalid)?;
                }
                World::Blocking(self.workflows(profile, pre, has_guest, Usage::Waits)?)
            }
            WayIn::Activation => {
                let pre = self.linkers.activation(profile).instantiate_pre(component);
                let pre = pre.and_then(WorkflowPre::new);
                World::Activation(pre.map_err(Error::invalid)?)
            }
            WayIn::Concurrent => {
                let mut linker = self.linkers.concurrent.clone();
                imports.link_awaited(&mut linker).map_err(Error::invalid)?;
                let pre = linker.instantiate_pre(component).map_err(Error::invalid)?;
                let has_guest = shape.has_export(shape::CONCURRENT);
                if has_guest {
                    AsyncWorkflowPre::new(pre.clone()).map_err(Error::invalid)?;
                }
                World::Concurrent(self.workflows(profile, pre, has_guest, Usage::Awaits)?)
            }
        };
        let template = Template {
            engine: self.engines.get(profile).clone(),
            world,
            data_bytes: shape.data_bytes,
            memory_bytes_max: self.config.memory_bytes_max,
            table_elements_max: self.config.table_elements_max,
            budget: self.config.activation_budget,
            budget_ticks: self.config.budget_ticks(),
            pace: self.pace,
        };
        Ok((template, imports))
    }

    fn workflows(
        &self,
        profile: Profile,
        pre: InstancePre<GuestState>,
        has_guest: bool,
        usage: Usage,
    ) -> Result<Arc<Workflows>, Error> {
        let engine = self.engines.get(profile);
        let typed = TypedExports::workflows(pre.component(), engine, usage)?;
        Ok(Arc::new(Workflows {
            pre,
            has_guest,
            typed,
        }))
    }

    /// Loads an activity component with what its attempts may use.
    ///
    /// # Errors
    /// As [`Self::load_workflow`], and [`Error::Grant`] if a directory cannot be opened or a host
    /// is not given as `name:port`.
    pub fn load_activities(
        &self,
        bytes: &[u8],
        grants: Grants,
    ) -> Result<Arc<ActivityComponent>, Error> {
        let (digest, shape) = (digest(bytes)?, Shape::read(bytes)?);
        shape.expect(ComponentKind::Activities)?;
        allow::check(ComponentKind::Activities, &shape)?;
        let component = self.compile(Profile::Activity, digest, bytes)?;
        let pre = self
            .activity
            .instantiate_pre(&component)
            .map_err(Error::invalid)?;
        let engine = self.engines.get(Profile::Activity).clone();
        Ok(Arc::new(ActivityComponent::new(
            digest,
            engine,
            pre,
            shape.has_export(shape::HANDLER),
            grants,
            &self.config,
        )?))
    }

    /// Tells all about a component, also about one that cannot be loaded.
    ///
    /// # Errors
    /// [`Error::NotWasm`], [`Error::CoreModule`], [`Error::TooLarge`] or [`Error::NoExports`]: then
    /// there is nothing to tell.
    pub fn inspect(&self, bytes: &[u8]) -> Result<Inspection, Error> {
        let (digest, shape) = (digest(bytes)?, Shape::read(bytes)?);
        let kind = shape.kind()?;
        let types = match kind {
            ComponentKind::Workflow => self
                .load_workflow(bytes)
                .map(|loaded| (loaded.workflow_types().to_vec(), loaded.typed().clone())),
            ComponentKind::Activities => self
                .load_activities(bytes, Grants::default())
                .map(|loaded| (loaded.activity_types().to_vec(), loaded.typed().clone())),
        };
        let profile = match kind {
            ComponentKind::Workflow => workflow_profile(&shape),
            ComponentKind::Activities => Profile::Activity,
        };
        let settings = self.config.describe(profile);
        Ok(inspect::inspection(
            kind,
            digest,
            bytes.len(),
            &shape,
            types,
            settings,
        ))
    }

    /// The limits and settings it was made with.
    #[must_use]
    pub fn config(&self) -> &SandboxConfig {
        &self.config
    }

    fn compile(&self, profile: Profile, digest: Digest, bytes: &[u8]) -> Result<Component, Error> {
        self.cache.load(self.engines.get(profile), digest, bytes)
    }
}

impl fmt::Debug for Sandbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sandbox")
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}

/// What the component is called.
///
/// # Errors
/// [`Error::TooLarge`]
fn digest(bytes: &[u8]) -> Result<Digest, Error> {
    if bytes.len() > COMPONENT_BYTES_MAX {
        return Err(Error::TooLarge {
            bytes: bytes.len(),
            max: COMPONENT_BYTES_MAX,
        });
    }
    Ok(Digest(Sha256::digest(bytes).into()))
}

fn workflow_profile(shape: &Shape) -> Profile {
    if shape.way_in() == WayIn::Concurrent {
        Profile::Concurrent
    } else if shape.data_bytes > IMAGE_DATA_BYTES_MIN {
        Profile::Image
    } else {
        Profile::Small
    }
}
