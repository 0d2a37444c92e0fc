//! Interface `async-waits`: each wait is a future that is woken when it may be over.

use crate::{
    bindings::{
        concurrent::sandglass::workflow::async_waits::{Host, HostWithStore, Signal, Update},
        types::{Failure, Payload},
    },
    convert::{failure_out, header, list},
    desk::{Desk, GivenUp, Papers},
    state::GuestState,
};
use sandglass_engine::{
    ActivityCall, Command, Failure as EngineFailure, OperationId, Payload as EnginePayload, ScopeId,
};
use std::{collections::BTreeSet, future::poll_fn, ops::ControlFlow, task::Poll};
use wasmtime::{
    Result,
    component::{Accessor, HasSelf},
};

/// What gives access to the run's state, at each poll.
type Access<T> = Accessor<T, HasSelf<GuestState>>;

/// Waits until there is what is looked for, looking again when an operation has ended, or with each
/// event if none is named.
async fn until<T, R>(
    accessor: &Access<T>,
    operation: Option<OperationId>,
    mut look: impl FnMut(&mut GuestState) -> Result<Option<R>>,
) -> Result<R> {
    let mut place = None;
    poll_fn(|context| {
        accessor.with(|mut access| {
            let state = access.get();
            // Where no task is under way there will never be an event.
            let found = state.task().map(drop).and_then(|()| look(state));
            match found.transpose() {
                Some(found) => Poll::Ready(found),
                None => {
                    let place = place.get_or_insert_with(|| state.desk().place(operation));
                    place.wait(context.waker().clone());
                    Poll::Pending
                }
            }
        })
    })
    .await
}

/// What a call of the guest has begun, which is ended if the guest gives the call up.
struct Begun {
    desk: Desk,
    ending: Option<GivenUp>,
    /// Bytes of values that the call takes.
    held: usize,
}

impl Drop for Begun {
    /// The store is not at hand here.
    fn drop(&mut self) {
        let mut papers = self.desk.lock();
        papers.values_bytes -= self.held;
        papers.given_up.extend(self.ending.take());
    }
}

/// Runs an activity of a typed import, and waits until it has ended.
///
/// # Errors
/// The call is refused by the rules. The inner failure is that of the activity.
pub(crate) async fn run_activity(
    accessor: &Access<GuestState>,
    call: ActivityCall,
    held: usize,
) -> Result<std::result::Result<EnginePayload, EngineFailure>> {
    let (begun, desk) = accessor.with(|mut access| {
        let state = access.get();
        Ok::<_, wasmtime::Error>((state.begin_activity(call)?, state.desk()))
    })?;
    let operation = match begun {
        Ok(operation) => operation,
        Err(failure) => return Ok(Err(failure)),
    };
    desk.lock().values_bytes += held;
    let mut begun = Begun {
        desk,
        ending: Some(GivenUp::Activity(operation)),
        held,
    };
    let outcome = until(accessor, Some(operation), |state| {
        Ok(state.desk().lock().take(operation))
    })
    .await;
    begun.ending = None;
    Ok(outcome?.map(|result| result.unwrap_or_else(EnginePayload::null)))
}

/// Waits in a scope until something is on the desk.
async fn until_there_in<T, R>(
    accessor: &Access<T>,
    parent: u32,
    label: String,
    look: impl Fn(&mut Papers) -> Option<R>,
) -> Result<Result<R, Failure>> {
    let (begun, desk) = accessor.with(|mut access| {
        let state = access.get();
        Ok::<_, wasmtime::Error>((state.begin_wait(parent, label, &look)?, state.desk()))
    })?;
    let wait = match begun {
        ControlFlow::Continue(wait) => wait,
        ControlFlow::Break(answer) => return Ok(answer),
    };
    let mut open = Begun {
        desk,
        ending: Some(GivenUp::Wait(wait)),
        held: 0,
    };
    let found = until(accessor, None, |state| {
        let desk = state.desk();
        let mut papers = desk.lock();
        if let Some(Err(canceled)) = papers.take(wait) {
            return Ok(Some(Err(canceled)));
        }
        let Some(found) = look(&mut papers) else {
            return Ok(None);
        };
        papers.open.remove(&wait);
        drop(papers);
        state.command(Command::CloseWait { wait })?;
        Ok(Some(Ok(found)))
    })
    .await;
    open.ending = None;
    Ok(found?.map_err(failure_out))
}

impl<T: Send> HostWithStore<T> for HasSelf<GuestState> {
    async fn wait(accessor: &Access<T>, ended: u64) -> Result<Result<Option<Payload>, Failure>> {
        let operation = OperationId(ended);
        let outcome = until(accessor, Some(operation), |state| {
            let desk = state.desk();
            let mut papers = desk.lock();
            papers.awaited(operation)?;
            Ok(papers.take(operation))
        })
        .await?;
        Ok(outcome
            .map(|result| result.map(Into::into))
            .map_err(failure_out))
    }

    async fn wait_start(accessor: &Access<T>, child: u64) -> Result<Option<String>> {
        let child = OperationId(child);
        let of_it = BTreeSet::from([child]);
        until(accessor, None, |state| {
            let desk = state.desk();
            let mut papers = desk.lock();
            papers.awaited(child)?;
            Ok(match papers.started.remove(&child) {
                Some(run_id) => Some(Some(run_id)),
                None => papers.first(&of_it).map(|_| None),
            })
        })
        .await
    }

    async fn next_signal(
        accessor: &Access<T>,
        parent: u32,
        name: String,
    ) -> Result<Result<Signal, Failure>> {
        let label = format!("signal {name}");
        let found = until_there_in(accessor, parent, label, |papers| papers.signal(&name)).await?;
        Ok(found.map(Into::into))
    }

    async fn next_update(accessor: &Access<T>, parent: u32) -> Result<Result<Update, Failure>> {
        let take = |papers: &mut Papers| papers.updates.pop_front();
        let found = until_there_in(accessor, parent, "update".into(), take).await?;
        Ok(found.map(Into::into))
    }

    async fn wait_canceled(accessor: &Access<T>, of: u32) -> Result<()> {
        until(accessor, None, |state| {
            let info = state.task()?.cancel_info(ScopeId(of))?;
            Ok(info.map(|_| ()))
        })
        .await
    }
}

impl Host for GuestState {
    fn try_signal(&mut self, name: String) -> Result<Option<Signal>> {
        Ok(self.take_signal(&name)?.map(Into::into))
    }

    fn handle_updates(&mut self, names: Vec<String>) -> Result<()> {
        self.handle(names)
    }

    fn call_in(&mut self, parent: u32) -> Result<()> {
        self.call_from(parent)
    }

    fn answer_queries(&mut self, name: String, answer: Payload) -> Result<()> {
        self.answer_with(name, answer)
    }
}

impl From<sandglass_engine::Signal> for Signal {
    fn from(signal: sandglass_engine::Signal) -> Self {
        Self {
            arguments: list(signal.arguments),
            requester: signal.identity,
        }
    }
}

impl From<sandglass_engine::Update> for Update {
    fn from(update: sandglass_engine::Update) -> Self {
        Self {
            id: update.id,
            name: update.name,
            arguments: list(update.arguments),
            header: header(update.header),
            requester: update.identity,
        }
    }
}
