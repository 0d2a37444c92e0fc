//! What one run does to another: rows of the outbox, stored with the frame that caused them.
//!
//! An effect is named by its source run and event. Applying it twice must do no more than applying
//! it once; whoever applies it deletes the row in the commit that records the result.
//! Persisted: append variants, never reorder.

use crate::{
    ChildCall, ChildClose, Digest, Input, Origin, ParentClosePolicy, Reset, Signal, Target,
};
use serde::{Deserialize, Serialize};

/// One effect on another run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Effect {
    /// Start a child; the source is told by `ChildStarted` or `ChildStartFailed`.
    StartChild {
        /// The source, with the initiated event.
        parent: Origin,
        /// The child's workflow id.
        workflow_id: String,
        /// What to start.
        call: Box<ChildCall>,
        /// The component of the source, in which the child's type is looked for first.
        digest: Digest,
    },
    /// Ask another run to end; the source is told by `ExternalResolved`.
    Cancel {
        /// The source, with the initiated event.
        source: Origin,
        /// Whom.
        target: Target,
        /// Whether only a child of the source is meant.
        child_only: bool,
        /// Why.
        reason: String,
    },
    /// Send another run a message; the source is told by `ExternalResolved`.
    Signal {
        /// The source, with the initiated event.
        source: Origin,
        /// Whom.
        target: Target,
        /// The message.
        signal: Signal,
    },
    /// Tell the parent that its child has ended.
    ChildClosed {
        /// The parent, with the event that initiated the child.
        parent: Origin,
        /// The child's run.
        run_id: String,
        /// How it ended.
        close: ChildClose,
    },
    /// A child's parent has closed.
    ParentClosed {
        /// The parent, with the event that initiated the child.
        parent: Origin,
        /// The child's workflow id.
        workflow_id: String,
        /// What is to become of the child.
        policy: ParentClosePolicy,
    },
    /// Start the run that begins with a part of another one's history.
    StartReset {
        /// Their workflow id.
        workflow_id: String,
        /// What is made of what.
        reset: Box<Reset>,
    },
    /// Give the source itself an input that was acknowledged while a workflow task was running.
    Deliver {
        /// The source's workflow id.
        workflow_id: String,
        /// The input.
        input: Box<Input>,
    },
}

impl Effect {
    /// The workflow id of the run that it is applied to. Effects of one source on one target are
    /// applied in the order of their events.
    #[must_use]
    pub fn target(&self) -> &str {
        match self {
            Self::StartChild { workflow_id, .. }
            | Self::ParentClosed { workflow_id, .. }
            | Self::StartReset { workflow_id, .. }
            | Self::Deliver { workflow_id, .. } => workflow_id,
            Self::Cancel { target, .. } | Self::Signal { target, .. } => &target.workflow_id,
            Self::ChildClosed { parent, .. } => &parent.run.workflow_id,
        }
    }
}
