//! Attempts that wait to be told how to end, so that a test decides the order of everything.

use crate::PATIENCE;
use sandglass::ActivityContext;
use sandglass_engine::{EventId, Failure, Payload};
use std::{collections::BTreeMap, fmt};
use tokio::sync::{oneshot, watch};

/// How an attempt ends.
#[derive(Debug, Clone)]
pub enum Ending {
    /// It does what it always does.
    Go,
    /// With this.
    Report(Result<Payload, Failure>),
    /// It accepts cancellation, with these details.
    Cancel(Vec<Payload>),
}

struct Live {
    context: ActivityContext,
    end: oneshot::Sender<Ending>,
}

/// The attempts of one host that wait, by run id and the event that scheduled each.
#[derive(Default)]
pub struct Gate(watch::Sender<BTreeMap<(String, EventId), Live>>);

impl fmt::Debug for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.borrow().keys()).finish()
    }
}

impl Gate {
    /// Waits in an attempt until it is told how to end. `None`: nobody will tell it any more.
    pub async fn wait(&self, context: &ActivityContext) -> Option<Ending> {
        let (end, told) = oneshot::channel();
        let context = context.clone();
        let info = context.info();
        let key = (info.run_id.clone(), info.scheduled_event_id);
        self.0.send_modify(|live| {
            live.insert(key, Live { context, end });
        });
        told.await.ok()
    }

    /// Waits until an attempt of an activity is there.
    ///
    /// # Panics
    /// If it does not begin.
    pub async fn begun(&self, run_id: &str, id: EventId) {
        let key = (run_id.to_owned(), id);
        let mut live = self.0.subscribe();
        // Only whether: what is waited for is locked while it is looked at.
        let begun = async { live.wait_for(|live| live.contains_key(&key)).await.is_ok() };
        if !matches!(tokio::time::timeout(PATIENCE, begun).await, Ok(true)) {
            panic!("no attempt of activity {id} began; there are {self:?}");
        }
    }

    /// Tells the attempt of an activity how to end, if one is there.
    pub fn end(&self, run_id: &str, id: EventId, ending: Ending) {
        let key = (run_id.to_owned(), id);
        let mut found = None;
        self.0.send_modify(|live| found = live.remove(&key));
        if let Some(attempt) = found {
            // It may have been killed meanwhile; then the test sees what became of it.
            let _gone = attempt.end.send(ending);
        }
    }

    /// All attempts that wait give a sign of life.
    pub fn beat(&self) {
        let contexts: Vec<ActivityContext> = self
            .0
            .borrow()
            .values()
            .map(|live| live.context.clone())
            .collect();
        for context in contexts {
            let _state = context.heartbeat(context.info().heartbeat_details.clone());
        }
    }

    /// Forgets all attempts: they, and the host, stop waiting for each other.
    pub fn clear(&self) {
        self.0.send_modify(BTreeMap::clear);
    }
}
