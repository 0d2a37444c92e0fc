"""The event loop of a workflow: asyncio's own futures, tasks and primitives run on it unmodified.

Callbacks run in the order in which they were scheduled, so a replay runs them in the same order. A
timer is a durable timer of the run. There are no threads, sockets or processes: what needs them
raises an error that says so.
"""

from __future__ import annotations

import asyncio
import contextvars
from asyncio import events
from collections import deque
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any

from . import wire

if TYPE_CHECKING:
    from .run import Run

__all__ = ["WorkflowLoop"]


class _Timer(events.TimerHandle):
    """A callback that waits for a durable timer."""

    timer: asyncio.Future[None] | None = None


class WorkflowLoop(asyncio.AbstractEventLoop):
    """Runs what is ready; the host decides when something is."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._ready: deque[events.Handle] = deque()
        self._factory: Any = None
        self.broken: BaseException | None = None
        """An error that the workflow's code has not expected."""

    def run_ready(self) -> None:
        """Runs callbacks until there are none."""
        while self._ready and not self._run.completed:
            handle = self._ready.popleft()
            if not handle._cancelled:
                handle._run()
            if self.broken is not None:
                raise self.broken

    def call_soon(
        self,
        callback: Callable[..., object],
        *args: object,
        context: contextvars.Context | None = None,
    ) -> events.Handle:
        """Schedules a callback behind all others."""
        handle = events.Handle(callback, args, self, context)
        self._ready.append(handle)
        return handle

    def call_later(
        self,
        delay: float,
        callback: Callable[..., object],
        *args: object,
        context: contextvars.Context | None = None,
    ) -> events.TimerHandle:
        """Schedules a callback for when a durable timer of the current scope fires. If the scope
        is canceled first, it is not called."""
        when = self.time() + delay
        handle = _Timer(when, callback, args, self, context)
        if delay <= 0:
            self._ready.append(handle)
            return handle
        from .timer import start_timer

        timer = start_timer(delay)

        def fired(timer: asyncio.Future[None]) -> None:
            if not timer.cancelled() and timer.exception() is None and not handle._cancelled:
                handle._run()

        timer.add_done_callback(fired)
        handle.timer = timer
        handle._scheduled = True
        return handle

    def call_at(
        self,
        when: float,
        callback: Callable[..., object],
        *args: object,
        context: contextvars.Context | None = None,
    ) -> events.TimerHandle:
        """As `call_later`, at a time of this loop's clock."""
        # To the microsecond: sums of seconds since 1970 are not more exact, and what is over a whole
        # millisecond would be the next one.
        return self.call_later(round(when - self.time(), 6), callback, *args, context=context)

    def _timer_handle_cancelled(self, handle: events.TimerHandle) -> None:
        if isinstance(handle, _Timer) and handle.timer is not None:
            handle.timer.cancel()

    def time(self) -> float:
        """The time of the workflow task, in seconds."""
        return wire.info.now() / 1000

    def create_future(self) -> asyncio.Future[Any]:
        """Makes a future."""
        return asyncio.Future(loop=self)

    def create_task(self, coro: Coroutine[Any, Any, Any], **kwargs: Any) -> asyncio.Task[Any]:
        """Runs a coroutine beside the others, in the scope that is current now."""
        if self._factory is None:
            from .run import Task

            task = Task(coro, loop=self, **kwargs)
        else:
            task = self._factory(self, coro, **kwargs)
        self._run.tasks[task] = None
        task.add_done_callback(self._forget)
        return task

    def _forget(self, task: asyncio.Task[Any]) -> None:
        self._run.tasks.pop(task, None)

    def set_task_factory(self, factory: Any) -> None:
        """Sets who makes tasks."""
        self._factory = factory

    def get_task_factory(self) -> Any:
        """Who makes tasks, if it was set."""
        return self._factory

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        """Logs what nobody has taken care of. An error in a callback is a bug."""
        error = context.get("exception")
        if "handle" in context and isinstance(error, Exception):
            self._run.broken(error)
            return
        text = f"{context.get('message')}: {error!r}"
        wire.log.write(wire.log.Level.WARN, "asyncio", text)

    def default_exception_handler(self, context: dict[str, Any]) -> None:
        """The same."""
        self.call_exception_handler(context)

    def get_debug(self) -> bool:
        """Never: it would read a clock."""
        return False

    def set_debug(self, enabled: bool) -> None:
        """Does nothing."""

    def is_running(self) -> bool:
        """Whether an activation is under way."""
        return self._run.active

    def is_closed(self) -> bool:
        """Never."""
        return False

    async def shutdown_asyncgens(self) -> None:
        """Does nothing: the run's end drops everything."""

    def run_in_executor(self, *_args: object) -> Any:
        """Refuses."""
        raise RuntimeError("a workflow has no threads: use an activity")

    def call_soon_threadsafe(self, *_args: object, **_kwargs: object) -> Any:
        """Refuses."""
        raise RuntimeError("a workflow has no threads")
