//! What the sandbox allows guests, and the compiler settings that follow from it.
//!
//! Everything that could make a replay differ from the first execution is fixed here.

use std::{path::PathBuf, sync::atomic::AtomicBool, time::Duration};
use wasmtime::{Config, WasmBacktraceDetails};

/// Names our own compiler settings in the file names of the compile cache.
///
/// Wasmtime loads a file that was compiled with other settings for NaNs, so any change to
/// [`SandboxConfig::engine`] must change this.
pub(crate) const SETTINGS_VERSION: &str = "s1";

/// Initial data from which a component is loaded with copy-on-write images: below, copying is
/// cheaper than the memory mappings, of which a process has few.
pub(crate) const IMAGE_DATA_BYTES_MIN: usize = 1 << 20;

/// Host stack that a call needs beside the guest's.
const HOST_STACK_BYTES: usize = 512 << 10;

/// What a guest that computes calls on its own thread at each tick of the epoch. It may wait, so
/// that others get the processor, and returns at once when the flag says that the call is to be
/// ended. Time that it waits is not counted as the guest's.
pub type Pace = fn(interrupted: &AtomicBool);

/// Limits on guests and where compiled components are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SandboxConfig {
    /// Directory for compiled components; `None` compiles at each load. It holds machine code that
    /// is trusted: it is made with mode 0700 and must not be writable by others.
    pub cache_dir: Option<PathBuf>,
    /// Most linear memory of one instance, in bytes. Reaching it traps.
    pub memory_bytes_max: usize,
    /// Most elements of one instance's tables. Reaching it traps.
    pub table_elements_max: usize,
    /// Guest stack in bytes. Overflowing it traps.
    pub stack_bytes: usize,
    /// Longest time for one delivered event. Overrunning it traps.
    pub activation_budget: Duration,
    /// How often running guests are checked for an overrun or an interruption.
    pub epoch_tick: Duration,
}

impl Default for SandboxConfig {
    /// No cache; 256 MiB of memory, 1,000,000 table elements (a C++ or Go program has some ten
    /// thousand), 512 KiB of stack, 2 s for an event, checked each 10 ms.
    fn default() -> Self {
        Self {
            cache_dir: None,
            memory_bytes_max: 256 << 20,
            table_elements_max: 1_000_000,
            stack_bytes: 512 << 10,
            activation_budget: Duration::from_secs(2),
            epoch_tick: Duration::from_millis(10),
        }
    }
}

/// How memory is laid out, which is fixed per engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Profile {
    /// No reserved address space and no mapping of its own: 100,000 instances fit in a process.
    Small,
    /// Initial memory shared copy-on-write, for guests that carry a language's heap.
    Image,
    /// For the attempts of activities, which are few and may compute.
    Activity,
    /// For workflows that await: as `Small`, with component-model async, which makes each call
    /// dearer.
    Concurrent,
}

impl Profile {
    pub(crate) const ALL: [Self; 4] = [Self::Small, Self::Image, Self::Activity, Self::Concurrent];

    /// Those that workflows run in.
    pub(crate) const WORKFLOWS: [Self; 3] = [Self::Small, Self::Image, Self::Concurrent];

    /// The name that [`crate::Inspection`] shows and the compile cache uses.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Small => "small",
            Self::Image => "image",
            Self::Activity => "activity",
            Self::Concurrent => "async",
        }
    }
}

impl SandboxConfig {
    /// The settings of an engine. Those that code depends on are covered by [`SETTINGS_VERSION`].
    pub(crate) fn engine(&self, profile: Profile) -> Config {
        let awaits = profile == Profile::Concurrent;
        let mut config = Config::new();
        config
            .concurrency_support(awaits)
            .wasm_component_model_async(awaits)
            .cranelift_nan_canonicalization(true)
            .relaxed_simd_deterministic(true)
            .wasm_memory64(false)
            .epoch_interruption(true)
            .max_wasm_stack(self.stack_bytes)
            .async_stack_size(self.stack_bytes + HOST_STACK_BYTES)
            .wasm_backtrace_details(WasmBacktraceDetails::Enable);
        if profile == Profile::Small || awaits {
            config
                .memory_reservation(0)
                .memory_guard_size(0)
                .memory_reservation_for_growth(0)
                .guard_before_linear_memory(false)
                .memory_init_cow(false);
            #[cfg(target_os = "linux")]
            config.with_host_memory(std::sync::Arc::new(crate::memory::GuestMemories::new()));
        }
        config
    }

    /// The settings as people may want to see them.
    pub(crate) fn describe(&self, profile: Profile) -> Vec<(&'static str, String)> {
        vec![
            ("profile", profile.name().into()),
            ("settings", SETTINGS_VERSION.into()),
            ("nan", "canonical".into()),
            ("relaxed-simd", "deterministic".into()),
            ("threads", "refused".into()),
            ("memory64", "refused".into()),
            ("memory-bytes-max", self.memory_bytes_max.to_string()),
            ("table-elements-max", self.table_elements_max.to_string()),
            ("stack-bytes", self.stack_bytes.to_string()),
            (
                "activation-budget-ms",
                self.activation_budget.as_millis().to_string(),
            ),
            ("epoch-tick-ms", self.epoch_tick.as_millis().to_string()),
        ]
    }

    /// The activation budget in ticks, at least one.
    pub(crate) fn budget_ticks(&self) -> u64 {
        let tick = self.epoch_tick.as_nanos().max(1);
        u64::try_from(self.activation_budget.as_nanos().div_ceil(tick))
            .unwrap_or(u64::MAX)
            .max(1)
    }
}
