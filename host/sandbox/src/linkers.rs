//! The imports of each world of workflows, in each engine that its components run in.

use crate::{blocking, concurrent, config::Profile, engine::Engines, host, state::GuestState};
use wasmtime::{Result, component::Linker};

/// Once a linker has calls that may wait, all its guests have to be on fibers: so each world has
/// its own.
pub(crate) struct Linkers {
    activation: Pair,
    blocking: Pair,
    /// World `async-workflow`, which has an engine of its own.
    pub(crate) concurrent: Linker<GuestState>,
}

/// The imports of a world in the two engines for small guests and for large ones.
struct Pair {
    small: Linker<GuestState>,
    image: Linker<GuestState>,
}

impl Pair {
    fn of(&self, profile: Profile) -> &Linker<GuestState> {
        match profile {
            Profile::Image => &self.image,
            Profile::Small | Profile::Activity | Profile::Concurrent => &self.small,
        }
    }
}

impl Linkers {
    pub(crate) fn new(engines: &Engines) -> Result<Self> {
        let linker = |profile, add: fn(&mut Linker<GuestState>) -> Result<()>| {
            let mut linker = Linker::new(engines.get(profile));
            add(&mut linker)?;
            Ok::<_, wasmtime::Error>(linker)
        };
        let pair = |add| {
            let (small, image) = (linker(Profile::Small, add)?, linker(Profile::Image, add)?);
            Ok::<_, wasmtime::Error>(Pair { small, image })
        };
        Ok(Self {
            activation: pair(host::add_to_linker)?,
            blocking: pair(blocking::add_to_linker)?,
            concurrent: linker(Profile::Concurrent, concurrent::add_to_linker)?,
        })
    }

    /// World `workflow`.
    pub(crate) fn activation(&self, profile: Profile) -> &Linker<GuestState> {
        self.activation.of(profile)
    }

    /// World `blocking-workflow`.
    pub(crate) fn blocking(&self, profile: Profile) -> &Linker<GuestState> {
        self.blocking.of(profile)
    }
}
