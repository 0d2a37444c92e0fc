"""Durable workflows in Python, for Sandglass.

A workflow is an async function. asyncio works as it is: `sleep` is a durable timer, tasks, `gather`,
`TaskGroup`, `timeout`, events and queues behave as always, and the cancellation of the run arrives
as `asyncio.CancelledError`. `time`, `datetime`, `random`, `uuid`, `secrets` and `print` are the
run's own, so that a replay does the same.

    import asyncio
    from sandglass import activity, workflow

    @activity(start_to_close=10)
    async def greet(name: str) -> str: ...

    @workflow
    async def hello(name: str) -> str:
        greeting = await greet(name)
        await asyncio.sleep(1)
        return greeting
"""

from . import ambient

ambient.install()

from . import log  # noqa: E402
from .activity import (  # noqa: E402
    Activity,
    ActivityCall,
    ActivityFunction,
    CancellationType,
    Options,
    RetryPolicy,
    activity,
    named_activity,
)
from .child import (  # noqa: E402
    ChildCancellation,
    ChildWorkflow,
    External,
    IdReusePolicy,
    ParentClosePolicy,
    child_workflow,
    external,
)
from .compensation import (  # noqa: E402
    Compensation,
    compensate,
    register_compensation,
    stop_compensating_on_failure,
)
from .continuation import continue_as_new  # noqa: E402
from .failure import (  # noqa: E402
    ActivityError,
    ApplicationError,
    CancelCause,
    CanceledError,
    CancelInfo,
    ChildWorkflowError,
    Failure,
    RetryState,
    ServerError,
    TerminatedError,
    TimeoutFailure,
    TimeoutKind,
    is_cancellation,
)
from .info import (  # noqa: E402
    Chain,
    SearchValue,
    chain,
    deprecate_patch,
    execution,
    history,
    memo,
    now,
    patched,
    random_bytes,
    search_attributes,
    upsert_memo,
    upsert_search_attributes,
)
from .messages import (  # noqa: E402
    Signals,
    UpdateHandler,
    all_handlers_finished,
    query,
    signals,
    update,
)
from .scope import Scope, cancellable, cancellation, detached, shielded, timeout  # noqa: E402
from .timer import install, sleep, start_timer, wait_condition  # noqa: E402
from .registry import workflow  # noqa: E402

install()
log.install()

__all__ = [
    "Activity",
    "ActivityCall",
    "ActivityError",
    "ActivityFunction",
    "ApplicationError",
    "CancelCause",
    "CancelInfo",
    "CanceledError",
    "CancellationType",
    "Chain",
    "ChildCancellation",
    "ChildWorkflow",
    "ChildWorkflowError",
    "Compensation",
    "External",
    "Failure",
    "IdReusePolicy",
    "Options",
    "ParentClosePolicy",
    "RetryPolicy",
    "RetryState",
    "Scope",
    "SearchValue",
    "ServerError",
    "Signals",
    "TerminatedError",
    "TimeoutFailure",
    "TimeoutKind",
    "UpdateHandler",
    "activity",
    "all_handlers_finished",
    "cancellable",
    "cancellation",
    "chain",
    "child_workflow",
    "compensate",
    "continue_as_new",
    "deprecate_patch",
    "detached",
    "execution",
    "external",
    "history",
    "is_cancellation",
    "log",
    "memo",
    "named_activity",
    "now",
    "patched",
    "query",
    "random_bytes",
    "register_compensation",
    "search_attributes",
    "shielded",
    "signals",
    "sleep",
    "start_timer",
    "stop_compensating_on_failure",
    "timeout",
    "update",
    "upsert_memo",
    "upsert_search_attributes",
    "wait_condition",
    "workflow",
]
