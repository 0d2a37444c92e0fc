"""Continuing a run as another one, so that its history does not grow for ever."""

from __future__ import annotations

from typing import Any, Never

from . import wire
from .activity import RetryPolicy
from .info import SearchValue, search_value
from .payload import encode
from .run import current
from .wire import Length, millis

__all__ = ["continue_as_new"]


async def continue_as_new(
    *arguments: object,
    workflow_type: str | None = None,
    task_queue: str | None = None,
    run_timeout: Length | None = None,
    retry: RetryPolicy | None = None,
    memo: dict[str, object] | None = None,
    search_attributes: dict[str, SearchValue] | None = None,
    drop_cancel: bool = False,
    drop_compensations: bool = False,
) -> Never:
    """Ends the run and continues it by another of the same workflow id, with an empty history.

    What is not given stays as it is. Awaiting this does not return: after the end nothing runs, no
    `finally` either. A request to cancel the run is handed on unless `drop_cancel` is set. With
    compensations registered a run cannot be continued, unless they are dropped.
    """
    run = current("continue_as_new")
    attributes: list[Any] | None = None
    if search_attributes is not None:
        attributes = [(k, search_value(v)) for k, v in search_attributes.items()]
    run.complete(
        wire.execution.Outcome_ContinueAsNew(
            wire.execution.Continuation(
                workflow_type=workflow_type,
                arguments=[encode(argument) for argument in arguments],
                task_queue=task_queue,
                run_timeout=millis(run_timeout),
                retry=None if retry is None else retry.wire(),
                header=None,
                memo=None if memo is None else [(k, encode(v)) for k, v in memo.items()],
                search_attributes=attributes,
                drop_cancel=drop_cancel,
                drop_compensations=drop_compensations,
            )
        )
    )
    await run.loop.create_future()
    raise AssertionError("nothing runs after the end of a run")
