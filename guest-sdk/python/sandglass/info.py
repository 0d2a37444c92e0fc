"""What a workflow may know about itself, what is shown with it, and its patches."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from . import wire
from .failure import CanceledError, Failure, from_links
from .payload import decode, encode
from .run import current
from .wire import instant

__all__ = [
    "Chain",
    "SearchValue",
    "chain",
    "deprecate_patch",
    "execution",
    "history",
    "memo",
    "now",
    "patched",
    "random_bytes",
    "search_attributes",
    "upsert_memo",
    "upsert_search_attributes",
]

type SearchValue = str | int | float | bool | datetime | list[str]
"""The value of a search attribute. A text is a keyword, a list keywords."""


def now() -> datetime:
    """The start time of the current workflow task, in UTC. A replay gives the recorded time."""
    current("now")
    return instant(wire.info.now())


def random_bytes(size: int) -> bytes:
    """Random bytes of the run. A replay gives the same for the same sequence of calls."""
    current("random_bytes")
    return wire.info.random_bytes(size)


def execution() -> wire.info.Execution:
    """The identity of this run: `workflow_id`, `run_id`, `workflow_type`, `task_queue`."""
    current("execution")
    return wire.info.get_execution()


def history() -> wire.info.HistorySize:
    """How large the history is: `length`, `bytes`, `suggest_continue_as_new`."""
    current("history")
    return wire.info.get_history()


@dataclass(frozen=True)
class Chain:
    """Where a run stands among those of its workflow id that follow each other."""

    first_run_id: str
    """The first run."""
    continued_from: str | None
    """The run before this one."""
    attempt: int
    """Which attempt of the retry policy this run is, from 1."""
    cron: str | None
    """The cron schedule."""
    last_failure: Failure | CanceledError | None
    """The failure of the run before this one, if that failed."""
    _last_result: Any

    def last_result(self, wanted: Any = Any) -> Any:
        """The value of the last run that returned one."""
        if self._last_result is None:
            return None
        return decode(self._last_result, wanted, "the last result")


def chain() -> Chain:
    """Where this run stands in its chain. The same in every replay."""
    current("chain")
    at = wire.info.get_chain()
    failure = None if at.last_failure is None else from_links(at.last_failure)
    return Chain(
        at.first_run_id, at.continued_from, at.attempt, at.cron, failure, at.last_result
    )


def patched(id: str) -> bool:
    """Whether the code is to go the way of a patch: a change that runs begun before it must not
    see. Yes in new runs, where it is recorded; a replay answers as was recorded."""
    current("patched")
    return wire.info.patched(id)


def deprecate_patch(id: str) -> None:
    """Says that no run is left that has to go the old way."""
    current("deprecate_patch")
    wire.info.deprecate_patch(id)


def upsert_memo(**entries: object) -> None:
    """Sets entries of the memo; one that is None is removed. Others stay."""
    current("upsert_memo")
    encoded = [(k, None if v is None else encode(v)) for k, v in entries.items()]
    wire.attributes.upsert_memo(encoded)


def memo(name: str, wanted: Any = Any) -> Any:
    """An entry of the memo, None if it is not there."""
    current("memo")
    found = dict(wire.attributes.get_memo()).get(name)
    return None if found is None else decode(found, wanted, f"the memo `{name}`")


def search_value(value: SearchValue) -> Any:
    """A search attribute as the host takes it."""
    kinds = wire.attributes
    match value:
        case bool():
            return kinds.SearchValue_Boolean(value)
        case int():
            return kinds.SearchValue_Int(value)
        case float():
            return kinds.SearchValue_Double(value)
        case str():
            return kinds.SearchValue_Keyword(value)
        case datetime():
            at = value if value.tzinfo else value.replace(tzinfo=UTC)
            return kinds.SearchValue_Datetime(round(at.timestamp() * 1000))
        case _:
            return kinds.SearchValue_KeywordList(list(value))


def upsert_search_attributes(**entries: SearchValue | None) -> None:
    """Sets search attributes; one that is None is removed. Others stay."""
    current("upsert_search_attributes")
    made = [(k, None if v is None else search_value(v)) for k, v in entries.items()]
    wire.attributes.upsert_search_attributes(made)


def search_attributes() -> dict[str, SearchValue]:
    """The search attributes as they are now."""
    current("search_attributes")
    values: dict[str, SearchValue] = {}
    for name, value in wire.attributes.get_search_attributes():
        is_time = isinstance(value, wire.attributes.SearchValue_Datetime)
        values[name] = instant(value.value) if is_time else value.value
    return values
