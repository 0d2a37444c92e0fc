//! All namespaces: each is a house of its own behind one front, with its own host, store,
//! components, task queues and workers.

use crate::{
    access::Access, body::Held, bounds, components::Places, door::Door, status, working::Working,
};
use sandglass::Host;
use std::{collections::BTreeMap, sync::Arc};
use tokio::sync::watch;
use tonic::Status;

/// The namespace that clients mean who name none themselves.
pub(crate) const DEFAULT: &str = "default";

/// The doors, by the names of their namespaces.
pub(crate) struct Front {
    doors: BTreeMap<String, Arc<Door>>,
    pub(crate) pushes: Places,
    /// What all bodies hold that are being read.
    pub(crate) held: Held,
    /// What is being answered.
    pub(crate) working: Working,
    /// True once no new work is to be begun.
    pub(crate) closing: watch::Receiver<bool>,
}

impl Front {
    pub(crate) fn new(hosts: BTreeMap<String, Host>, closing: watch::Receiver<bool>) -> Self {
        let door = |(name, host): (String, Host)| {
            let door = Door::new(&name, host, closing.clone());
            (name, Arc::new(door))
        };
        Self {
            doors: hosts.into_iter().map(door).collect(),
            pushes: Places::default(),
            held: Held::default(),
            working: Working::new(closing.clone()),
            closing,
        }
    }

    /// The door of a namespace, for whoever may enter it.
    ///
    /// # Errors
    /// The caller may not, or there is no such namespace.
    pub(crate) fn door(&self, access: &Access, namespace: &str) -> Result<&Arc<Door>, Status> {
        if namespace.is_empty() {
            return Err(status::invalid("Namespace is empty."));
        }
        bounds::names(&[("Namespace", namespace)])?;
        access.check(namespace)?;
        self.named(namespace)
            .ok_or_else(|| status::namespace_not_found(namespace))
    }

    /// The door of a namespace.
    pub(crate) fn named(&self, namespace: &str) -> Option<&Arc<Door>> {
        self.doors.get(namespace)
    }

    /// The most bytes of payload that one of them takes in a request.
    pub(crate) fn payload_bytes(&self) -> usize {
        let limits = self.doors.values().map(|door| door.host.limits());
        limits.map(|limits| limits.payload_bytes).max().unwrap_or(0)
    }

    /// The names of all namespaces.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.doors.keys().map(String::as_str)
    }
}
