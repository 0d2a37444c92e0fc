"""Cancellation scopes.

A scope is entered with `async with`; what is started inside belongs to it, also in tasks that are
made there. Canceling it cancels its operations, in the order in which they were started, then the
scopes below. Leaving it cancels what is left in it.

    async with shielded():
        await refund(order)  # goes on although the run is canceled
"""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Self

from . import wire
from .failure import CancelCause, CancelInfo, cancel_info, is_cancellation, timed_out
from .run import ROOT, Task, current, current_scope, enter_scope, run
from .wire import Length

__all__ = ["Scope", "cancellable", "cancellation", "detached", "shielded", "timeout"]


class Scope:
    """A scope, to be entered once with `async with`."""

    def __init__(self, kind: wire.cancellation.ScopeKind, limit: Length | None = None) -> None:
        self._kind = kind
        self._limit = limit
        self._id: int | None = None
        self._outer = ROOT

    async def __aenter__(self) -> Self:
        current("a scope")
        self._outer = current_scope()
        self._id = wire.cancellation.open_scope(self._outer, self._kind)
        run.parents[self._id] = self._outer
        interrupts = isinstance(
            self._kind,
            (wire.cancellation.ScopeKind_Cancellable, wire.cancellation.ScopeKind_Timeout),
        )
        if not interrupts:
            run.shields.add(self._id)
        elif self._outer in run.canceled:
            run.canceled.add(self._id)  # it is born canceled
        enter_scope(self._id)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        enter_scope(self._outer)
        task = asyncio.current_task()
        if isinstance(task, Task):
            task.left_shield()
        is_detached = isinstance(self._kind, wire.cancellation.ScopeKind_Detached)
        canceled = self.cancellation
        if not is_detached and run.may_command():
            wire.cancellation.close_scope(self._number())
        by_time = canceled is not None and canceled.cause == CancelCause.TIMEOUT
        if self._limit is not None and by_time and is_cancellation(error):
            failure = timed_out(f"the scope was not done within {self._limit}")
            raise failure from error

    @property
    def cancellation(self) -> CancelInfo | None:
        """The scope's cancellation, if it was canceled or, if shielded, asked to."""
        return cancel_info(wire.cancellation.get_cancel(self._number()))

    def cancel(self, reason: str = "") -> None:
        """Cancels the scope: what is unresolved in it, then its children. On a shielded scope it
        only marks the request. One that is canceled or closed already stays as it is."""
        if run.may_command():
            wire.cancellation.cancel_scope(self._number(), reason)

    def close(self) -> None:
        """Closes a detached scope: cancels what is unresolved in it. Never waits."""
        if run.may_command():
            wire.cancellation.close_scope(self._number())

    def _number(self) -> int:
        if self._id is None:
            raise RuntimeError("the scope was not entered")
        return self._id


def cancellable() -> Scope:
    """A scope that is canceled together with its parent, or by `cancel`."""
    return Scope(wire.cancellation.ScopeKind_Cancellable())


def shielded() -> Scope:
    """A scope whose operations go on when its parent is canceled, for cleanup that is waited for.

    It can be entered in a canceled scope. After it the parent's cancellation shows again.
    """
    return Scope(wire.cancellation.ScopeKind_Shielded())


def detached() -> Scope:
    """A scope without any tie to its parent's cancellation. What was started in it goes on when
    it is left, until `close`."""
    return Scope(wire.cancellation.ScopeKind_Detached())


def timeout(limit: Length) -> Scope:
    """A scope that is canceled when a time has passed. What it then raises is a `TimeoutError`."""
    return Scope(wire.cancellation.ScopeKind_Timeout(wire.millis(limit) or 0), limit)


def cancellation() -> CancelInfo | None:
    """The cancellation of the current scope, if it was canceled or, if shielded, asked to."""
    current("cancellation")
    return cancel_info(wire.cancellation.get_cancel(current_scope()))
