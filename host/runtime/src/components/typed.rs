//! Whether workflows and the activity components that serve them have the same types.
//!
//! Compared when either is loaded, for the workflow components that new runs begin with: those that
//! were loaded, and those that were pushed, which a host that starts has not loaded yet. Those of
//! old runs go on: what does not fit them is told where it is read.

use super::Components;
use crate::{clock::lock, component::Component, error::Error, host::Inner, wasm::functions};
use sandglass_engine::Digest;
use sandglass_sandbox::ActivityComponent;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Mutex,
};

/// The activity types that are served by functions with types: those in WIT, and their components.
type Served = BTreeMap<String, (String, Digest)>;

/// What is served now.
#[derive(Default)]
pub(super) struct Typed(Mutex<Served>);

impl Components {
    /// Checks a workflow component against the activities that are served.
    pub(super) fn check_typed(&self, component: &dyn Component) -> Result<(), Error> {
        compare(component, &lock(&self.typed.0))
    }

    /// Checks an activity component against the workflows that new runs begin with, and remembers
    /// what it serves.
    pub(super) fn serve_typed(
        &self,
        host: &Inner,
        activities: &ActivityComponent,
    ) -> Result<(), Error> {
        let serves: Served = functions(&activities.typed().exports)
            .into_iter()
            .map(|(name, signature)| (name, (signature, activities.digest())))
            .collect();
        let takes_runs = match serves.is_empty() {
            true => BTreeSet::new(),
            false => self.takes_runs(),
        };
        for digest in takes_runs {
            match self.get(host, digest) {
                Ok(component) => compare(component.as_ref(), &serves)?,
                // Its runs will be told.
                Err(error) => {
                    tracing::warn!(%digest, %error, "its activities' types are not compared");
                }
            }
        }
        let mut served = lock(&self.typed.0);
        for name in activities.activity_types() {
            // One that is served in another way from now on has no type any more.
            served.remove(name);
        }
        served.extend(serves);
        Ok(())
    }
}

/// Compares what a component imports with what is served, in WIT.
fn compare(component: &dyn Component, served: &Served) -> Result<(), Error> {
    for (name, imported) in component.typed_activities() {
        let Some((exported, exporter)) = served.get(&name) else {
            continue;
        };
        if imported != *exported {
            let importer = component.digest();
            return Err(Error::Component(format!(
                "the two sides of {name} differ:\n  \
                 workflow component {importer} imports\n    {imported}\n  \
                 activity component {exporter} exports\n    {exported}"
            )));
        }
    }
    Ok(())
}
