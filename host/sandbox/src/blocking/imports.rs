//! Interface `blocking`: rests until something has come.

use crate::{
    bindings::{
        blocking::sandglass::workflow::blocking::{Host, Signal, Update},
        types::{Failure, Payload},
    },
    convert::{failure_out, header, list},
    desk::Papers,
    state::GuestState,
    trap::BadCall,
};
use sandglass_engine::{
    ActivityCall, Command, Failure as EngineFailure, OperationId, Payload as EnginePayload, ScopeId,
};
use std::{collections::BTreeSet, future::poll_fn, ops::ControlFlow, task::Poll};
use wasmtime::Result;

impl GuestState {
    /// Counts bytes of the host that a call takes while the guest rests in it.
    pub(crate) fn hold(&mut self, bytes: usize) {
        self.desk().lock().values_bytes += bytes;
    }

    /// The call has returned.
    pub(crate) fn let_go(&mut self, bytes: usize) {
        self.desk().lock().values_bytes -= bytes;
    }

    /// Rests until the next event, unless there is what is looked for.
    async fn until<T>(&mut self, look: impl FnMut(&mut Self) -> Result<Option<T>>) -> Result<T> {
        let mut look = look;
        loop {
            if let Some(found) = look(self)? {
                return Ok(found);
            }
            self.rest().await?;
        }
    }

    /// [`Self::until`] something is on the desk.
    async fn until_there<T>(&mut self, look: impl Fn(&mut Papers) -> Option<T>) -> Result<T> {
        self.until(|state| Ok(look(&mut state.desk().lock()))).await
    }

    /// Gives the task back, and goes on with the next one that comes.
    async fn rest(&mut self) -> Result<()> {
        // Where no task is under way there will never be an event.
        self.task()?;
        let desk = self.desk();
        let (task, _) = self.leave();
        {
            let mut papers = desk.lock();
            papers.rests = Some(task);
            papers.resident_bytes = self.limits.resident_bytes();
        }
        let gone_on = poll_fn(|_| match desk.lock().go_on.take() {
            Some(task) => Poll::Ready(task),
            None => Poll::Pending,
        });
        let (task, left) = gone_on.await;
        if let Some(left) = left {
            self.watch.bound(left);
        }
        self.enter(task);
        Ok(self.watch.begin()?)
    }

    /// Runs an activity of a typed import, and rests until it has ended.
    ///
    /// # Errors
    /// The call is refused by the rules. The inner failure is that of the activity.
    pub(crate) async fn run_activity(
        &mut self,
        call: ActivityCall,
    ) -> Result<std::result::Result<EnginePayload, EngineFailure>> {
        let operation = match self.begin_activity(call)? {
            Ok(operation) => operation,
            Err(failure) => return Ok(Err(failure)),
        };
        let outcome = self.until_there(|papers| papers.take(operation)).await?;
        Ok(outcome.map(|result| result.unwrap_or_else(EnginePayload::null)))
    }

    /// Checks that the outcome of an operation can come, or be there.
    fn awaited(&mut self, operation: u64) -> Result<OperationId> {
        let operation = OperationId(operation);
        self.desk().lock().awaited(operation)?;
        Ok(operation)
    }

    /// Rests in a scope until something is on the desk.
    async fn until_there_in<T>(
        &mut self,
        parent: u32,
        label: String,
        look: impl Fn(&mut Papers) -> Option<T>,
    ) -> Result<Result<T, Failure>> {
        let wait = match self.begin_wait(parent, label, &look)? {
            ControlFlow::Continue(wait) => wait,
            ControlFlow::Break(answer) => return Ok(answer),
        };
        let found = self
            .until_there(|papers| match papers.take(wait) {
                Some(Err(canceled)) => Some(Err(canceled)),
                _ => look(papers).map(Ok),
            })
            .await?;
        if found.is_ok() {
            self.command(Command::CloseWait { wait })?;
            self.desk().lock().open.remove(&wait);
        }
        Ok(found.map_err(failure_out))
    }
}

impl Host for GuestState {
    async fn wait(&mut self, ended: u64) -> Result<Result<Option<Payload>, Failure>> {
        let operation = self.awaited(ended)?;
        let outcome = self.until_there(|papers| papers.take(operation)).await?;
        Ok(outcome
            .map(|result| result.map(Into::into))
            .map_err(failure_out))
    }

    async fn wait_any(&mut self, of: Vec<u64>) -> Result<u64> {
        let awaited = of.into_iter().map(|operation| self.awaited(operation));
        let awaited: BTreeSet<_> = awaited.collect::<Result<_>>()?;
        if awaited.is_empty() {
            let message = "none of no operations will ever end";
            return Err(BadCall::new("BadWait", message).into());
        }
        let first = self.until_there(|papers| papers.first(&awaited)).await?;
        Ok(first.0)
    }

    async fn wait_start(&mut self, child: u64) -> Result<Option<String>> {
        let child = self.awaited(child)?;
        let of_it = BTreeSet::from([child]);
        self.until_there(|papers| match papers.started.remove(&child) {
            Some(run_id) => Some(Some(run_id)),
            None => papers.first(&of_it).map(|_| None),
        })
        .await
    }

    async fn next_signal(&mut self, parent: u32, name: String) -> Result<Result<Signal, Failure>> {
        let label = format!("signal {name}");
        let found = self
            .until_there_in(parent, label, |papers| papers.signal(&name))
            .await?;
        Ok(found.map(Into::into))
    }

    fn try_signal(&mut self, name: String) -> Result<Option<Signal>> {
        Ok(self.take_signal(&name)?.map(Into::into))
    }

    fn handle_updates(&mut self, names: Vec<String>) -> Result<()> {
        self.handle(names)
    }

    async fn next_update(&mut self, parent: u32) -> Result<Result<Update, Failure>> {
        let take = |papers: &mut Papers| papers.updates.pop_front();
        let found = self.until_there_in(parent, "update".into(), take).await?;
        Ok(found.map(Into::into))
    }

    async fn wait_canceled(&mut self, of: u32) -> Result<()> {
        let is_canceled = |state: &mut Self| {
            let info = state.task()?.cancel_info(ScopeId(of))?;
            Ok(info.map(|_| ()))
        };
        self.until(is_canceled).await
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
