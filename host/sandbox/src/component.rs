//! A loaded workflow component.

use crate::{Error, Instance, LogSink, instance::Template};
use sandglass_engine::Digest;
use std::{collections::BTreeSet, fmt, sync::Arc};

/// A workflow component that is compiled and checked. Cheap to instantiate from.
pub struct WorkflowComponent {
    digest: Digest,
    workflow_types: Vec<String>,
    template: Template,
}

impl WorkflowComponent {
    /// Asks the component for its types.
    ///
    /// # Errors
    /// [`Error::Definitions`]
    pub(crate) fn new(digest: Digest, template: Template) -> Result<Self, Error> {
        let silent: LogSink = Arc::new(|_, _, _| ());
        let workflow_types = template
            .definitions(silent)
            .map_err(|failure| Error::Definitions(failure.to_string()))?;
        check_types(&workflow_types)?;
        Ok(Self {
            digest,
            workflow_types,
            template,
        })
    }

    /// The SHA-256 digest of the component's bytes.
    #[must_use]
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// The workflow types that it exports.
    #[must_use]
    pub fn workflow_types(&self) -> &[String] {
        &self.workflow_types
    }

    /// Makes an instance for one run. Its log lines go to `log`, except in replay. Its start
    /// functions are run with the first event.
    #[must_use]
    pub fn instantiate(&self, log: LogSink) -> Instance {
        self.template.instantiate(log)
    }
}

impl fmt::Debug for WorkflowComponent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WorkflowComponent")
            .field("digest", &self.digest)
            .field("workflow_types", &self.workflow_types)
            .finish_non_exhaustive()
    }
}

/// Checks that there are types and that each has a name of its own.
pub(crate) fn check_types(types: &[String]) -> Result<(), Error> {
    if types.is_empty() {
        return Err(Error::NoTypes);
    }
    let mut seen = BTreeSet::new();
    for name in types {
        if name.is_empty() {
            return Err(Error::Definitions("a type has an empty name".into()));
        }
        if !seen.insert(name) {
            return Err(Error::Definitions(format!(
                "the type {name} is listed twice"
            )));
        }
    }
    Ok(())
}
