"""Activities: the work that touches the world. They run outside of the workflow, at least once.

    @activity(start_to_close=timedelta(seconds=10))
    async def charge(order: Order) -> Receipt: ...

    receipt = await charge(order)

The function is a declaration; its body is not used. Who serves the activity is named when the
workflow is run: a component or a program in any language.
"""

from __future__ import annotations

import asyncio
import dataclasses
import inspect
import typing
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Self, overload

from . import wire
from .compensation import push
from .failure import from_links
from .payload import decode, encode
from .run import Operation, current, current_scope
from .wire import Length, millis, types

__all__ = [
    "Activity",
    "ActivityCall",
    "ActivityFunction",
    "CancellationType",
    "RetryPolicy",
    "activity",
    "named_activity",
]

CancellationType = types.CancellationType


@dataclass(frozen=True)
class RetryPolicy:
    """How often and when a failed activity is tried again."""

    initial_interval: Length = 1.0
    """Wait before the second attempt."""
    backoff_coefficient: float = 2.0
    """Factor by which the wait grows; at least 1."""
    maximum_interval: Length | None = None
    """Longest wait. Without it, it is 100 times the first."""
    maximum_attempts: int = 0
    """Most attempts; 0 for no limit."""
    non_retryable_types: tuple[str, ...] = ()
    """Failure types that are not retried."""

    def wire(self) -> types.RetryPolicy:
        """As the host takes it."""
        return types.RetryPolicy(
            millis(self.initial_interval) or 0,
            float(self.backoff_coefficient),
            millis(self.maximum_interval),
            self.maximum_attempts,
            list(self.non_retryable_types),
        )


@dataclass(frozen=True)
class Options:
    """Options of an activity. What is not set keeps its default."""

    activity_id: str | None = None
    """Its id, unique among the run's pending ones. Default: a number."""
    task_queue: str | None = None
    """Which workers take it. Default: those of the run's own task queue."""
    schedule_to_close: Length | None = None
    """Limit for all attempts and waits together."""
    schedule_to_start: Length | None = None
    """Limit until a worker begins an attempt."""
    start_to_close: Length | None = None
    """Limit for one attempt. Default: 60 s, if `schedule_to_close` is not set either."""
    heartbeat: Length | None = None
    """Longest silence between heartbeats of one attempt."""
    retry: RetryPolicy | None = None
    """When to try again. Default: after 1 s, doubling up to 100 s, without limit."""
    cancellation: CancellationType = CancellationType.WAIT_CANCELLATION_COMPLETED
    """What cancellation does to it. Default: ask it to stop and wait for how it ends."""
    wait_timeout: Length | None = None
    """Longest wait for how a canceled activity ends."""

    def wire(self, activity_type: str, arguments: list[types.Payload]) -> types.ActivityCall:
        """As the host takes it."""
        limit = self.start_to_close
        if limit is None and self.schedule_to_close is None:
            limit = 60.0
        return types.ActivityCall(
            activity_type,
            self.activity_id,
            self.task_queue,
            arguments,
            [],
            millis(self.schedule_to_close),
            millis(self.schedule_to_start),
            millis(limit),
            millis(self.heartbeat),
            None if self.retry is None else self.retry.wire(),
            self.cancellation,
            millis(self.wait_timeout),
        )


class Activity[T](Operation[T]):
    """An activity that was started: the future of its result.

    A replay is given the recorded result and runs nothing. When its scope is canceled, the
    activity's `CancellationType` decides: by default it is asked to stop and awaiting it goes on
    until it has ended.
    """

    def compensated_by(
        self, undo: ActivityCall[Any], *, always: bool = False
    ) -> Self:
        """Registers what the host is to run if the workflow fails or is canceled and this activity
        has, or may have, taken effect; with `always` also if it has not. To be called before the
        next `await`."""
        push(self.id, undo.wire(), always=always)
        return self


class _Refused[T](asyncio.Future[T]):
    """An activity that was not started, because its scope is canceled."""

    def compensated_by(self, undo: ActivityCall[Any], *, always: bool = False) -> Self:
        """What was not started has no effect to undo."""
        if always:
            push(None, undo.wire(), always=True)
        return self


@dataclass(frozen=True)
class ActivityCall[T]:
    """A complete description of one activity to run, not started yet."""

    function: ActivityFunction[Any, T]
    arguments: tuple[object, ...]

    def wire(self) -> types.ActivityCall:
        """As the host takes it."""
        arguments = [encode(argument) for argument in self.arguments]
        return self.function.set_options.wire(self.function.name, arguments)

    def start(self) -> Activity[T]:
        """Starts it in the current scope."""
        call = self.wire()
        return self._begun(lambda: wire.activities.schedule_activity(current_scope(), call))

    def start_local(self, retry_threshold: Length | None = None) -> Activity[T]:
        """Starts it as a local activity: short work that the host does at once, inside of the
        workflow task. A failed attempt is made again there unless the wait before it is longer
        than the threshold."""
        call = dataclasses.replace(
            self.wire(), task_queue=None, schedule_to_start=None, heartbeat=None
        )
        scope, limit = current_scope(), millis(retry_threshold)
        return self._begun(lambda: wire.activities.schedule_local_activity(scope, call, limit))

    def _begun(self, begin: Callable[[], int]) -> Activity[T]:
        run = current("an activity")
        try:
            id = begin()
        except wire.Err as answer:
            future: Any = _Refused(loop=run.loop)
            future.set_exception(from_links(answer.value))
            future._log_traceback = False
            return future
        result = self.function.result
        what = f"the result of {self.function.name}"
        return Activity(id, lambda payload: decode(payload, result, what))


class ActivityFunction[**P, T]:
    """An activity type. Calling it starts one in the current scope, awaiting that gives its
    result."""

    def __init__(self, name: str, result: Any, options: Options, doc: str | None = None) -> None:
        self.name = name
        self.result = result
        self.set_options = options
        self.__doc__ = doc

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> Activity[T]:
        """Starts the activity. Arguments go by position."""
        return self.call(*args, **kwargs).start()

    def call(self, *args: P.args, **kwargs: P.kwargs) -> ActivityCall[T]:
        """Describes a call without starting it, as for a compensation."""
        if kwargs:
            raise TypeError(f"the arguments of the activity {self.name} go by position")
        return ActivityCall(self, args)

    def local(self, *args: P.args, **kwargs: P.kwargs) -> Activity[T]:
        """The same work as a local activity, see `ActivityCall.start_local`."""
        return self.call(*args, **kwargs).start_local()

    def options(self, **changes: Any) -> ActivityFunction[P, T]:
        """The same activity type with other options, by the names of `Options`."""
        changed = dataclasses.replace(self.set_options, **changes)
        return ActivityFunction(self.name, self.result, changed, self.__doc__)


@overload
def activity[**P, T](function: Callable[P, Awaitable[T]], /) -> ActivityFunction[P, T]: ...
@overload
def activity[**P, T](
    *, name: str | None = None, **options: Any
) -> Callable[[Callable[P, Awaitable[T]]], ActivityFunction[P, T]]: ...
def activity(function: Any = None, /, *, name: str | None = None, **options: Any) -> Any:
    """Declares an activity type: its name, arguments and result are those of the function, whose
    body is not used. `options` are those of `Options`."""

    def declare(function: Any) -> Any:
        hints = typing.get_type_hints(function)
        doc = inspect.getdoc(function)
        result = hints.get("return", Any)
        return ActivityFunction(name or function.__name__, result, Options(**options), doc)

    return declare if function is None else declare(function)


def named_activity[T](
    name: str, result: type[T] | Any = Any, **options: Any
) -> ActivityFunction[..., T]:
    """An activity type that is known by its name only."""
    return ActivityFunction(name, result, Options(**options))
