//! Tasks: futures that are polled on their own.
//!
//! They run one at a time, in the order in which they were woken, so that a replay runs them in the
//! same order.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

use sandglass_guest_bindings::workflow::sandglass::workflow::types;

use crate::Failure;

use super::{Operation, assert_active, conditions, current_scope, enter, with};

type TaskId = u64;

/// The tasks of a run.
#[derive(Default)]
pub(crate) struct Tasks {
    all: RefCell<BTreeMap<TaskId, Task>>,
    next: Cell<TaskId>,
    ready: Arc<Ready>,
}

struct Task {
    scope: types::Scope,
    /// Absent while it is being polled.
    future: Option<Pin<Box<dyn Future<Output = ()>>>>,
    waker: Arc<TaskWaker>,
}

/// Tasks to poll, in the order in which they were woken.
///
/// A mutex only because wakers must be `Sync`; there is no second thread.
#[derive(Default)]
struct Ready(Mutex<VecDeque<TaskId>>);

impl Ready {
    fn push(&self, id: TaskId) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push_back(id);
    }

    fn pop(&self) -> Option<TaskId> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .pop_front()
    }
}

struct TaskWaker {
    id: TaskId,
    /// Whether it is among the ready ones already.
    queued: AtomicBool,
    ready: Arc<Ready>,
}

impl Wake for TaskWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if !self.queued.swap(true, Ordering::Relaxed) {
            self.ready.push(self.id);
        }
    }
}

/// Adds a task that runs in a scope. It is polled first when those woken before it have been.
pub(super) fn spawn_in(scope: types::Scope, future: impl Future<Output = ()> + 'static) -> TaskId {
    with(|run| {
        let tasks = &run.tasks;
        let id = tasks.next.replace(tasks.next.get() + 1);
        let ready = Arc::clone(&tasks.ready);
        let waker = Arc::new(TaskWaker {
            id,
            queued: AtomicBool::new(false),
            ready,
        });
        waker.wake_by_ref();
        let task = Task {
            scope,
            future: Some(Box::pin(future)),
            waker,
        };
        tasks.all.borrow_mut().insert(id, task);
        id
    })
}

/// Polls tasks until nobody is woken, or the run has ended.
pub(super) fn drain() {
    conditions::note_event();
    loop {
        while let Some(id) = with(|run| run.tasks.ready.pop()) {
            poll(id);
            if with(|run| run.completed.get()) {
                drop_all();
                return;
            }
        }
        if !conditions::wake_changed() {
            return;
        }
    }
}

fn poll(id: TaskId) {
    let taken = with(|run| {
        let mut all = run.tasks.all.borrow_mut();
        let task = all.get_mut(&id)?;
        task.waker.queued.store(false, Ordering::Relaxed);
        Some((
            task.future.take()?,
            task.scope,
            Waker::from(Arc::clone(&task.waker)),
        ))
    });
    let Some((mut future, scope, waker)) = taken else {
        return;
    };
    let mut context = Context::from_waker(&waker);
    enter(scope, || {
        if future.as_mut().poll(&mut context).is_ready() {
            drop(with(|run| run.tasks.all.borrow_mut().remove(&id)));
            return;
        }
        let aborted = with(|run| match run.tasks.all.borrow_mut().get_mut(&id) {
            Some(task) => {
                task.future = Some(future);
                None
            }
            None => Some(future),
        });
        drop(aborted);
    });
}

/// Stops a task, unless it has ended.
fn abort(id: TaskId) {
    let task = with(|run| run.tasks.all.borrow_mut().remove(&id));
    if let Some(task) = task {
        enter(task.scope, || drop(task.future));
    }
}

/// Drops what is left when the run has ended.
fn drop_all() {
    let all = with(|run| std::mem::take(&mut *run.tasks.all.borrow_mut()));
    for (_, task) in all {
        enter(task.scope, || drop(task.future));
    }
}

/// Runs a future as a task of its own, in the current scope, and returns at once.
///
/// The task begins after the code that runs now is suspended. It ends with the workflow at the
/// latest. In a scope that closes before it ends, what it starts is canceled.
///
/// A replay runs tasks in the same order. The cancellation of its scope reaches the task where it
/// awaits something.
///
/// # Panics
///
/// Outside a workflow.
pub fn spawn<F>(future: F) -> JoinHandle<F::Output>
where
    F: Future + 'static,
    F::Output: 'static,
{
    assert_active("spawn");
    let shared = Rc::new(Shared {
        result: RefCell::new(None),
        waker: RefCell::new(None),
    });
    let finish = Finish(Rc::clone(&shared));
    let task = spawn_in(current_scope(), async move {
        let value = future.await;
        *finish.0.result.borrow_mut() = Some(Ok(value));
    });
    JoinHandle {
        task,
        shared,
        wait: None,
    }
}

/// What a task and its handle have in common.
struct Shared<T> {
    result: RefCell<Option<Result<T, Failure>>>,
    waker: RefCell<Option<Waker>>,
}

/// Tells the handle that the task is gone, also if it was aborted.
struct Finish<T>(Rc<Shared<T>>);

impl<T> Drop for Finish<T> {
    fn drop(&mut self) {
        let mut result = self.0.result.borrow_mut();
        if result.is_none() {
            *result = Some(Err(Failure::canceled("the task was aborted")));
        }
        drop(result);
        if let Some(waker) = self.0.waker.take() {
            waker.wake();
        }
    }
}

/// Awaits the value of a task that [`spawn`] started.
///
/// Dropping it leaves the task running. The value is an error if the task was aborted, or if the
/// scope that awaits it is canceled first.
#[must_use = "awaiting a handle tells how the task ended; drop it explicitly to ignore that"]
pub struct JoinHandle<T> {
    task: TaskId,
    shared: Rc<Shared<T>>,
    wait: Option<Operation>,
}

impl<T> JoinHandle<T> {
    /// Stops the task where it is suspended; what it awaits is dropped and thereby canceled.
    pub fn abort(&self) {
        abort(self.task);
    }

    /// Whether the task has ended.
    pub fn is_finished(&self) -> bool {
        self.shared.result.borrow().is_some()
    }
}

impl<T> Future for JoinHandle<T> {
    type Output = Result<T, Failure>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        if let Some(result) = self.shared.result.take() {
            self.wait = None;
            return Poll::Ready(result);
        }
        *self.shared.waker.borrow_mut() = Some(context.waker().clone());
        let this = &mut *self;
        let wait = match &mut this.wait {
            Some(wait) => wait,
            None => this.wait.insert(Operation::wait("task")?),
        };
        match Pin::new(wait).poll(context) {
            Poll::Ready(Err(failure)) => {
                self.wait = None;
                Poll::Ready(Err(failure))
            }
            Poll::Ready(Ok(_)) | Poll::Pending => Poll::Pending,
        }
    }
}

impl<T> fmt::Debug for JoinHandle<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JoinHandle")
            .field("task", &self.task)
            .finish_non_exhaustive()
    }
}
