"""Workflows that wait by asyncio's own means, in a run that is canceled meanwhile."""

import asyncio

from sandglass import ApplicationError, detached, shielded, signals, timeout, workflow


@workflow
async def waits() -> list[str]:
    """Is told of the cancellation at each wait, also of what the host knows nothing; what is shielded
    goes on, and a task group waits for it."""
    told: list[str] = []
    event = asyncio.Event()
    queue: asyncio.Queue[int] = asyncio.Queue()
    for name, wait in (("event", event.wait), ("again", event.wait), ("queue", queue.get)):
        try:
            await wait()
        except asyncio.CancelledError:
            told.append(name)

    async def child() -> None:
        async with shielded():
            await asyncio.sleep(1)
            told.append("shielded")
        try:
            await asyncio.sleep(1)
        except asyncio.CancelledError:
            told.append("child")
            raise

    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(child())
    except asyncio.CancelledError:
        told.append("group")
    try:
        await signals("never").receive()
    except asyncio.CancelledError:
        told.append("signal")
    try:
        async with asyncio.timeout(1):
            await event.wait()
    except asyncio.CancelledError:
        told.append("timeout")
    async with detached():
        await bounded_cleanup(told)
        helper = asyncio.create_task(event.wait())
    helper.cancel()
    try:
        await helper
    except asyncio.CancelledError:
        told.append("helper")
    return told


async def bounded_cleanup(told: list[str]) -> None:
    """What code does that cleans up, in time: each of these ends by itself."""
    event = asyncio.Event()
    try:
        async with timeout(1):
            await event.wait()
    except TimeoutError:
        told.append("cleanup timeout")

    async def fails() -> None:
        raise ApplicationError("no")

    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(fails())
    except* ApplicationError:
        # Nothing is canceled here.
        await asyncio.sleep(1)
        told.append("cleanup of a failure")
