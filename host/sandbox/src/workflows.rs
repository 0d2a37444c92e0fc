//! The workflows of a component that is called once for each run: in their calls they wait, or they
//! await.

use crate::{state::GuestState, typed::TypedExports};
use wasmtime::component::InstancePre;

/// A component's workflows.
pub(crate) struct Workflows {
    pub(crate) pre: InstancePre<GuestState>,
    /// Whether it exports the guest interface of its world, which has any number of them.
    pub(crate) has_guest: bool,
    /// Its functions of its own types, each of which is one.
    pub(crate) typed: TypedExports,
}
