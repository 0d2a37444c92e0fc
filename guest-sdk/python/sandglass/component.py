"""What the component exports: the interface `guest`. Imported last when a component is built."""

from __future__ import annotations

import asyncio
from typing import Any

from componentize_py_types import Err
from wit_world import exports
from wit_world.exports import guest

from . import ambient, messages, registry, wire
from .child import ChildWorkflow
from .failure import is_failure, to_links
from .run import ROOT, run

__all__ = ["Guest"]

_started = False


def _deliver(event: Any) -> None:
    match event:
        case guest.Event_Initialize(start):
            registry.begin(start.workflow_type, start.arguments)
            # Before anything else runs in between: handlers are registered until it first waits.
            run.loop.run_ready()
            if not run.completed:
                messages.deliver_early()
        case guest.Event_SignalReceived(signal):
            messages.deliver_signal(signal)
        case guest.Event_UpdateRequested(requested):
            messages.deliver_update(requested)
        case guest.Event_CancelRequested(_):
            run.canceled.add(ROOT)
        case guest.Event_ScopeCanceled(canceled):
            if canceled.scope not in run.shields:
                run.canceled.add(canceled.scope)
        case guest.Event_ChildStarted(started):
            child = run.operations.get(started.operation)
            if isinstance(child, ChildWorkflow):
                child.begin(started.run_id)
        case _:
            operation = run.operations.pop(event.value.operation, None)
            if operation is not None:
                operation.resolve(event.value.outcome)


class _reported:
    """Logs what nobody has caught before it traps: the host shows the last error of the log."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if error is not None and not isinstance(error, Err) and error is not run.loop.broken:
            run.broken(error)


def _start() -> None:
    """The first call of this instance that belongs to a run."""
    global _started
    if not _started:
        _started = True
        with run.looking():
            ambient.begin()


class Guest(exports.Guest):
    """The exports of a workflow component, as the WIT interface `guest` says."""

    def definitions(self) -> list[Any]:
        """Lists the workflow types."""
        with _reported():
            ambient.seal()
            return [wire.types.Definition(name) for name in registry.names()]

    def activate(self, occurred: Any) -> None:
        """Takes one event and does all that can be done now."""
        with _reported():
            ambient.seal()
            _start()
            run.activate(lambda: _deliver(occurred))

    def query(self, name: str, arguments: list[Any], header: list[Any]) -> Any:
        """Answers a question."""
        return self._look(lambda: messages.answer_query(name, arguments))

    def validate_update(self, requested: Any) -> None:
        """Agrees to an update or refuses it."""
        return self._look(lambda: messages.validate_update(requested))

    def _look(self, look: Any) -> Any:
        with _reported(), run.looking():
            ambient.seal()
            asyncio.events._set_running_loop(run.loop)
            try:
                return look()
            except BaseException as error:
                if is_failure(error):
                    raise Err(to_links(error)) from None
                raise
            finally:
                asyncio.events._set_running_loop(None)
                ambient.end_lines()


ambient.keep_sources()
