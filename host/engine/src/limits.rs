//! Limits on what one task and one run may ask for. Passing one fails the workflow task.

/// The limits that [`crate::Task`] checks at each call.
///
/// A replay is not checked: what was recorded was within the limits of its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Commands of one workflow task.
    pub commands_per_task: usize,
    /// Payload bytes in the commands of one workflow task.
    pub payload_bytes_per_task: usize,
    /// Timers pending in one run.
    pub pending_timers: usize,
    /// Activities pending in one run.
    pub pending_activities: usize,
    /// Child workflows pending in one run.
    pub pending_children: usize,
    /// Signals to other runs pending in one run.
    pub pending_signals: usize,
    /// Requests to cancel other runs pending in one run.
    pub pending_cancels: usize,
    /// Open scopes and waits of one run.
    pub scopes_and_waits: usize,
}

impl Default for Limits {
    /// 10,000 commands and 4 MiB of payload in a task; 10,000 timers, activities, children,
    /// signals and cancels each and 100,000 scopes and waits in a run. They bound what one frame
    /// and one run can cost the host.
    fn default() -> Self {
        Self {
            commands_per_task: 10_000,
            payload_bytes_per_task: 4 << 20,
            pending_timers: 10_000,
            pending_activities: 10_000,
            pending_children: 10_000,
            pending_signals: 10_000,
            pending_cancels: 10_000,
            scopes_and_waits: 100_000,
        }
    }
}
