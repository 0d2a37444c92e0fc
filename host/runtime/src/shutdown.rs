//! How a host ends: in order, or as in a crash.

use crate::{
    activity,
    clock::lock,
    error::Error,
    host::{Host, Inner},
    owner, task,
};
use sandglass_store::{OwnerLock, Store};
use std::{
    sync::{Arc, Mutex, atomic::Ordering},
    thread::{self, JoinHandle},
    time::Duration,
};
use tokio::{runtime::Runtime, sync::oneshot};

/// How long attempts and workflow tasks may take to end when the host is stopping.
const GRACE: Duration = Duration::from_secs(2);

/// Owns the threads of a host and ends them.
pub(crate) struct Guard {
    inner: Arc<Inner>,
    threads: Mutex<Threads>,
    runtime: Mutex<Option<Runtime>>,
    owner: Mutex<Option<OwnerLock>>,
    answers: Arc<owner::Answers>,
}

#[derive(Default)]
struct Threads {
    pool: Arc<Mutex<Vec<JoinHandle<()>>>>,
    seats: Option<JoinHandle<()>>,
    timers: Option<JoinHandle<()>>,
    writer: Option<JoinHandle<()>>,
}

impl Guard {
    pub(crate) fn new(inner: &Arc<Inner>, runtime: Runtime, owner: Option<OwnerLock>) -> Self {
        Self {
            inner: Arc::clone(inner),
            threads: Mutex::new(Threads::default()),
            runtime: Mutex::new(Some(runtime)),
            owner: Mutex::new(owner),
            answers: Arc::default(),
        }
    }

    /// Starts the threads. Each has its own share of the host and ends when told to.
    pub(crate) fn start(&self, mut store: Box<dyn Store>, workers: usize) -> Result<(), Error> {
        let mut threads = lock(&self.threads);
        let inner = Arc::clone(&self.inner);
        threads.writer = Some(spawn("sandglass-writer", move || {
            inner.writer.run(&inner, store.as_mut());
        })?);
        let inner = Arc::clone(&self.inner);
        threads.timers = Some(spawn("sandglass-timers", move || {
            inner
                .timers
                .watch(|due| inner.fire(due), || inner.quiet.notify_waiters());
        })?);
        for _ in 0..workers {
            add_worker(&self.inner, &threads.pool)?;
        }
        let (inner, pool) = (Arc::clone(&self.inner), Arc::clone(&threads.pool));
        threads.seats = Some(spawn("sandglass-seats", move || {
            inner.pool.look_after(|| match add_worker(&inner, &pool) {
                Ok(()) => true,
                Err(error) => {
                    tracing::warn!(%error, "runs wait for others that take long");
                    false
                }
            });
        })?);
        Ok(())
    }

    /// Answers other processes, if there is a store file that they could have asked for.
    pub(crate) fn listen(&self) -> Result<(), Error> {
        match &*lock(&self.owner) {
            Some(owner) => owner::listen(&self.inner, &owner.owner().socket, &self.answers),
            None => Ok(()),
        }
    }

    /// Ends all threads. What was submitted is still written; nothing new is begun.
    fn halt(&self) {
        let inner = &self.inner;
        inner.stopping.store(true, Ordering::Release);
        inner.dispatch.stop();
        inner.queues.stop();
        inner.pool.stop();
        inner.timers.stop();
        // Workflow tasks that are running are given up; the inputs before them are still stored.
        interrupt_all(inner);
        let mut threads = lock(&self.threads);
        let Threads {
            pool,
            seats,
            timers,
            writer,
        } = std::mem::take(&mut *threads);
        // First the one that adds threads to the pool.
        seats.into_iter().chain(timers).for_each(join);
        let pool = std::mem::take(&mut *lock(&pool));
        pool.into_iter().for_each(join);
        inner.writer.stop();
        writer.into_iter().for_each(join);
        // Whoever still waits for a run hears that the host is gone, whoever asks later too.
        let runs = std::mem::take(&mut *lock(&inner.runs));
        for cell in runs.by_key.into_values() {
            let mails = cell.lock().abandon();
            drop(mails);
            // An attempt that blocks its thread may keep the run for a long time.
            cell.tell_progress(|progress| {
                progress.stopped = true;
                true
            });
        }
        inner.pool.clear();
        if let Some(runtime) = lock(&self.runtime).take() {
            runtime.shutdown_background();
        }
        inner.dispatch.forget_begun();
        if let Some(owner) = lock(&self.owner).take() {
            owner::close(&owner.owner().socket);
        }
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.halt();
    }
}

/// Puts one more thread to work, and lets go of those that have ended.
fn add_worker(inner: &Arc<Inner>, pool: &Mutex<Vec<JoinHandle<()>>>) -> Result<(), Error> {
    let inner = Arc::clone(inner);
    let worker = spawn("sandglass-worker", move || {
        inner.pool.work(|cell| task::step(&inner, cell));
    })?;
    let mut pool = lock(pool);
    pool.retain(|thread| !thread.is_finished());
    pool.push(worker);
    Ok(())
}

fn interrupt_all(inner: &Inner) {
    for cell in inner.open_runs() {
        if let Some(interrupt) = &cell.lock().interrupt {
            interrupt();
        }
    }
}

fn spawn(name: &str, body: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>, Error> {
    thread::Builder::new()
        .name(name.into())
        .spawn(body)
        .map_err(|error| Error::system(format!("start the thread {name}"), error))
}

fn join(thread: JoinHandle<()>) {
    let own = thread.thread().id() == thread::current().id();
    if !own && thread.join().is_err() {
        tracing::error!("a thread of the host panicked");
    }
}

impl Host {
    /// Stops the host in order: begins nothing new, lets workflow tasks and willing attempts end,
    /// stores heartbeat details, and notes that the stop was clean. Attempts that do not end are
    /// made again by the next host.
    ///
    /// # Errors
    /// [`Error::Store`] if the clean stop could not be noted. The host has stopped all the same.
    /// [`Error::ShutDown`] if another clone had stopped it already.
    pub async fn shutdown(self) -> Result<(), Error> {
        let inner = &self.inner;
        // What was begun with other runs is brought to its end, unless it takes long.
        let _applied = with_timeout(inner, self.idle()).await;
        // Paused first: a workflow task that is not begun any more waits for the next host.
        self.pause_workflow_tasks();
        inner.stopping.store(true, Ordering::Release);
        inner.dispatch.stop();
        inner.queues.stop();
        for cell in inner.open_runs() {
            activity::local::stop(&cell.lock());
        }
        inner.dispatch.shut_down();
        let attempts_ended = async {
            loop {
                let notified = inner.quiet.notified();
                tokio::pin!(notified);
                notified.as_mut().enable();
                if inner.attempts_in_flight() == 0 {
                    return;
                }
                notified.await;
            }
        };
        if with_timeout(inner, attempts_ended).await.is_none() {
            tracing::warn!(
                attempts = inner.attempts_in_flight(),
                "attempts did not end in time"
            );
        }
        // What local activities have given is stored.
        task::hosting::end_all(inner);
        inner.timers.stop();
        if with_timeout(inner, inner.idle()).await.is_none() {
            interrupt_all(inner);
            inner.idle().await;
        }
        for cell in inner.open_runs() {
            activity::flush(inner, &cell, &mut cell.lock());
        }
        let (sender, receiver) = oneshot::channel();
        inner.idle().await;
        // What was committed is still answered; a client that does not read is not waited for.
        let _answered = with_timeout(inner, self.guard.answers.given()).await;
        inner.writer.run_job(Box::new(move |store| {
            if let Err(error) = store.checkpoint() {
                tracing::warn!(%error, "checkpoint failed");
            }
            drop(sender.send(store.mark_clean()));
        }));
        let marked = receiver.await;
        self.guard.halt();
        Ok(marked.map_err(|_| Error::ShutDown)??)
    }
}

/// Waits at most the grace, on the host's own runtime: the caller's may have no timers.
async fn with_timeout<T>(inner: &Inner, wait: impl Future<Output = T>) -> Option<T> {
    let (sender, receiver) = oneshot::channel();
    inner.tokio.spawn(async move {
        tokio::time::sleep(GRACE).await;
        // It may be waited for no more.
        let _gone = sender.send(());
    });
    tokio::select! {
        biased;
        value = wait => Some(value),
        _ = receiver => None,
    }
}
