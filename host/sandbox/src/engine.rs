//! The wasmtime engines of a sandbox and the thread that counts their epochs.
//!
//! A running guest compares its engine's epoch with its deadline at each loop and call. One thread
//! advances the epochs of all engines, so that a guest that never returns still notices.

use crate::{Error, SandboxConfig, config::Profile};
use std::{thread, time::Duration};
use wasmtime::{Engine, EngineWeak};

/// One engine per [`Profile`]: code compiled for one cannot run in another.
pub(crate) struct Engines {
    engines: [Engine; 4],
}

impl Engines {
    /// Makes the engines and starts their ticker, which ends when the last user of them is gone.
    pub(crate) fn new(config: &SandboxConfig) -> Result<Self, Error> {
        let make = |profile| Engine::new(&config.engine(profile)).map_err(Error::engine);
        let [small, image, activity, concurrent] = Profile::ALL;
        let engines = [
            make(small)?,
            make(image)?,
            make(activity)?,
            make(concurrent)?,
        ];
        let weak = engines.iter().map(Engine::weak).collect();
        let tick = config.epoch_tick;
        thread::Builder::new()
            .name("sandglass-epoch".into())
            .spawn(move || count_epochs(weak, tick))
            .map_err(|error| Error::Engine(format!("start the epoch thread: {error}")))?;
        Ok(Self { engines })
    }

    pub(crate) fn get(&self, profile: Profile) -> &Engine {
        &self.engines[profile as usize]
    }
}

#[expect(clippy::needless_pass_by_value, reason = "the thread owns its list")]
fn count_epochs(engines: Vec<EngineWeak>, tick: Duration) {
    loop {
        thread::sleep(tick);
        let mut alive = false;
        for engine in engines.iter().filter_map(EngineWeak::upgrade) {
            engine.increment_epoch();
            alive = true;
        }
        if !alive {
            return;
        }
    }
}
