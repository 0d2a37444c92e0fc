//! Signals: messages that clients send to a run.

use std::fmt;
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_core::Stream;
use serde::de::DeserializeOwned;

use crate::host::cancellation;
use crate::payload;
use crate::runtime::{self, Operation};
use crate::{Failure, Payload};

/// Returns a receiver of the signals of one name.
///
/// Signals are kept until somebody takes them, also those that came before this call. Two receivers
/// of the same name share them: each signal is taken once.
///
/// A signal's value is its argument; several arguments are a tuple, none is `()`.
///
/// # Panics
///
/// Outside a workflow.
pub fn signals<T: DeserializeOwned>(name: &str) -> Signals<T> {
    runtime::assert_active("signals");
    Signals {
        name: name.to_owned(),
        pending: None,
        value: PhantomData,
    }
}

/// Receives the signals of one name, in the order in which they were recorded. See [`signals`].
///
/// As a `Stream` it never ends by itself; once its scope is canceled each item is the cancellation.
pub struct Signals<T> {
    name: String,
    pending: Option<Pending>,
    value: PhantomData<fn() -> T>,
}

/// A receiver that waits.
struct Pending {
    wait: Operation,
    registered: Registered,
}

/// A waker among those that the next signal wakes.
struct Registered {
    name: String,
    id: u64,
}

impl Drop for Registered {
    fn drop(&mut self) {
        runtime::remove_receiver(&self.name, self.id);
    }
}

impl<T: DeserializeOwned> Signals<T> {
    /// Waits for the next signal and takes it.
    ///
    /// # Errors
    ///
    /// A cancellation if the current scope is canceled first, or was already; a failure of type
    /// `PayloadDecoding` if the signal's value is not of the type wanted. That signal is gone.
    pub async fn recv(&mut self) -> Result<T, Failure> {
        let mut receiver = Self {
            name: self.name.clone(),
            pending: None,
            value: PhantomData,
        };
        std::future::poll_fn(|context| receiver.poll_recv(context)).await
    }

    /// Takes the next signal if there is one, in a canceled scope too.
    ///
    /// # Errors
    ///
    /// A failure of type `PayloadDecoding` if the signal's value is not of the type wanted. That
    /// signal is gone.
    pub fn try_recv(&mut self) -> Result<Option<T>, Failure> {
        runtime::take_signal(&self.name)
            .map(|arguments| self.decode(&arguments))
            .transpose()
    }

    fn decode(&self, arguments: &[Payload]) -> Result<T, Failure> {
        payload::decode_all(arguments, &format!("signal `{}`", self.name))
    }

    fn poll_recv(&mut self, context: &mut Context<'_>) -> Poll<Result<T, Failure>> {
        let canceled = match &mut self.pending {
            Some(pending) => match Pin::new(&mut pending.wait).poll(context) {
                Poll::Ready(result) => result.err(),
                Poll::Pending => None,
            },
            // A canceled scope opens no wait: the host's answer says why.
            None if cancellation::get_cancel(runtime::current_scope()).is_some() => {
                Operation::wait(&self.label()).err()
            }
            None => None,
        };
        if let Some(failure) = canceled {
            self.pending = None;
            return Poll::Ready(Err(failure));
        }
        if let Some(arguments) = runtime::take_signal(&self.name) {
            self.pending = None;
            return Poll::Ready(self.decode(&arguments));
        }
        let waker = context.waker().clone();
        match &self.pending {
            Some(Pending { registered, .. }) => {
                runtime::add_receiver(&self.name, Some(registered.id), waker);
            }
            None => {
                let mut wait = Operation::wait(&self.label())?;
                // Polled for its waker: a wait that was just opened has not ended.
                let _open = Pin::new(&mut wait).poll(context);
                let id = runtime::add_receiver(&self.name, None, waker);
                let registered = Registered {
                    name: self.name.clone(),
                    id,
                };
                self.pending = Some(Pending { wait, registered });
            }
        }
        Poll::Pending
    }

    fn label(&self) -> String {
        format!("signal {}", self.name)
    }
}

impl<T: DeserializeOwned> Stream for Signals<T> {
    type Item = Result<T, Failure>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.poll_recv(context).map(Some)
    }
}

impl<T> fmt::Debug for Signals<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signals")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}
