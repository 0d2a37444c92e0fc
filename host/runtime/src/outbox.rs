//! What runs do to other runs: rows of the outbox, applied after the commit that wrote them.
//!
//! Effects of one source on one target are applied in order, one after the other; all others side
//! by side. An effect is applied until its row is deleted, in the commit that records its result,
//! and applying it again does nothing more; so a crash at any moment neither loses nor doubles it.

mod apply;

use crate::{clock::lock, error::Error, host::Inner, keep};
use sandglass_engine::{Effect, EventId, decode};
use sandglass_store::{Place, RunKey, Write};
use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::sync::oneshot;

/// The wait before an effect that could not be applied is tried again: the store failed it. Real
/// time, as it is a matter of the world and not of workflows.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// Whom effects come from and where they go.
type Lane = (RunKey, String);

/// Effects that are stored and not yet applied.
#[derive(Default)]
pub(crate) struct Outbox {
    /// Those that wait, by lane. A lane that is there has a task that empties it.
    lanes: Mutex<HashMap<Lane, VecDeque<(EventId, Effect)>>>,
}

impl Outbox {
    /// Whether nothing is to be applied.
    pub(crate) fn is_empty(&self) -> bool {
        lock(&self.lanes).is_empty()
    }

    /// Whether an effect of this run is not applied yet.
    pub(crate) fn has_from(&self, source: RunKey) -> bool {
        lock(&self.lanes).keys().any(|(from, _)| *from == source)
    }

    /// Takes a committed effect and applies it when those before it in its lane are done.
    pub(crate) fn offer(
        &self,
        host: &Arc<Inner>,
        source: RunKey,
        event_id: EventId,
        effect: Effect,
    ) {
        let lane = (source, effect.target().to_owned());
        let mut lanes = lock(&self.lanes);
        let waiting = lanes.entry(lane.clone()).or_default();
        if waiting.iter().any(|(known, _)| *known == event_id) {
            // The same effect, which a step that was lost has asked for again.
            return;
        }
        waiting.push_back((event_id, effect));
        if waiting.len() == 1 {
            let host = Arc::clone(host);
            spawn(host, lane);
        }
    }

    /// The effect whose turn it is; without one the lane is gone.
    fn front(&self, lane: &Lane) -> Option<(EventId, Effect)> {
        lock(&self.lanes).get(lane)?.front().cloned()
    }

    /// The front effect is done.
    fn pop(&self, lane: &Lane) {
        let mut lanes = lock(&self.lanes);
        if let Some(waiting) = lanes.get_mut(lane) {
            waiting.pop_front();
            if waiting.is_empty() {
                lanes.remove(lane);
            }
        }
    }
}

fn spawn(host: Arc<Inner>, lane: Lane) {
    let tokio = host.tokio.clone();
    tokio.spawn(async move {
        while let Some((event_id, effect)) = host.outbox.front(&lane) {
            match apply::apply(&host, lane.0, event_id, effect).await {
                Ok(()) => {
                    host.outbox.pop(&lane);
                    host.attempt_ended();
                }
                // The next host applies it.
                Err(_) if host.is_stopping() => return,
                Err(error) => {
                    let target = lane.1.as_str();
                    let what = "a run cannot be reached; it is tried again";
                    tracing::error!(target, %event_id, %error, "{what}");
                    tokio::time::sleep(RETRY_AFTER).await;
                }
            }
        }
    });
}

/// Takes up what the last host has not applied.
pub(crate) fn recover(host: &Arc<Inner>) -> Result<(), Error> {
    let (file, rows) = host.read(|reader| Ok((reader.file().to_owned(), reader.outbox()?)))?;
    let mut effects: Vec<(RunKey, EventId, Effect)> = Vec::new();
    for row in rows {
        match decode(&row.body) {
            Ok(effect) => effects.push((row.source, row.source_event_id, effect)),
            // It stays in the store as it is; the others are applied.
            Err(error) => {
                let place = Place {
                    table: "outbox",
                    run: Some(row.source),
                    row: Some(row.source_event_id.0),
                };
                let error = Error::undecodable(&file, "", place, &error);
                tracing::error!(%error, "an effect on another run cannot be applied");
            }
        }
    }
    // First, so that no other effect takes a run that is being reset for one that has gone.
    for (_, _, effect) in &effects {
        host.keep_for_reset(effect);
    }
    for (source, event_id, effect) in effects {
        if let Some(cell) = host.open_run(source) {
            keep::recall(host, &cell, event_id, &effect);
        }
        host.outbox.offer(host, source, event_id, effect);
    }
    Ok(())
}

/// Deletes the row of an effect that has no result to record.
async fn discard(host: &Arc<Inner>, source: RunKey, event_id: EventId) -> Result<(), Error> {
    let (sender, receiver) = oneshot::channel();
    host.writer.run_job(Box::new(move |store| {
        let mut write = Write::new(source);
        write.outbox_deleted.push((source, event_id));
        let stored = store.commit(&[write]);
        let stored = stored.and_then(|answers| answers.into_iter().collect::<Result<(), _>>());
        // Whoever asked may have gone away.
        drop(sender.send(stored));
    }));
    Ok(receiver.await.map_err(|_| Error::ShutDown)??)
}
