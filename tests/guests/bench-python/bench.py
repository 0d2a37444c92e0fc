"""The workflow that replay is measured with."""

from sandglass import activity, workflow


@activity(name="Echo")
async def echo(value: int) -> int:
    """Returns its argument."""


@workflow
async def sequence(count: int) -> int:
    """Activities one after another, a small number in and out of each; returns the last."""
    last = 0
    for value in range(1, count + 1):
        last = await echo(value)
    return last
