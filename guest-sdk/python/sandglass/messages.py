"""What a workflow is told and asked: signals, queries, updates.

    @workflow
    async def cart() -> list[str]:
        items: list[str] = []

        @query
        def contents() -> list[str]:
            return items

        @update
        async def add(item: str) -> int:
            items.append(item)
            return len(items)

        @add.validator
        def check(item: str) -> None:
            if not item:
                raise ApplicationError("there is nothing to add", type="Empty")

        await signals("checkout").receive()
        await wait_condition(all_handlers_finished)
        return items
"""

from __future__ import annotations

import inspect
import typing
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any

from . import wire
from .failure import ApplicationError, is_failure, to_links
from .payload import decode, decode_all, encode
from .run import ROOT, Wait, current, current_scope, enter_scope, run
from .wire import types

__all__ = ["Signals", "UpdateHandler", "all_handlers_finished", "query", "signals", "update"]

_waiting: dict[str, deque[list[types.Payload]]] = {}
_receivers: dict[str, list[Wait]] = {}
_queries: dict[str, Callable[..., Any]] = {}
_updates: dict[str, UpdateHandler] = {}
_early: list[Any] = []
_running: set[str] = set()


class Signals[T]:
    """The signals of one name, in the order in which they came. Those that nobody takes are kept.

    It can be iterated over with `async for`.
    """

    def __init__(self, name: str, of: Any = Any) -> None:
        self._name = name
        self._of = of

    async def receive(self) -> T:
        """Waits for the next signal and takes it.

        Raises:
            CanceledError: the current scope is canceled first, or was already.
            ApplicationError: of type `PayloadDecoding`: its value is of another type. It is gone.
        """
        current("a signal")
        waiting = _waiting.setdefault(self._name, deque())
        canceled = wire.cancellation.get_cancel(current_scope()) is not None
        while canceled or not waiting:
            wait = Wait(f"signal {self._name}")
            receivers = _receivers.setdefault(self._name, [])
            # Those that were given up meanwhile have nothing to be told.
            receivers[:] = [one for one in receivers if not one.done()]
            receivers.append(wait)
            await wait
            canceled = False
        return self._decode(waiting.popleft())

    def try_receive(self) -> T | None:
        """Takes the next signal if there is one, in a canceled scope too."""
        waiting = _waiting.get(self._name)
        return self._decode(waiting.popleft()) if waiting else None

    def __aiter__(self) -> Signals[T]:
        return self

    async def __anext__(self) -> T:
        return await self.receive()

    def _decode(self, arguments: list[types.Payload]) -> T:
        return decode_all(arguments, self._of, f"signal `{self._name}`")


def signals[T](name: str, of: type[T] | Any = Any) -> Signals[T]:
    """The signals of a name. `of` is the type that their value is read as."""
    return Signals(name, of)


def deliver_signal(signal: Any) -> None:
    """A signal has come: the first receiver to look takes it."""
    _waiting.setdefault(signal.name, deque()).append(signal.arguments)
    for wait in _receivers.pop(signal.name, []):
        wait.satisfy()


def arguments(function: Callable[..., Any], given: list[types.Payload]) -> list[Any]:
    """The arguments of a function, read as its annotations say.

    One that was left out is its default, or none if that is what is allowed.
    """
    hints = typing.get_type_hints(function)
    taken: list[Any] = []
    parameters = list(inspect.signature(function).parameters.values())
    for number, parameter in enumerate(parameters, 1):
        wanted = hints.get(parameter.name, Any)
        if parameter.kind is inspect.Parameter.VAR_POSITIONAL:
            what = f"argument `{parameter.name}`"
            taken += [decode(payload, wanted, what) for payload in given[len(taken) :]]
            return taken
        what = f"argument {number} (`{parameter.name}`)"
        if number <= len(given):
            taken.append(decode(given[number - 1], wanted, what))
        elif parameter.default is not inspect.Parameter.empty:
            taken.append(parameter.default)
        else:
            taken.append(decode(encode(None), wanted, f"{what}, which is missing,"))
    if len(given) > len(parameters):
        message = f"{len(given)} arguments were given where {len(parameters)} are wanted"
        raise ApplicationError(message, type="PayloadDecoding", non_retryable=True)
    return taken


def query(function: Any = None, /, *, name: str | None = None) -> Any:
    """Answers the queries of the function's name from now on. The function must only look."""

    def register(function: Callable[..., Any]) -> Callable[..., Any]:
        current("a query")
        _queries[name or function.__name__] = function
        return function

    return register if function is None else register(function)


class UpdateHandler:
    """Handles the updates of one name."""

    def __init__(self, name: str, function: Callable[..., Awaitable[Any]]) -> None:
        self.name = name
        self.function = function
        self.check: Callable[..., None] | None = None

    def validator(self, function: Callable[..., None]) -> Callable[..., None]:
        """Asks this function first whether an update is to be accepted: it raises a failure if
        not, which leaves no trace in the history. It may only look."""
        self.check = function
        return function

    def validate(self, given: list[types.Payload]) -> None:
        """Raises a failure if the update is not to be accepted."""
        values = arguments(self.function, given)
        if self.check is not None:
            self.check(*values)

    async def handle(self, given: list[types.Payload]) -> types.Payload:
        """Handles an update."""
        return encode(await self.function(*arguments(self.function, given)))


def update(function: Any = None, /, *, name: str | None = None) -> Any:
    """Handles the updates of the function's name from now on: its result is the answer.

    Handlers run as tasks beside the workflow, in the root scope. Register them before the first
    `await`: an update that comes earlier waits for that.
    """

    def register(function: Callable[..., Awaitable[Any]]) -> UpdateHandler:
        current("an update")
        handler = UpdateHandler(name or function.__name__, function)
        _updates[handler.name] = handler
        return handler

    return register if function is None else register(function)


def all_handlers_finished() -> bool:
    """Whether no update is being handled: `await wait_condition(all_handlers_finished)` before
    returning lets every caller have his answer."""
    return not _running and not _early


def deliver_update(requested: Any) -> None:
    """An update has come, and was validated if there was code that could."""
    handler = _updates.get(requested.name)
    if handler is not None:
        _handle(requested, handler, validated=True)
    elif not run.begun:
        _early.append(requested)
    else:
        wire.updates.complete_update(requested.id, wire.Err(to_links(_unknown(requested.name))))


def deliver_early() -> None:
    """The code has begun and waits: what came before it is handled, or refused."""
    early, _early[:] = list(_early), []
    for requested in early:
        handler = _updates.get(requested.name)
        if handler is None:
            unknown = to_links(_unknown(requested.name))
            wire.updates.complete_update(requested.id, wire.Err(unknown))
        else:
            # Nobody could be asked before: who refuses it now answers it with the refusal.
            _handle(requested, handler, validated=False)


def _handle(requested: Any, handler: UpdateHandler, *, validated: bool) -> None:
    _running.add(requested.id)

    async def answer() -> None:
        enter_scope(ROOT)
        outcome: Any
        try:
            if not validated:
                handler.validate(requested.arguments)
            outcome = wire.Ok(await handler.handle(requested.arguments))
        except BaseException as error:
            if not is_failure(error):
                run.broken(error)
                return
            outcome = wire.Err(to_links(error))
        _running.discard(requested.id)
        wire.updates.complete_update(requested.id, outcome)

    run.loop.create_task(answer())


def answer_query(name: str, given: list[types.Payload]) -> types.Payload:
    """Answers a question of the host."""
    function = _queries.get(name)
    if function is None:
        known = _names(_queries)
        raise ApplicationError(f"no query `{name}`; {known}", type="UnknownQuery")
    return encode(function(*arguments(function, given)))


def validate_update(requested: Any) -> None:
    """Tells the host whether an update is to be accepted."""
    handler = _updates.get(requested.name)
    if handler is None:
        raise _unknown(requested.name)
    handler.validate(requested.arguments)


def _unknown(name: str) -> ApplicationError:
    message = f"no update `{name}`; {_names(_updates)}"
    return ApplicationError(message, type="UnknownUpdate", non_retryable=True)


def _names(handlers: dict[str, Any]) -> str:
    if not handlers:
        return "there are none"
    return "there are: " + ", ".join(f"`{name}`" for name in sorted(handlers))
