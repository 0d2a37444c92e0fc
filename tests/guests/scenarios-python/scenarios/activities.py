"""The activities that the test host serves."""

from sandglass import CancellationType, RetryPolicy, activity

ONCE = RetryPolicy(maximum_attempts=1)


@activity(name="Work", heartbeat=2, retry=ONCE)
async def work() -> int:
    """Heartbeats every 200 ms. On cancellation it fails with it, with the details `d`."""


@activity(name="Swallow", heartbeat=2, retry=ONCE)
async def swallow() -> int:
    """Heartbeats every 200 ms. On cancellation it returns 7."""


@activity(name="Deaf", cancellation=CancellationType.ABANDON, retry=ONCE)
async def deaf() -> int:
    """Runs 5 s without looking at anything."""


@activity(name="Cleanup", retry=ONCE)
async def cleanup() -> None:
    """Cleans up, at once."""


@activity(name="A", retry=ONCE)
async def step_a() -> None:
    """A step of the saga that is done at once."""


@activity(name="B", retry=ONCE)
async def step_b() -> None:
    """A step of the saga that is done at once."""


@activity(name="C", heartbeat=2, retry=ONCE)
async def step_c() -> None:
    """Heartbeats every 200 ms; what it does on cancellation is the test's choice."""


@activity(name="a", retry=ONCE)
async def undo_a() -> None:
    """Undoes `A`."""


@activity(name="b", retry=ONCE)
async def undo_b() -> None:
    """Undoes `B`."""


@activity(name="c", retry=ONCE)
async def undo_c() -> None:
    """Undoes `C`."""
