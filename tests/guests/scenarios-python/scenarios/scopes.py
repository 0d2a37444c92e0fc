"""Workflows that await several things, or in scopes."""

import asyncio

from sandglass import CancellationType, cancellable, log, wait_condition, workflow

from .activities import work

HOUR = 3600

try_cancel = work.options(cancellation=CancellationType.TRY_CANCEL)


@workflow
async def a07() -> None:
    """Activities and timers in turns, in one scope; all are awaited."""
    async with cancellable():
        first = try_cancel()
        timer = asyncio.create_task(asyncio.sleep(HOUR))
        await asyncio.sleep(0)  # the task starts its timer now
        second = try_cancel()
        last = asyncio.create_task(asyncio.sleep(HOUR))
        await asyncio.gather(first, timer, second, last)


async def raised(waiting: asyncio.Future[int]) -> str:
    """Whether it was canceled."""
    try:
        await waiting
    except asyncio.CancelledError:
        return "true"
    return "false"


@workflow
async def a24() -> None:
    """Two activities that are not awaited, and a condition that never becomes true."""
    first = try_cancel()
    second = try_cancel()
    try:
        await wait_condition(lambda: False)
    except asyncio.CancelledError:
        log.info("condition raised: true")
        log.info(f"a1 raised: {await raised(first)}")
        log.info(f"a2 raised: {await raised(second)}")
        raise
