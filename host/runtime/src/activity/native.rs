//! Activities that are Rust functions of the host's own process.

use super::{ActivityContext, Attempting, Worker};
use sandglass_engine::{Failure, FailureInfo, Payload};
use serde::{Serialize, de::DeserializeOwned};
use std::{future::Future, sync::Arc};

/// A registered function.
pub(crate) struct Native(Arc<dyn Fn(ActivityContext) -> Attempting + Send + Sync>);

impl Native {
    /// A function of payloads.
    pub(crate) fn new<F, Fut>(function: F) -> Self
    where
        F: Fn(ActivityContext, Vec<Payload>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Payload, Failure>> + Send + 'static,
    {
        Self(Arc::new(move |context| {
            let arguments = context.info().arguments.clone();
            Box::pin(function(context, arguments))
        }))
    }

    /// A function of one JSON value. No argument is read as `null`.
    pub(crate) fn json<F, Fut, A, R>(function: F) -> Self
    where
        F: Fn(ActivityContext, A) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<R, Failure>> + Send + 'static,
        A: DeserializeOwned + Send + 'static,
        R: Serialize,
    {
        let function = Arc::new(function);
        Self(Arc::new(move |context| {
            let function = Arc::clone(&function);
            Box::pin(async move {
                let argument = argument(&context.info().arguments)?;
                let result = function(context, argument).await?;
                let json = serde_json::to_vec(&result).map_err(|error| {
                    wrong_type(&format!("the result cannot be written as JSON: {error}"))
                })?;
                Ok(Payload::json(json))
            })
        }))
    }
}

fn argument<A: DeserializeOwned>(arguments: &[Payload]) -> Result<A, Failure> {
    let bytes = match arguments {
        [] => b"null".as_slice(),
        [one] if one.encoding() == Some("binary/null") => b"null",
        [one] => &one.data,
        more => {
            return Err(wrong_type(&format!(
                "expected one argument, got {}",
                more.len()
            )));
        }
    };
    serde_json::from_slice(bytes)
        .map_err(|error| wrong_type(&format!("the argument is not what is expected: {error}")))
}

/// Trying again would not help.
fn wrong_type(message: &str) -> Failure {
    Failure::new(
        message,
        FailureInfo::Application {
            failure_type: "BadArgument".into(),
            non_retryable: true,
            details: Vec::new(),
            next_retry_delay: None,
        },
    )
}

impl Worker for Native {
    fn attempt(&self, context: ActivityContext) -> Attempting {
        (self.0)(context)
    }

    fn is_killable(&self) -> bool {
        false
    }
}
