//! What an instance may use up. Reaching a limit traps: if `memory.grow` answered -1 instead, a
//! limit that differs between two hosts would change what the guest does.

use wasmtime::{Error, ResourceLimiter, Result};

/// Part of the initial memory that is not counted as resident: toolchains put a stack there that is
/// hardly touched (1 MiB with Rust).
const UNTOUCHED_BYTES_MAX: usize = 2 << 20;
/// Counted for every instance: touched stack, tables and the host's own structures.
const BASE_BYTES: usize = 64 << 10;
/// Core instances in one component; Python's component has 38.
const INSTANCES_MAX: usize = 200;

/// Which limit was reached.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum LimitReached {
    /// The limit on linear memory.
    #[error("the guest wants {wanted} bytes of memory, more than the {max} it may have")]
    Memory { wanted: usize, max: usize },
    /// The limit on tables.
    #[error("the guest wants {wanted} table elements, more than the {max} it may have")]
    Table { wanted: usize, max: usize },
    /// The host itself has no more.
    #[error("the host has no memory left for the guest: {0}")]
    Host(String),
}

/// Counts what one store has.
#[derive(Debug)]
pub(crate) struct Limits {
    memory_bytes_max: usize,
    table_elements_max: usize,
    /// Initial data of the component.
    data_bytes: usize,
    memory_bytes: usize,
    initial_bytes: usize,
    table_elements: usize,
    /// Whether the growth under way exceeds what the guest's own code declares.
    beyond_declared: bool,
}

impl Limits {
    pub(crate) fn new(
        memory_bytes_max: usize,
        table_elements_max: usize,
        data_bytes: usize,
    ) -> Self {
        Self {
            memory_bytes_max,
            table_elements_max,
            data_bytes,
            memory_bytes: 0,
            initial_bytes: 0,
            table_elements: 0,
            beyond_declared: false,
        }
    }

    /// About how much memory the instance holds.
    pub(crate) fn resident_bytes(&self) -> usize {
        let untouched = self.initial_bytes.min(UNTOUCHED_BYTES_MAX);
        BASE_BYTES + (self.memory_bytes - untouched) + self.data_bytes.min(untouched)
    }
}

impl ResourceLimiter for Limits {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> Result<bool> {
        // A guest's own maximum is part of its code and the same everywhere: -1 is right there.
        self.beyond_declared = maximum.is_some_and(|maximum| desired > maximum);
        if self.beyond_declared {
            return Ok(true);
        }
        let wanted = self.memory_bytes.saturating_add(desired - current);
        if wanted > self.memory_bytes_max {
            return Err(LimitReached::Memory {
                wanted,
                max: self.memory_bytes_max,
            }
            .into());
        }
        self.memory_bytes = wanted;
        if current == 0 {
            self.initial_bytes += desired;
        }
        Ok(true)
    }

    fn memory_grow_failed(&mut self, error: Error) -> Result<()> {
        if self.beyond_declared {
            return Ok(());
        }
        Err(LimitReached::Host(error.to_string()).into())
    }

    fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> Result<bool> {
        self.beyond_declared = maximum.is_some_and(|maximum| desired > maximum);
        if self.beyond_declared {
            return Ok(true);
        }
        let wanted = self.table_elements.saturating_add(desired - current);
        if wanted > self.table_elements_max {
            return Err(LimitReached::Table {
                wanted,
                max: self.table_elements_max,
            }
            .into());
        }
        self.table_elements = wanted;
        Ok(true)
    }

    fn table_grow_failed(&mut self, error: Error) -> Result<()> {
        self.memory_grow_failed(error)
    }

    fn instances(&self) -> usize {
        INSTANCES_MAX
    }

    fn tables(&self) -> usize {
        INSTANCES_MAX
    }

    fn memories(&self) -> usize {
        INSTANCES_MAX
    }
}
