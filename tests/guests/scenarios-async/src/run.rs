//! What makes the contract's calls natural in Rust: scopes, operations, values as JSON text.

use sandglass_guest_bindings::{
    async_workflow::sandglass::workflow::async_waits,
    workflow::sandglass::workflow::{
        activities::schedule_activity,
        cancellation::{self, ScopeKind},
        children::{
            ChildCall, ChildCancellationType, IdReusePolicy, ParentClosePolicy, start_child,
        },
        compensation::{RunWhen, push_compensation},
        log::{Level, write},
        timers::start_timer,
        types::{
            ActivityCall, ApplicationFailure, CancellationType, FailureInfo, FailureLink, Payload,
            RetryPolicy,
        },
    },
};

/// Why something did not succeed: the failure first, then its causes.
pub(crate) type Failure = Vec<FailureLink>;

/// What a workflow or an activity returns: a JSON text, or nothing.
pub(crate) type Returned = Result<Option<String>, Failure>;

/// A length of time in milliseconds.
pub(crate) const SECOND: u64 = 1000;
/// The same.
pub(crate) const HOUR: u64 = 3600 * SECOND;

/// A cancellation scope, closed when it is dropped.
pub(crate) struct Scope(u32);

/// The scope of the run itself.
pub(crate) static ROOT: Scope = Scope(0);

/// Something begun, or why it was not.
pub(crate) struct Operation(Result<u64, Failure>);

impl Drop for Scope {
    fn drop(&mut self) {
        if self.0 != ROOT.0 {
            cancellation::close_scope(self.0);
        }
    }
}

impl Scope {
    /// Opens a scope in this one.
    pub(crate) fn open(&self, kind: ScopeKind) -> Self {
        Self(cancellation::open_scope(self.0, kind))
    }

    /// Begins an activity.
    pub(crate) fn activity(&self, call: &ActivityCall) -> Operation {
        Operation(schedule_activity(self.0, call))
    }

    /// Begins a timer.
    pub(crate) fn timer(&self, milliseconds: u64) -> Operation {
        Operation(start_timer(self.0, milliseconds))
    }

    /// Waits for so long.
    pub(crate) async fn sleep(&self, milliseconds: u64) -> Returned {
        self.timer(milliseconds).ended().await
    }

    /// Begins a child.
    pub(crate) fn child(&self, workflow_type: &str, workflow_id: Option<String>) -> Operation {
        let call = ChildCall {
            workflow_type: workflow_type.to_owned(),
            workflow_id,
            task_queue: None,
            arguments: Vec::new(),
            header: Vec::new(),
            run_timeout: None,
            cancellation: ChildCancellationType::WaitCancellationCompleted,
            parent_close: ParentClosePolicy::Terminate,
            execution_timeout: None,
            retry: None,
            cron: None,
            id_reuse: IdReusePolicy::AllowDuplicate,
            memo: Vec::new(),
            search_attributes: Vec::new(),
        };
        Operation(start_child(self.0, &call))
    }

    /// Waits for a signal and takes its first argument.
    pub(crate) async fn signal(&self, name: &str) -> Returned {
        let signal = async_waits::next_signal(self.0, name.to_owned()).await?;
        Ok(signal.arguments.first().and_then(json_of))
    }

    /// Waits for an update.
    pub(crate) async fn update(&self) -> Result<async_waits::Update, Failure> {
        async_waits::next_update(self.0).await
    }
}

impl Operation {
    /// Waits for the end, and takes the result.
    pub(crate) async fn ended(self) -> Returned {
        let value = async_waits::wait(self.0?).await?;
        Ok(value.as_ref().and_then(json_of))
    }

    /// Its number, if it was begun.
    pub(crate) fn number(&self) -> Option<u64> {
        self.0.as_ref().ok().copied()
    }

    /// Waits until a child has started; whether it has.
    pub(crate) async fn started(&self) -> bool {
        match self.number() {
            Some(number) => async_waits::wait_start(number).await.is_some(),
            None => false,
        }
    }

    /// Has an activity undo it if the run does not complete.
    pub(crate) fn compensated_by(self, undo: &ActivityCall) -> Self {
        push_compensation(ROOT.0, self.number(), undo, RunWhen::Effective);
        self
    }
}

/// A call of an activity with one attempt of a minute at most.
pub(crate) fn once(activity_type: &str) -> ActivityCall {
    ActivityCall {
        activity_type: activity_type.to_owned(),
        activity_id: None,
        task_queue: None,
        arguments: Vec::new(),
        header: Vec::new(),
        schedule_to_close: None,
        schedule_to_start: None,
        start_to_close: Some(60 * SECOND),
        heartbeat: None,
        retry: Some(RetryPolicy {
            initial_interval: SECOND,
            backoff_coefficient: 2.0,
            maximum_interval: None,
            maximum_attempts: 1,
            non_retryable_types: Vec::new(),
        }),
        cancellation: CancellationType::WaitCancellationCompleted,
        wait_timeout: None,
    }
}

/// A line in the run's log.
pub(crate) fn log(message: &str) {
    write(Level::Info, "scenarios", message);
}

/// A JSON text as a payload; nothing is no value.
pub(crate) fn payload(json: Option<String>) -> Payload {
    let encoding = if json.is_some() {
        "json/plain"
    } else {
        "binary/null"
    };
    Payload {
        metadata: vec![("encoding".to_owned(), encoding.into())],
        data: json.unwrap_or_default().into_bytes(),
    }
}

/// The JSON text of a payload.
pub(crate) fn json_of(payload: &Payload) -> Option<String> {
    let text = String::from_utf8_lossy(&payload.data);
    (!text.is_empty()).then(|| text.into_owned())
}

/// A failure of the workflow's own.
pub(crate) fn failed(failure_type: &str, message: &str) -> Failure {
    vec![FailureLink {
        message: message.to_owned(),
        source: "rust".to_owned(),
        stack_trace: String::new(),
        encoded_attributes: None,
        info: FailureInfo::Application(ApplicationFailure {
            failure_type: failure_type.to_owned(),
            non_retryable: false,
            details: Vec::new(),
            next_retry_delay: None,
        }),
    }]
}

/// What happened: the cause, if the failure itself only says to whom.
fn cause(failure: &Failure) -> Option<&FailureInfo> {
    let names = |link: &FailureLink| {
        matches!(
            link.info,
            FailureInfo::Activity(_) | FailureInfo::ChildWorkflow(_)
        )
    };
    let place = usize::from(failure.len() > 1 && failure.first().is_some_and(names));
    failure.get(place).map(|link| &link.info)
}

/// Whether it is a cancellation, bare or as the cause of an activity's or child's failure.
pub(crate) fn is_canceled(failure: &Failure) -> bool {
    matches!(cause(failure), Some(FailureInfo::Canceled(_)))
}

/// The activity whose failure it is.
pub(crate) fn activity_of(failure: &Failure) -> Option<&str> {
    match failure.first().map(|link| &link.info) {
        Some(FailureInfo::Activity(activity)) => Some(&activity.activity_type),
        _ => None,
    }
}

/// The first detail that came with it, or with its cause.
pub(crate) fn details(failure: &Failure) -> Option<String> {
    let details = match cause(failure)? {
        FailureInfo::Application(application) => &application.details,
        FailureInfo::Canceled(canceled) => &canceled.details,
        _ => return None,
    };
    details.first().and_then(json_of)
}
