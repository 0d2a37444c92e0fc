"""The run that this instance holds: its event loop, its operations, its current scope.

The host calls `activate` with one event at a time. The event resolves an operation, which is an
asyncio future; then callbacks run in the order in which they were scheduled, until there are none.
Then conditions are looked at, and tasks whose scope is canceled are told, until nobody has anything
left to do.

An instance holds one run and has one thread, so the run is a module's state.
"""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import Callable, Coroutine
from contextvars import ContextVar
from typing import Any

from . import ambient, wire
from .failure import from_links, is_failure, to_links
from .loop import WorkflowLoop
from .payload import encode
from .wire import types

__all__ = ["Operation", "Run", "Task", "Wait", "current", "current_scope", "run"]

ROOT = 0
"""The scope that the request for the run's cancellation cancels."""

_scope: ContextVar[int] = ContextVar("sandglass_scope", default=ROOT)

_TOLD_MAX = 100
"""How often in one activation a task is told of the cancellation of its scope. Some code waits
again after it was told, as a task group does for its tasks, and would be told for ever."""


def current_scope() -> int:
    """The scope that new operations belong to."""
    return _scope.get()


def enter_scope(scope: int) -> None:
    """Makes a scope the current one of this task."""
    _scope.set(scope)


class Task[T](asyncio.Task[T]):
    """A task of the workflow. What cancels it from outside of a shield that it is in waits until it
    has left that; what does so from inside, as a timeout there, does so at once."""

    deferred = False
    """Whether it is to be canceled when it leaves its shield."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """As a task of asyncio. One that is made in a shield is not shielded by it from who made it."""
        super().__init__(*args, **kwargs)
        self._born_in = run.shield_of(self.get_context().get(_scope, ROOT))

    def cancel(self, msg: object = None) -> bool:
        """Cancels what the task waits for."""
        shield = run.shield_of(self.get_context().get(_scope, ROOT))
        is_free = shield is None or shield == self._born_in
        if is_free or self.done() or run.is_within(current_scope(), shield):
            return super().cancel(msg)
        self.deferred = True
        return True

    def left_shield(self) -> None:
        """The task has left a scope that shielded it."""
        if self.deferred and run.shield_of(current_scope()) in (None, self._born_in):
            self.deferred = False
            super().cancel()


class Operation[T](asyncio.Future[T]):
    """What the host does for the run: a future that an event resolves.

    Canceling it, or the task that awaits it, cancels the operation; how it ends decides what the
    future ends with. An activity that is waited for may still return a value.
    """

    def __init__(self, id: int, decode: Callable[[Any], T] | None = None) -> None:
        super().__init__(loop=run.loop)
        self.id = id
        self.scope = current_scope()
        self._decode = decode
        self._asked = False
        run.operations[id] = self

    def cancel(self, msg: object = None) -> bool:
        """Cancels the operation. Returns whether it had not ended yet."""
        if self.done():
            return False
        # The host has canceled what belongs to a canceled scope.
        if not self._asked and self.scope not in run.canceled:
            self._asked = True
            if run.may_command():
                wire.cancellation.cancel_operation(self.id)
        return True

    def resolve(self, outcome: wire.Ok[Any] | wire.Err[Any]) -> None:
        """Ends it as the host says."""
        if self.done():
            return
        if isinstance(outcome, wire.Err):
            self.fail(from_links(outcome.value))
            return
        try:
            value = outcome.value if self._decode is None else self._decode(outcome.value)
        except Exception as error:
            self.fail(error)
        else:
            self.set_result(value)

    def fail(self, error: BaseException) -> None:
        """Ends it with an error. Nobody has to look at it."""
        self.set_exception(error)
        self._log_traceback = False


class Wait(Operation[None]):
    """A wait for something in the workflow itself, which the host knows of so that cancellation
    reaches it."""

    def __init__(self, label: str) -> None:
        """Opens a wait in the current scope.

        Raises:
            CanceledError: the scope is canceled.
        """
        try:
            id = wire.waits.open_wait(current_scope(), label)
        except wire.Err as refused:
            raise from_links(refused.value) from None
        super().__init__(id)

    def cancel(self, msg: object = None) -> bool:
        """Gives the wait up."""
        if self.done():
            return False
        self._close()
        return asyncio.Future.cancel(self, msg)

    def satisfy(self) -> None:
        """Ends the wait: what it waited for is there."""
        if not self.done():
            self._close()
            self.set_result(None)

    def _close(self) -> None:
        run.operations.pop(self.id, None)
        if run.may_command():
            wire.waits.close_wait(self.id)


def refused[T](error: BaseException) -> asyncio.Future[T]:
    """A future of what was not started."""
    future: asyncio.Future[T] = run.loop.create_future()
    future.set_exception(error)
    future._log_traceback = False  # type: ignore[attr-defined]
    return future


class Run:
    """All that one run needs between two activations."""

    def __init__(self) -> None:
        self.loop = WorkflowLoop(self)
        self.operations: dict[int, Operation[Any]] = {}
        self.canceled: set[int] = set()
        """Canceled scopes whose code is to be interrupted: no shields."""
        self.shields: set[int] = set()
        """Scopes that the cancellation of their parent does not interrupt."""
        self.parents: dict[int, int] = {}
        self.conditions: dict[Wait, Callable[[], bool]] = {}
        self.tasks: dict[asyncio.Task[Any], None] = {}
        self.active = False
        self.begun = False
        self.completed = False

    def may_command(self) -> bool:
        """Whether commands may be issued: inside of an activation, before the run's end."""
        return self.active and not self.completed

    def shield_of(self, scope: int) -> int | None:
        """The innermost shield around what runs in a scope."""
        while scope not in self.shields:
            if scope == ROOT:
                return None
            scope = self.parents[scope]
        return scope

    def is_within(self, scope: int, outer: int) -> bool:
        """Whether a scope is another one or below it."""
        while scope != outer:
            if scope == ROOT:
                return False
            scope = self.parents[scope]
        return True

    def activate(self, handle: Callable[[], None]) -> None:
        """Handles an event and works until nothing more can be done."""
        if self.completed:
            return
        with self.looking():
            asyncio.events._set_running_loop(self.loop)
            try:
                handle()
                self._settle()
            finally:
                asyncio.events._set_running_loop(None)
                ambient.end_lines()

    def looking(self) -> _Active:
        """Within this the host may be asked."""
        return _Active(self)

    def _settle(self) -> None:
        told: dict[asyncio.Task[Any], set[asyncio.Future[Any]]] = {}
        self.loop.run_ready()
        while not self.completed and (self._satisfy() or self._tell(told)):
            self.loop.run_ready()

    def _satisfy(self) -> bool:
        """Ends the first wait whose condition is true. What its task does may change others."""
        for wait, condition in list(self.conditions.items()):
            if wait.done():
                del self.conditions[wait]
            elif condition():
                del self.conditions[wait]
                wait.satisfy()
                return True
        return False

    def _tell(self, told: dict[asyncio.Task[Any], set[asyncio.Future[Any]]]) -> bool:
        """Interrupts the first task that waits in a canceled scope for what the host knows nothing
        of; what it knows of it resolves itself. `told` has what they were waiting for when they were
        told before."""
        if not self.canceled:
            return False
        for task in self.tasks:
            waits_for = task._fut_waiter  # type: ignore[attr-defined]
            before = told.get(task, set())
            if waits_for is None or waits_for.done() or waits_for in before:
                continue
            if len(before) >= _TOLD_MAX:
                continue
            scope = task.get_context().get(_scope, ROOT)
            resolved_by_host = isinstance(waits_for, Operation) and waits_for.scope == scope
            if scope in self.canceled and not resolved_by_host:
                told[task] = before | {waits_for}
                # As from inside of whatever shields it: it waits in a scope in there.
                task.get_context().run(task.cancel, "the scope is canceled")
                # It is told anew wherever it waits: asyncio is to keep no count of that.
                task.uncancel()
                return True
        return False

    def complete(self, outcome: Any) -> None:
        """Tells the host how the run ends: nothing runs after this."""
        wire.execution.complete(outcome)
        self.completed = True

    async def main(self, body: Coroutine[Any, Any, Any]) -> None:
        """Runs the workflow's code and tells how it ends."""
        try:
            result = encode(await body)
        except BaseException as error:
            if not is_failure(error):
                # A bug: the host shows the last error that was logged.
                self.broken(error)
                return
            self.complete(wire.execution.Outcome_Failed(to_links(error)))
        else:
            self.complete(wire.execution.Outcome_Completed(result))

    def broken(self, error: BaseException) -> None:
        """Fails the workflow task, after the callback that is running."""
        text = "".join(traceback.format_exception(error))
        wire.log.write(wire.log.Level.ERROR, "python", text)
        self.loop.broken = error


class _Active:
    """Marks the run as active, and gives the ambient functions its clock and random bytes."""

    def __init__(self, run: Run) -> None:
        self._run = run

    def __enter__(self) -> None:
        self._run.active = True
        ambient.host.now_ms = wire.info.now
        ambient.host.random_bytes = wire.info.random_bytes
        ambient.host.write_log = _write_log

    def __exit__(self, *_error: object) -> None:
        self._run.active = False
        ambient.host.now_ms = ambient.host.random_bytes = ambient.host.write_log = None


def _write_log(level: str, target: str, message: str) -> None:
    wire.log.write(wire.log.Level[level.upper()], target, message)


run = Run()


def current(what: str) -> Run:
    """The run, if there is one that is active.

    Raises:
        RuntimeError: `what` was used outside of a running workflow.
    """
    if not run.active:
        raise RuntimeError(f"{what} was used outside of a running workflow")
    return run
