"""A workflow that uses a package of PyPI as it is."""

import asyncio
from typing import Any

from sandglass import named_activity, workflow
from sortedcontainers import SortedDict, SortedList

echo = named_activity("Echo", str)


@workflow
async def libraries() -> dict[str, Any]:
    """At most two activities at a time, whose results a sorted collection keeps."""
    limit = asyncio.Semaphore(2)
    kept = SortedList(key=lambda value: -ord(value))
    running = most = 0

    async def tell(value: str) -> None:
        nonlocal running, most
        async with limit:
            running += 1
            most = max(most, running)
            kept.add(await echo(value))
            running -= 1

    async with asyncio.TaskGroup() as group:
        for value in "cabed":
            group.create_task(tell(value))
    counts = SortedDict({value: index for index, value in enumerate(kept)})
    return {"kept": list(kept), "most": most, "counts": dict(counts), "first": counts.peekitem(0)}
