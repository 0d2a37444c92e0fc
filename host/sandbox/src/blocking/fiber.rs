//! One run's code on its fiber.

use crate::{
    bindings::blocking::BlockingWorkflow,
    convert::{failure_in, list},
    desk::Desk,
    state::GuestState,
    trap,
    typed::TypedExport,
    wasi::Birth,
    workflows::Workflows,
};
use sandglass_engine::{
    Command, Failure, GuestEvent, Outcome, Payload, Query, Task, TaskFailure, Update,
};
use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker},
    time::Duration,
};
use wasmtime::{Result, Store, component::Instance};

/// Touched parts of a stack, counted for each.
const STACK_BYTES: usize = 16 << 10;

/// The call of the workflow function, with the store that it runs in and what it returns.
type Call = Pin<Box<dyn Future<Output = (Store<GuestState>, Result<Outcome>)> + Send>>;

/// The run has ended within a call that does not return to the code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the run has ended")]
pub(crate) struct RunEnded;

/// A run of a blocking workflow in memory.
pub(crate) struct Fiber {
    desk: Desk,
    code: Code,
    /// How long the workflow task under way may still take.
    left: Option<Duration>,
}

enum Code {
    /// The run's start has not come yet.
    Before(Box<Store<GuestState>>, Arc<Workflows>),
    /// It runs, or rests.
    Begun(Call),
    /// It has returned or trapped.
    Over,
}

impl Fiber {
    pub(crate) fn new(mut store: Store<GuestState>, code: Arc<Workflows>) -> Self {
        let desk = Desk::default();
        store.data_mut().desk = Some(desk.clone());
        Self {
            desk,
            code: Code::Before(Box::new(store), code),
            left: None,
        }
    }

    pub(crate) fn bound(&mut self, left: Duration) {
        self.left = Some(left);
    }

    pub(crate) fn resident_bytes(&self) -> usize {
        STACK_BYTES + self.desk.resident_bytes()
    }

    /// The code is not entered: it has said before what the answer is.
    pub(crate) fn query(&self, query: &Query) -> std::result::Result<Payload, Failure> {
        self.desk.answer(&query.name)
    }

    /// As [`Self::query`].
    pub(crate) fn validate_update(&self, update: &Update) -> std::result::Result<(), Failure> {
        self.desk.handles(&update.name)
    }

    pub(crate) fn deliver(
        &mut self,
        event: GuestEvent,
        task: Box<Task>,
    ) -> (Box<Task>, std::result::Result<(), TaskFailure>) {
        match event {
            GuestEvent::Initialize {
                workflow_type,
                arguments,
            } => self.begin(&task, workflow_type, arguments),
            other => self.desk.put(other),
        }
        match &mut self.code {
            Code::Begun(_) => self.go_on(task),
            // What comes before the start is found there.
            Code::Before(..) | Code::Over => (task, Ok(())),
        }
    }

    fn begin(&mut self, task: &Task, workflow_type: String, arguments: Vec<Payload>) {
        let birth = Birth::of(task);
        let Code::Before(store, code) = std::mem::replace(&mut self.code, Code::Over) else {
            unreachable!("a run starts once");
        };
        self.code = Code::Begun(Box::pin(async move {
            let mut store = *store;
            let returned = run(&mut store, &code, birth, &workflow_type, arguments).await;
            (store, returned)
        }));
    }

    /// Lets the code run until it rests or returns.
    fn go_on(&mut self, task: Box<Task>) -> (Box<Task>, std::result::Result<(), TaskFailure>) {
        let Code::Begun(call) = &mut self.code else {
            unreachable!("the caller has looked");
        };
        self.desk.lock().go_on = Some((task, self.left));
        // Nobody wakes it: it is asked again with the next event.
        let (mut store, returned) =
            match call.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
                Poll::Ready(ended) => ended,
                Poll::Pending => {
                    let task = self.desk.lock().rests.take();
                    return (task.expect("code that rests has left its task"), Ok(()));
                }
            };
        self.code = Code::Over;
        let state = store.data_mut();
        let ended = match returned {
            Ok(outcome) => state.command(Command::Complete { outcome }).map(drop),
            Err(error) if error.downcast_ref::<RunEnded>().is_some() => Ok(()),
            Err(error) => Err(error),
        };
        // One that trapped while it was started has not taken its task.
        let untaken = self.desk.lock().go_on.take();
        let (task, last_error) = match untaken {
            Some((task, _)) => (task, state.last_error().map(str::to_owned)),
            None => state.leave(),
        };
        let ended = ended.map_err(|error| trap::task_failure(&error, last_error.as_deref()));
        (task, ended)
    }
}

/// Runs the workflow function. What it returns ends the run, unless it was ended before.
async fn run(
    store: &mut Store<GuestState>,
    code: &Workflows,
    birth: Birth,
    workflow_type: &str,
    arguments: Vec<Payload>,
) -> Result<Outcome> {
    let instance = start(store, code, birth).await?;
    let state = store.data_mut();
    let desk = state.desk.clone().expect("a fiber has a desk");
    let (task, left) = desk.lock().go_on.take().expect("it begins with a task");
    if let Some(left) = left {
        state.watch.bound(left);
    }
    state.enter(task);
    store.set_epoch_deadline(1);
    if let Some(function) = code.typed.get(workflow_type) {
        desk.lock().values_bytes = TypedExport::values_bytes(&arguments);
        let returned = function.call(store, &instance, &arguments).await?;
        return Ok(match returned {
            Ok(result) => Outcome::Completed(result),
            Err(failure) => Outcome::Failed(failure),
        });
    }
    let guest = BlockingWorkflow::new(&mut *store, &instance)?;
    let exports = guest.sandglass_workflow_blocking_guest();
    let arguments = list(arguments);
    let returned = exports.call_run(store, workflow_type, &arguments).await?;
    Ok(match returned {
        Ok(result) => Outcome::Completed(result.into()),
        Err(failure) => Outcome::Failed(failure_in(failure)?),
    })
}

/// Runs the guest's start functions.
async fn start(store: &mut Store<GuestState>, code: &Workflows, birth: Birth) -> Result<Instance> {
    store.data_mut().be_born(birth);
    store.data_mut().watch.begin()?;
    store.set_epoch_deadline(1);
    let instance = code.pre.instantiate_async(&mut *store).await?;
    store.data_mut().end_lines();
    Ok(instance)
}

/// Asks a throw-away instance for its workflow types.
///
/// # Errors
/// It trapped or overran its time.
pub(crate) fn definitions(
    mut store: Store<GuestState>,
    code: &Workflows,
) -> std::result::Result<Vec<String>, TaskFailure> {
    let typed = code.typed.names();
    if !code.has_guest {
        return Ok(typed.collect());
    }
    store.data_mut().desk = Some(Desk::default());
    let asked = async {
        let instance = start(&mut store, code, Birth::default()).await?;
        let guest = BlockingWorkflow::new(&mut store, &instance)?;
        let exports = guest.sandglass_workflow_blocking_guest();
        exports.call_definitions(&mut store).await
    };
    let mut asked = Box::pin(asked);
    let Poll::Ready(definitions) = asked.as_mut().poll(&mut Context::from_waker(Waker::noop()))
    else {
        unreachable!("what would rest without a task traps");
    };
    drop(asked);
    let last_error = store.data().last_error();
    let definitions = definitions.map_err(|error| trap::task_failure(&error, last_error))?;
    Ok(typed
        .chain(definitions.into_iter().map(|of| of.name))
        .collect())
}
