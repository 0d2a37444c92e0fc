"""Workflow types: plain async functions."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, overload

from .messages import arguments
from .run import run
from .wire import types

__all__ = ["workflow"]

_types: dict[str, Callable[..., Awaitable[Any]]] = {}


@overload
def workflow[**P, T](function: Callable[P, Awaitable[T]], /) -> Callable[P, Awaitable[T]]: ...
@overload
def workflow[**P, T](
    *, name: str
) -> Callable[[Callable[P, Awaitable[T]]], Callable[P, Awaitable[T]]]: ...
def workflow(function: Any = None, /, *, name: str | None = None) -> Any:
    """Makes an async function a workflow type of this component, named like it.

    Its arguments are read as its annotations say; what it returns is the run's result. An exception
    that is a failure (`Failure`, `TimeoutError`, a cancellation) ends the run; any other is a bug
    and fails the workflow task, which is tried again.
    """

    def register(function: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        own = name or function.__name__
        if own in _types and _types[own] is not function:
            raise ValueError(f"there are two workflow types `{own}`")
        _types[own] = function
        return function

    return register if function is None else register(function)


def names() -> list[str]:
    """The workflow types of this component, in the order of their declaration."""
    return list(_types)


def begin(workflow_type: str, given: list[types.Payload]) -> None:
    """Begins to run a workflow's code."""
    function = _types.get(workflow_type)
    if function is None:
        raise LookupError(f"this component has no workflow type `{workflow_type}`")
    run.begun = True

    async def body() -> Any:
        return await function(*arguments(function, given))

    run.loop.create_task(run.main(body()))
