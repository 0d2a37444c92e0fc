"""A workflow with compensations and no code for cancellation."""

import asyncio

from sandglass import workflow

from .activities import step_a, step_b, step_c, undo_a, undo_b, undo_c


@workflow
async def a21() -> None:
    """Three steps, each with what undoes it."""
    await step_a().compensated_by(undo_a.call())
    await step_b().compensated_by(undo_b.call())
    await step_c().compensated_by(undo_c.call())


@workflow
async def a21_then_sleep() -> None:
    """The same, and then a timer: a cancellation that the last step does not accept shows there."""
    await a21()
    await asyncio.sleep(1)
