"""Workflows that do something about their cancellation."""

import asyncio

from sandglass import detached, shielded, workflow

from .activities import cleanup

HOUR = 3600


@workflow
async def a04() -> str:
    """Does not let itself be canceled."""
    async with shielded():
        await asyncio.sleep(2)
    return "ok"


@workflow
async def a04_then_sleep() -> str:
    """Notices the cancellation after the shield."""
    async with shielded():
        await asyncio.sleep(2)
    await asyncio.sleep(1)
    return "ok"


@workflow
async def a05() -> None:
    """Cleans up, then lets the cancellation go on."""
    try:
        await asyncio.sleep(HOUR)
    except asyncio.CancelledError:
        async with detached():
            await cleanup()
        raise


@workflow
async def a06() -> str:
    """Cleans up and succeeds."""
    try:
        await asyncio.sleep(HOUR)
    except asyncio.CancelledError:
        async with detached():
            await cleanup()
        return "cleaned"
    return "slept"
