"""Child workflows, and what a workflow says to other runs."""

from __future__ import annotations

import asyncio
from typing import Any

from . import wire
from .activity import RetryPolicy
from .failure import from_links
from .payload import decode, encode
from .run import Operation, current, current_scope, refused, run
from .wire import Length, millis

__all__ = [
    "ChildCancellation",
    "ChildWorkflow",
    "External",
    "IdReusePolicy",
    "ParentClosePolicy",
    "child_workflow",
    "external",
]

ChildCancellation = wire.children.ChildCancellationType
ParentClosePolicy = wire.children.ParentClosePolicy
IdReusePolicy = wire.children.IdReusePolicy


class ChildWorkflow[T](Operation[T]):
    """A child workflow that was started: the future of its result.

    A replay is given the recorded result. When its scope is canceled, the `ChildCancellation`
    decides: by default the child is asked to end and awaiting it goes on until it has.
    """

    def __init__(self, id: int, result: Any, what: str) -> None:
        super().__init__(id, lambda payload: decode(payload, result, what))
        self.started: asyncio.Future[str] = run.loop.create_future()
        """The child's run id, once it has started. If it never starts it fails like the child."""
        self.add_done_callback(self._ended)

    def begin(self, run_id: str) -> None:
        """Notes that the child was started."""
        if not self.started.done():
            self.started.set_result(run_id)

    def _ended(self, ended: asyncio.Future[Any]) -> None:
        if not self.started.done():
            error = ended.exception() or RuntimeError("it ended before it started")
            self.started.set_exception(error)
            self.started._log_traceback = False  # type: ignore[attr-defined]


def child_workflow(
    workflow_type: str,
    *arguments: object,
    result: Any = Any,
    workflow_id: str | None = None,
    task_queue: str | None = None,
    run_timeout: Length | None = None,
    execution_timeout: Length | None = None,
    cancellation: ChildCancellation = ChildCancellation.WAIT_CANCELLATION_COMPLETED,
    parent_close: ParentClosePolicy = ParentClosePolicy.TERMINATE,
    retry: RetryPolicy | None = None,
    cron: str | None = None,
    id_reuse: IdReusePolicy = IdReusePolicy.ALLOW_DUPLICATE,
    memo: dict[str, object] | None = None,
) -> asyncio.Future[Any]:
    """Starts a child workflow in the current scope and returns the future of its result, a
    `ChildWorkflow`. `result` is the type that it is read as."""
    current("a child workflow")
    call = wire.children.ChildCall(
        workflow_type=workflow_type,
        workflow_id=workflow_id,
        task_queue=task_queue,
        arguments=[encode(argument) for argument in arguments],
        header=[],
        run_timeout=millis(run_timeout),
        cancellation=cancellation,
        parent_close=parent_close,
        execution_timeout=millis(execution_timeout),
        retry=None if retry is None else retry.wire(),
        cron=cron,
        id_reuse=id_reuse,
        memo=[(name, encode(value)) for name, value in (memo or {}).items()],
        search_attributes=[],
    )
    try:
        id = wire.children.start_child(current_scope(), call)
    except wire.Err as answer:
        future: Any = refused(from_links(answer.value))
        future.started = future
        return future
    return ChildWorkflow(id, result, f"the result of {workflow_type}")


class External:
    """Another run."""

    def __init__(self, workflow_id: str, run_id: str | None = None) -> None:
        self._target = wire.externals.Target(workflow_id, run_id)

    async def signal(self, name: str, *arguments: object) -> None:
        """Sends it a signal and waits until that is recorded there.

        Raises:
            ApplicationError: of type `EXTERNAL_WORKFLOW_EXECUTION_NOT_FOUND`.
        """
        current("a signal to another run")
        encoded = [encode(argument) for argument in arguments]
        try:
            id = wire.externals.signal_external(
                current_scope(), self._target, name, encoded, []
            )
        except wire.Err as answer:
            raise from_links(answer.value) from None
        await Operation[None](id)

    async def cancel(self, reason: str = "") -> None:
        """Asks it to end and waits until the request is recorded there.

        Raises:
            ApplicationError: of type `EXTERNAL_WORKFLOW_EXECUTION_NOT_FOUND`.
        """
        current("a request to another run")
        try:
            id = wire.externals.cancel_external(current_scope(), self._target, reason)
        except wire.Err as answer:
            raise from_links(answer.value) from None
        await Operation[None](id)


def external(workflow_id: str, run_id: str | None = None) -> External:
    """Another run: the newest of its workflow id, or a certain one."""
    return External(workflow_id, run_id)
