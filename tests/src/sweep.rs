//! What the sweeps share: how much is swept, how histories are compared, the activities of the
//! swept workflow with a ledger of their effects, and attempts that wait to be told how to end.

mod gate;
pub mod invariants;
mod ledger;
mod lenient;
mod normal;
pub mod prefixes;
pub mod programs;
mod random;
pub mod stage;
pub mod steps;

pub use gate::{Ending, Gate};
pub use ledger::{ACTIVITIES, Ledger, closed};
pub use normal::{normal, without_tasks};
pub use random::Random;

/// Whether everything is swept (`make sweep`), or a sample of it (`make test`).
#[must_use]
pub fn is_full() -> bool {
    std::env::var("SANDGLASS_SWEEP").is_ok_and(|value| value == "full")
}
