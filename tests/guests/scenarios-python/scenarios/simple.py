"""Workflows that await one thing."""

import asyncio

from sandglass import CanceledError, log, workflow

from .activities import deaf, swallow, work

HOUR = 3600


@workflow
async def a01() -> None:
    """A timer, uncaught. For A01 to A03."""
    log.info("main was entered")
    await asyncio.sleep(HOUR)


@workflow
async def a08() -> int:
    """An activity that fails with the cancellation."""
    try:
        return await work()
    except CanceledError as canceled:
        about = canceled.activity is not None and canceled.activity.activity_type == "Work"
        cause = canceled.cause
        by_cancellation = isinstance(cause, asyncio.CancelledError) and cause.cause is None
        log.info(
            f"activity failure: {str(about).lower()}, "
            f"caused by a cancellation: {str(by_cancellation).lower()}, "
            f'details: Some("{canceled.details(str)}")'
        )
        raise


@workflow
async def a09() -> int:
    """An activity that returns a value on cancellation."""
    return await swallow()


@workflow
async def a10() -> int:
    """An activity that is abandoned."""
    return await deaf()
