//! A loaded workflow component.

use crate::{
    Error, Instance, LogSink,
    instance::{Template, World},
    typed::TypedImports,
};
use sandglass_engine::{Digest, Payload};
use std::{collections::BTreeSet, fmt};

/// A workflow component that is compiled and checked. Cheap to instantiate from.
pub struct WorkflowComponent {
    digest: Digest,
    workflow_types: Vec<String>,
    typed: Typed,
    template: Template,
}

/// What a component has of its author's own types, with functions in WIT.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Typed {
    /// Functions that it imports: activity types, with how each is run.
    pub imports: Vec<TypedFunction>,
    /// Functions that it exports: workflow or activity types.
    pub exports: Vec<TypedFunction>,
}

/// One function of a component's own types.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TypedFunction {
    /// The workflow or activity type.
    pub name: String,
    /// The function in WIT: `func(order: string) -> result<u32, string>`.
    pub signature: String,
    /// Of an activity that is called: limits and retries, in words.
    pub options: Option<String>,
}

impl WorkflowComponent {
    pub(crate) fn new(
        digest: Digest,
        workflow_types: Vec<String>,
        template: Template,
        imports: &TypedImports,
    ) -> Self {
        let exports = match &template.world {
            World::Blocking(code) | World::Concurrent(code) => code.typed.functions(),
            World::Activation(_) => Vec::new(),
        };
        Self {
            digest,
            workflow_types,
            typed: Typed {
                imports: imports.functions(),
                exports,
            },
            template,
        }
    }

    /// The functions of its author's own types: activities that it calls, and workflow types.
    #[must_use]
    pub fn typed(&self) -> &Typed {
        &self.typed
    }

    /// Checks the arguments of a run of a typed workflow. Of other workflow types all fit.
    ///
    /// # Errors
    /// They do not fit: in words, with the place in the value.
    pub fn check_arguments(
        &self,
        workflow_type: &str,
        arguments: &[Payload],
    ) -> Result<(), String> {
        match &self.template.world {
            World::Blocking(code) | World::Concurrent(code) => {
                match code.typed.get(workflow_type) {
                    Some(function) => function
                        .check(arguments)
                        .map_err(|misfit| misfit.to_string()),
                    None => Ok(()),
                }
            }
            World::Activation(_) => Ok(()),
        }
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
