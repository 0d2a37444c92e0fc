"""Durable timers, and the waits of a workflow for itself."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta

from . import wire
from .failure import from_links
from .run import Operation, Wait, current, current_scope, refused
from .wire import Length

__all__ = ["install", "sleep", "start_timer", "wait_condition"]

_yield = asyncio.sleep
"""asyncio's own, which yields once for a length of zero."""


def start_timer(length: Length) -> asyncio.Future[None]:
    """Starts a timer in the current scope and returns the future that it ends.

    It is due when that much time has passed since the start of the current workflow task, also if
    the host was down meanwhile. In a replay it fires at its recorded place, without waiting.
    Canceling the future, or its scope, cancels the timer.
    """
    current("a timer")
    try:
        id = wire.timers.start_timer(current_scope(), wire.millis(length) or 0)
    except wire.Err as answer:
        return refused(from_links(answer.value))
    return Operation(id)


async def sleep[T](delay: Length, result: T = None) -> T:  # type: ignore[assignment]
    """Waits for a durable timer. This is `asyncio.sleep` in a workflow.

    Raises:
        CanceledError: the current scope is canceled first, or was already.
    """
    seconds = delay.total_seconds() if isinstance(delay, timedelta) else delay
    if seconds <= 0:
        return await _yield(0, result)
    await start_timer(delay)
    return result


async def wait_condition(
    condition: Callable[[], bool], timeout: Length | None = None
) -> None:
    """Waits until a condition over the workflow's own state is true.

    It is looked at when it is first awaited, and whenever the workflow has been told something and
    has done all it could. It should only look, not change anything.

    Raises:
        CanceledError: the current scope is canceled first, or was already.
        TimeoutError: the timeout has passed first.
    """
    run = current("wait_condition")
    canceled = wire.cancellation.get_cancel(current_scope()) is not None
    if not canceled and condition():
        return
    wait = Wait("condition")
    run.conditions[wait] = condition
    if timeout is None:
        await wait
        return
    limit = timeout.total_seconds() if isinstance(timeout, timedelta) else timeout
    async with asyncio.timeout(limit):
        await wait


def install() -> None:
    """Makes `asyncio.sleep` durable."""
    asyncio.sleep = sleep  # type: ignore[assignment]
    asyncio.tasks.sleep = sleep  # type: ignore[assignment]
