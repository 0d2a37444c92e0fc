"""Compensations: activities that undo what a run has done.

They are registered with the host, which runs them when the workflow raises a failure or its
cancellation: newest first, one at a time, shielded from cancellation, after everything they undo
has settled. The workflow needs no code for that.

    await charge(order).compensated_by(refund.call(order))
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from . import wire
from .payload import encode
from .run import Operation, current, current_scope

if TYPE_CHECKING:
    from .activity import ActivityCall

__all__ = ["Compensation", "compensate", "register_compensation", "stop_compensating_on_failure"]


class Compensation:
    """A registered compensation."""

    def __init__(self, id: int) -> None:
        self._id = id

    def set_arguments(self, *arguments: object) -> None:
        """Replaces its arguments, once the result of what it undoes is known."""
        encoded = [encode(argument) for argument in arguments]
        wire.compensation.set_compensation_arguments(self._id, encoded)


def push(undoes: int | None, call: Any, *, always: bool) -> Compensation:
    """Registers a compensation with the host."""
    when = wire.compensation.RunWhen.ALWAYS if always else wire.compensation.RunWhen.EFFECTIVE
    return Compensation(
        wire.compensation.push_compensation(current_scope(), undoes, call, when)
    )


def register_compensation(undo: ActivityCall[Any]) -> Compensation:
    """Registers a compensation that undoes no particular activity: it always runs."""
    current("a compensation")
    return push(None, undo.wire(), always=True)


def stop_compensating_on_failure(stop: bool = True) -> None:
    """Says that those compensations that were to run after one that failed do not run."""
    current("stop_compensating_on_failure")
    wire.compensation.stop_compensating_on_failure(stop)


async def compensate() -> None:
    """Runs the compensations of the current scope, and of the scopes below it, now.

    Raises:
        Failure: one of them failed. The others have run nevertheless, unless
            `stop_compensating_on_failure` was asked for.
    """
    current("compensate")
    await Operation[None](wire.compensation.compensate(current_scope()))
